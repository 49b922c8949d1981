#include "results.hpp"

#include <cmath>

namespace digits {

std::vector<point> series::mean_curve() const {
  std::vector<point> mean = seeds.front().curve;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    double sum = 0;
    for (outcome const& o : seeds) sum += o.curve[i].accuracy;
    mean[i].accuracy = sum / static_cast<double>(seeds.size());
  }
  return mean;
}

double series::final_accuracy() const { return mean_curve().back().accuracy; }

double series::final_deviation() const {
  if (seeds.size() == 1) return 0;
  double const mean = final_accuracy();
  double squares = 0;
  for (outcome const& o : seeds) squares += std::pow(o.curve.back().accuracy - mean, 2);
  return std::sqrt(squares / static_cast<double>(seeds.size() - 1));
}

double series::population() const {
  double sum = 0;
  for (outcome const& o : seeds) sum += o.population;
  return sum / static_cast<double>(seeds.size());
}

void print_table(std::vector<figure> const& figures) {
  std::printf(
      "\nFinal validation accuracy in percent, mean and standard deviation over %zu seed(s); population: inference with the\n"
      "statistics of the training set; paper: Inception v3 on ImageNet\n\n%-44s%10s%8s%12s%8s\n",
      figures.front().curves.front().seeds.size(), "", "accuracy", "+-", "population", "paper");
  for (figure const& f : figures) {
    std::printf("%s\n", f.of->name);
    for (series const& s : f.curves)
      std::printf("  %-42s%10.2f%8.2f%12.2f%8.1f\n", s.of->name, s.final_accuracy(), s.final_deviation(), s.population(), s.of->paper);
  }
}

void write_csv(std::FILE* file, std::vector<figure> const& figures, std::uint32_t first_seed) {
  std::fprintf(file, "experiment,arm,seed,step,accuracy\n");
  for (figure const& f : figures)
    for (series const& s : f.curves)
      for (std::size_t i = 0; i < s.seeds.size(); ++i)
        for (point const& p : s.seeds[i].curve)
          std::fprintf(file, "\"%s\",\"%s\",%zu,%ld,%.2f\n", f.of->name, s.of->name, first_seed + i, p.step, p.accuracy);
}

}  // namespace digits
