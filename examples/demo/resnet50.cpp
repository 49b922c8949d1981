#include "resnet50.hpp"

#include "measure/speed_table.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace demo {
namespace {

// A column of the table.
struct column {
  bench::op op;
  char const* layout_name;
  renorm_layout layout;
  double log_of_shares = 0;
  int rows = 0;

  void measure_and_print(bench::shape const& s) {
    bench::sampling how;
    how.rounds = 5;  // some seconds in all
    bench::measurement const m = bench::measure({op, layout, RENORM_F32, s, 1}, how);
    bench::result const& renorm = m.results.front();
    double const share = bench::share_of_limit(m, renorm);
    log_of_shares += std::log(share);
    ++rows;
    std::printf("%7.2f (%3.0f)", renorm.time.median * 1e3, 100 * share);
    std::fflush(stdout);
  }
};

}  // namespace

void measure_resnet50() {
  bench::op const training = {"training", RENORM_OP_TRAIN}, inference = {"inference", RENORM_OP_INFERENCE};
  bench::op const backward = {"backward", RENORM_OP_BACKWARD};
  column columns[] = {{training, "NCHW", RENORM_NCHW},  {training, "NHWC", RENORM_NHWC}, {inference, "NCHW", RENORM_NCHW},
                      {inference, "NHWC", RENORM_NHWC}, {backward, "NCHW", RENORM_NCHW}, {backward, "NHWC", RENORM_NHWC}};
  std::printf(
      "\nLayers of ResNet-50, batch 32, float, one thread: milliseconds (percent of the limit). The limit\n"
      "moves the same bytes, the tensor as a whole for each pass, and computes nothing; renorm beats it\n"
      "where its second pass finds a block of channels in the cache.\n\n%-16s",
      "");
  for (column const& c : columns) std::printf("%13s", c.op.name);
  std::printf("\n%-16s", "");
  for (column const& c : columns) std::printf("%13s", c.layout_name);
  for (bench::shape const& s : bench::shapes()) {
    if (std::strcmp(s.group, "resnet50") != 0) continue;
    std::printf("\n  %-14s", bench::name_of(s).c_str());
    for (column& c : columns) c.measure_and_print(s);
  }
  std::printf("\n  %-14s", "geometric mean");
  for (column const& c : columns) std::printf("%7s (%3.0f)", "", 100 * std::exp(c.log_of_shares / c.rows));
  std::printf("\n");
}

}  // namespace demo
