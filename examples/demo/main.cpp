// Normalizes real images with batch norm and batch renorm, checks what must hold for the results, and measures layers of ResNet-50
// against the limit of the machine. Exits 1 if a check fails.
#include "checks.hpp"
#include "data/digits.hpp"
#include "resnet50.hpp"

#include <cstdio>

namespace {

demo::view const views[] = {
    {"image", RENORM_NCHW, 1, 64}, {"rows", RENORM_NCHW, 8, 8}, {"columns", RENORM_NHWC, 8, 8}, {"pixels", RENORM_NHWC, 64, 1}};

// A row for each claim, a column for each view.
bool print_findings(std::vector<std::vector<demo::finding>> const& of_views) {
  bool held = true;
  for (std::size_t i = 0; i < of_views.front().size(); ++i) {
    std::printf("\n  %-57s", of_views.front()[i].claim);
    for (std::vector<demo::finding> const& findings : of_views) {
      std::printf("%10.0f", 100 * findings[i].error);
      held = findings[i].holds() && held;
    }
  }
  std::printf("\n%s\n", held ? "All of this holds." : "FAILED: errors over 100.");
  return held;
}

bool check_digits(char const* path) {
  demo::tensor const images = data::read_digits(path).pixels;
  if (images.empty()) {
    std::fprintf(stderr, "%s: no images there\n", path);
    return false;
  }
  std::printf(
      "\n%zu images of handwritten digits, 8x8 pixels (UCI ML repository; E. Alpaydin, C. Kaynak; CC BY 4.0)\n"
      "Largest errors, in percent of what rounding explains:\n\n  %-57s",
      images.size() / data::pixels_per_image, "channels are");
  std::vector<std::vector<demo::finding>> findings;
  for (demo::view const& v : views) {
    std::printf("%10s", v.name);
    findings.push_back(demo::check_view(v, images));
  }
  return print_findings(findings);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%s\ninstruction set: %s, of at most %s on this processor\n", renorm_build_info(), renorm_isa_name(renorm_active_isa()),
              renorm_isa_name(renorm_best_isa()));
  if (!check_digits(argc > 1 ? argv[1] : DIGITS_CSV)) return 1;
  demo::measure_resnet50();
}
