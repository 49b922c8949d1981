#include "measure/content.hpp"

#include "capi/validate.hpp"
#include "measure/mask.hpp"
#include "measure/random.hpp"
#include "measure/require.hpp"
#include "measure/renorm_call.hpp"
#include "pass/mask.hpp"

#include <cfloat>
#include <cmath>
#include <memory>

namespace bench {
namespace {

double const outlier = 1e4, padding = 0.25;

double random(place const& at) { return at.random; }
double zeros(place const&) { return 0; }
double half_channels_zero(place const& at) { return at.channel % 2 == 1 ? 0 : at.random; }
double quarter_dead_relu(place const& at) { return at.channel % 4 == 3 || at.random < 0 ? 0 : at.random; }
double odd_samples_zero(place const& at) { return at.sample % 2 == 1 ? 0 : at.random; }

// Whether the position is of the first or the last 1/parts of its sample.
bool is_outer(place const& at, std::size_t parts) {
  std::size_t const width = at.positions / parts;
  return at.position < width || at.position >= at.positions - width;
}
double outer_rows_constant(place const& at) { return is_outer(at, 8) ? padding : at.random; }
double letterbox(place const& at) { return is_outer(at, 4) ? 0 : at.random; }

double first_value_outlier(place const& at) { return at.first_of_sample ? outlier : at.random; }
double outlier_samples(place const& at) { return at.sampled ? outlier : at.random; }
double tiny(place const& at) { return at.random * at.type.tiny; }
double overflow(place const& at) { return at.random * at.type.huge; }
double denormal(place const& at) { return at.random * at.type.least_normal / 4; }  // random values are below 4

double all_nan(place const&) { return NAN; }
double one_nan(place const& at) { return at.first_of_batch && at.channel == 0 ? NAN : at.random; }
double one_inf(place const& at) { return at.first_of_batch && at.channel == 0 ? HUGE_VAL : at.random; }

range range_of(float) { return {1e-30, 1e30, FLT_MIN}; }
range range_of(double) { return {1e-300, 1e200, DBL_MIN}; }

// What the library samples, asked of itself, as [n][s].
template <class T> std::vector<bool> sampled_positions(renorm_desc const& desc, mask const& valid) {
  renorm::problem p;
  require(renorm::capi::read_desc(&desc, p, "sampled_positions"));
  renorm::order const& o = p.order;
  renorm::arena counting(nullptr, 0);
  renorm::selection_scratch<T>(o, p.mask, counting, true);
  std::vector<char> memory(counting.bytes());
  renorm::arena arena(memory.data(), memory.size());
  renorm::selection_scratch<T> const scratch(o, p.mask, arena, true);
  renorm::selection<T> const selected(o, p.mask, scratch, valid.data(), {nullptr, nullptr, 1});

  std::vector<bool> sampled(p.shape().per_channel());
  for (std::size_t g = 0; g < p.shape().groups; ++g) {
    renorm::group const group = o.at(g);
    for (std::size_t chunk = 0; chunk < group.cut.chunks; ++chunk) {
      renorm::part const part = group.cut.part_of(chunk);
      for (std::size_t const k : selected.samples(group, chunk).position) {
        renorm::place const at = o.place_of(group, {part.run + k / part.length, 1, part.first + k % part.length, 1});
        sampled[at.sample * p.shape().s + at.position] = true;
      }
    }
  }
  return sampled;
}

std::size_t first_valid(mask const& m, std::size_t sample, std::size_t positions) {
  std::size_t position = 0;
  while (position < positions && !m.valid(sample, position)) ++position;
  return position;
}

template <class T> void fill(T* x, renorm_desc const& desc, content const& what) {
  auto const samples = static_cast<std::size_t>(desc.n), channels = static_cast<std::size_t>(desc.c);
  bool const nchw = desc.layout == RENORM_NCHW;
  mask const valid(desc);
  place at = {};
  at.type = range_of(T());
  at.positions = static_cast<std::size_t>(desc.s);
  std::vector<bool> const sampled = sampled_positions<T>(desc, valid);
  random_values random(1);
  bool had_valid = false;
  for (at.sample = 0; at.sample < samples; ++at.sample) {
    std::size_t const first = first_valid(valid, at.sample, at.positions);
    for (std::size_t i = 0; i < (nchw ? channels : at.positions); ++i)
      for (std::size_t k = 0; k < (nchw ? at.positions : channels); ++k) {
        at.channel = nchw ? i : k;
        at.position = nchw ? k : i;
        at.first_of_sample = at.position == first;
        at.first_of_batch = at.first_of_sample && !had_valid;
        at.sampled = sampled[at.sample * at.positions + at.position];
        at.random = random.next();
        *x++ = static_cast<T>(what.value(at));
      }
    had_valid = had_valid || first < at.positions;
  }
}

std::vector<call> calls_on(content const& what, spec s) {
  auto const x = std::make_shared<pages>(s.tensor_bytes());
  if (s.desc.dtype == RENORM_F32) fill(static_cast<float*>(x->data()), s.desc, what);
  else fill(static_cast<double*>(x->data()), s.desc, what);
  if (what.without_eps) s.desc.eps = 0;
  return {renorm_call(s, x)};
}

}  // namespace

content const contents[] = {{"random", random},
                            {"zeros", zeros},
                            {"half_channels_zero", half_channels_zero},
                            {"quarter_dead_relu", quarter_dead_relu},
                            {"outer_rows_constant", outer_rows_constant},
                            {"letterbox", letterbox},
                            {"odd_samples_zero", odd_samples_zero},
                            {"first_value_outlier", first_value_outlier},
                            {"tiny", tiny},
                            {"denormal", denormal},
                            {"one_nan", one_nan},
                            {"all_nan", all_nan},
                            {"one_inf", one_inf},
                            {"overflow", overflow},
                            {"underflow", tiny, true},
                            {"outlier_samples", outlier_samples}};

std::vector<implementation> on_contents(std::vector<content> const& chosen) {
  std::vector<implementation> all;
  for (content const& c : chosen) all.push_back({c.name, false, [c](spec const& s) { return calls_on(c, s); }});
  return all;
}

}  // namespace bench
