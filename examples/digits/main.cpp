// Trains networks on handwritten digits with batch norm and batch renorm, in the settings of the paper's experiments, and writes
// validation accuracy against step as CSV and SVG.
#include "experiment.hpp"
#include "plot.hpp"
#include "results.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>

namespace {

struct options {
  std::uint32_t seed = 1, seeds = 1;
  long steps = 3000;
  std::filesystem::path out = "digits-results";
};

long positive(std::string const& text) {
  std::size_t end = 0;
  long const value = std::stol(text, &end);
  if (end != text.size() || value < 1 || value > 1000000) throw std::invalid_argument(text);
  return value;
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string const name = argv[i], value = argv[i + 1];
    if (name == "--seed") o.seed = static_cast<std::uint32_t>(positive(value));
    else if (name == "--seeds") o.seeds = static_cast<std::uint32_t>(positive(value));
    else if (name == "--steps") o.steps = positive(value);
    else if (name == "--out") o.out = value;
    else throw std::invalid_argument(name);
  }
  if (argc % 2 == 0) throw std::invalid_argument(argv[argc - 1]);
  return o;
}

// A line that grows while a network trains: its accuracy at every eighth of the way.
digits::outcome run_aloud(digits::arm const& a, digits::data_sets const& data, long steps, std::uint32_t seed) {
  std::printf("  %-42s", a.name);
  long shown = 0;
  digits::outcome const o = digits::run(a, data, steps, seed, [&](digits::point const& p) {
    if (p.step * 8 / steps == shown) return;
    shown = p.step * 8 / steps;
    std::printf("%7.1f", p.accuracy);
    std::fflush(stdout);
  });
  std::printf("\n");
  return o;
}

std::vector<digits::figure> prepare() {
  std::vector<digits::figure> figures;
  for (digits::experiment const& e : digits::experiments()) {
    figures.push_back({&e, {}});
    for (digits::arm const& a : e.arms) figures.back().curves.push_back({&a, {}});
  }
  return figures;
}

std::vector<digits::figure> run_all(options const& o) {
  std::vector<digits::figure> figures = prepare();
  for (std::uint32_t seed = o.seed; seed < o.seed + o.seeds; ++seed) {
    digits::data_sets const data = digits::load(DIGITS_CSV, seed);
    std::printf("seed %u: validation accuracy in percent, at every eighth of %ld steps\n", seed, o.steps);
    for (digits::figure& f : figures) {
      std::printf(" %s\n", f.of->name);
      for (digits::series& s : f.curves) s.seeds.push_back(run_aloud(*s.of, data, o.steps, seed));
    }
  }
  return figures;
}

void write(std::filesystem::path const& path, std::function<void(std::FILE*)> const& contents) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw std::runtime_error(path.string() + ": cannot be written");
  contents(file);
  std::fclose(file);
  std::printf("%s\n", path.c_str());
}

}  // namespace

int main(int argc, char** argv) try {
  options const o = parse(argc, argv);
  std::filesystem::create_directories(o.out);
  std::vector<digits::figure> const figures = run_all(o);
  digits::print_table(figures);
  std::printf("\n");
  write(o.out / "accuracy.csv", [&](std::FILE* file) { digits::write_csv(file, figures, o.seed); });
  write(o.out / "accuracy.svg", [&](std::FILE* file) { digits::write_plot(file, figures); });
  return 0;
} catch (std::invalid_argument const& e) {
  std::fprintf(stderr, "not understood: %s\nusage: %s [--seed N] [--seeds N] [--steps N] [--out directory]\n", e.what(), argv[0]);
  return 2;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
