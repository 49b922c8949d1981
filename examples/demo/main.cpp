// Normalizes real images with batch norm and batch renorm, checks what must hold for the results, and measures layers of ResNet-50
// against the limit of the machine. Exits 1 if a check fails.
#include "checks.hpp"
#include "data/digits.hpp"
#include "measure/speed_table.hpp"

#include <cstdio>
#include <cstring>

namespace {

demo::view const views[] = {{"images as one channel", RENORM_NCHW, 1, 64},
                            {"rows as channels", RENORM_NCHW, 8, 8},
                            {"columns as channels", RENORM_NHWC, 8, 8},
                            {"pixels as channels", RENORM_NHWC, 64, 1}};

bool check_digits(char const* path) {
  demo::tensor const images = data::read_digits(path).pixels;
  if (images.empty()) {
    std::fprintf(stderr, "%s: no images there\n", path);
    return false;
  }
  std::printf("\n%zu images of handwritten digits, 8x8 pixels (UCI ML repository; E. Alpaydin, C. Kaynak; CC BY 4.0)\n",
              images.size() / data::pixels_per_image);
  bool held = true;
  for (demo::view const& v : views) held = demo::check_view(v, images) && held;
  return held;
}

void measure_resnet50() {
  std::printf(
      "\nLayers of ResNet-50, batch 32. The limit moves the same bytes, the tensor as a whole for each pass, and computes nothing;\n"
      "it takes turns with renorm, which can beat it where its second pass finds a block of channels in the cache.\n");
  std::vector<bench::spec> specs;
  for (bench::op const o : {bench::op::train, bench::op::inference, bench::op::backward})
    for (auto const& l : bench::layouts)
      for (bench::shape const& s : bench::shapes())
        if (std::strcmp(s.group, "resnet50") == 0) specs.push_back({o, l.value, RENORM_F32, s, 1});
  bench::sampling how;
  how.rounds = 5;  // some seconds in all
  bench::measure_and_print(specs, how);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%s\ninstruction set: %s, of at most %s on this processor\n", renorm_build_info(), renorm_isa_name(renorm_active_isa()),
              renorm_isa_name(renorm_best_isa()));
  if (!check_digits(argc > 1 ? argv[1] : DIGITS_CSV)) return 1;
  std::printf("\nAll of this holds.\n");
  measure_resnet50();
}
