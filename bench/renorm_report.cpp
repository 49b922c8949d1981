// renorm_report <folder> <json...>: turns what renorm_table --json wrote into <folder>/results.md and a picture
// <folder>/<dtype>-<threads>.svg for each type and number of threads. Prints means and minima.
#include "report/markdown.hpp"
#include "report/picture.hpp"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

namespace {

[[noreturn]] void fail(std::string const& file) {
  std::perror(file.c_str());
  std::exit(1);
}

template <class Write> void write_file(std::string const& name, Write const& write) {
  std::FILE* const file = std::fopen(name.c_str(), "w");
  if (file == nullptr) fail(name);
  write(file);
  if (std::fclose(file) != 0) fail(name);
}

void read_file(char const* name, report::results& all) {
  std::FILE* const file = std::fopen(name, "r");
  if (file == nullptr) fail(name);
  if (!report::read_results(file, all)) {
    std::fprintf(stderr, "%s: not a file of renorm_table --json\n", name);
    std::exit(1);
  }
  std::fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "renorm_report <folder> <json...>\n");
    return 2;
  }
  std::string const folder = argv[1];
  report::results all;
  for (int i = 2; i < argc; ++i) read_file(argv[i], all);

  write_file(folder + "/results.md", [&](std::FILE* file) { report::write_markdown(file, all); });
  std::set<std::pair<std::string, std::string>> pictures;
  for (report::table const& t : all.tables) pictures.emplace(t.dtype, t.threads);
  for (auto const& [dtype, threads] : pictures)
    write_file(folder + '/' + dtype + '-' + threads + ".svg",
               [&, d = dtype, t = threads](std::FILE* file) { report::write_picture(file, all, d, t); });
  report::write_summary(stdout, all);
}
