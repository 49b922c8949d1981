// Runs a fuzz target without libFuzzer: on the files it is given, and on random inputs, the same in every run. An input that ends the
// program, or that takes minutes, is left in the file "find".
//   <program> [--random=<count>] [--first=<number>] [--lent=<count>] [file...]
// Random inputs have numbers, from 0 on if no other is said. At least so many calls of parallel_for are expected, if it is said.
#include "fuzz/choices.hpp"
#include "support/random.hpp"

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

constexpr std::size_t longest = 96;
std::vector<char> input;

void keep_find(int) {
  if (std::FILE* const file = std::fopen("find", "wb")) {
    std::fwrite(input.data(), 1, input.size(), file);
    std::fclose(file);
  }
}

void end_at_alarm(int) { std::abort(); }

constexpr unsigned most_seconds = 120;  // of what takes milliseconds, but under an emulator

void run() {
  alarm(most_seconds);
  LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(input.data()), input.size());
}

void run_random(std::uint64_t i) {
  renorm_test::generator random(i);
  input.resize(random.next() % longest);
  for (char& byte : input) byte = static_cast<char>(random.next());
  run();
}

bool run_file(std::string const& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return false;
  input.assign(std::istreambuf_iterator<char>(file), {});
  run();
  return true;
}

// Whether an argument is --<name>=<value>.
bool is_option(std::string const& argument, std::string const& name, long long& value) {
  std::string const option = "--" + name + "=";
  if (argument.compare(0, option.size(), option) != 0) return false;
  value = std::atoll(argument.c_str() + option.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  long long first = 0, count = 0, lent = 0, files = 0;
  std::signal(SIGABRT, keep_find);
  std::signal(SIGALRM, end_at_alarm);
  for (int i = 1; i < argc; ++i) {
    std::string const argument = argv[i];
    if (is_option(argument, "random", count) || is_option(argument, "first", first) || is_option(argument, "lent", lent)) continue;
    if (!run_file(argument)) {
      std::fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 2;
    }
    ++files;
  }
  for (long long i = first; i < first + count; ++i) run_random(static_cast<std::uint64_t>(i));
  std::printf("%lld files and %lld random inputs, no finding; %lld calls of parallel_for\n", files, count, fuzz::lent_calls.load());
  return fuzz::lent_calls < lent;
}
