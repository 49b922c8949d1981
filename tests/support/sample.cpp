#include "support/sample.hpp"

#include "support/random.hpp"
#include "support/reference.hpp"
#include "support/tolerance.hpp"

#include <cmath>
#include <utility>

namespace renorm_test {
namespace {

constexpr std::uint64_t kinds = 9;

double exact(double v) { return static_cast<float>(v); }

struct distribution {
  double mean, deviation;
  double drift = 0;  // of the mean from the first value to the last
};

distribution distribution_of(kind data, generator& random) {
  double const a = random.uniform(), b = random.uniform();
  switch (data) {
    case kind::large_mean:
    case kind::outlier_first:
      return {1e4 + 64 * a, 1};
    case kind::drifting:
      return {0, 1, 1e4};
    case kind::huge:
      return {1e30 * a, 1e30};
    case kind::tiny:
      return {1e-21 * a, 1e-21};
    case kind::denormal:
      return {1e-40 * a, 1e-40};
    case kind::constant:
      return {8 * a, 0};
    default:
      return {8 * a, 1.125 + b};
  }
}

void set_special_values(problem& p, std::size_t channel, kind data, generator& random) {
  if (p.per_channel() == 0) return;
  std::uint64_t const z = random.next();
  if (data == kind::outlier_first) p.x[p.at(0, channel, 0)] = 0;
  if (data == kind::not_finite) p.x[p.at(z % p.n(), channel, (z >> 32) % p.s())] = z >> 63 ? HUGE_VAL : NAN;
}

void append_channel(problem& p, std::size_t channel, kind data, generator& random) {
  distribution const x = distribution_of(data, random);
  double const step = x.drift / static_cast<double>(p.per_channel());
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < p.s(); ++k) {
      double const mean = x.mean + step * static_cast<double>(i * p.s() + k);
      p.x[p.at(i, channel, k)] = exact(mean + x.deviation * random.normal());
      p.dy[p.at(i, channel, k)] = exact(0.25 + random.normal());
    }
  set_special_values(p, channel, data, random);

  double const spread = 1.5 + random.uniform(), deviation = x.drift > 0 ? 0.25 * x.drift : x.deviation;
  p.gamma.push_back(exact(random.uniform() + 0.25));
  p.beta.push_back(exact(random.uniform()));
  p.running_mean.push_back(exact(x.mean + 0.5 * x.drift + 0.75 * deviation * random.normal()));
  p.running_var.push_back(exact(p.has(RENORM_FLAG_TRACK_SIGMA) ? spread * deviation : spread * deviation * deviation));
}

template <class KindOf> problem make_problem(renorm_desc const& desc, std::uint64_t seed, KindOf const& kind_of) {
  generator random(seed);
  problem p;
  p.desc = desc;
  p.x = p.dy = array(p.n() * p.c() * p.s());
  for (std::size_t channel = 0; channel < p.c(); ++channel) append_channel(p, channel, kind_of(channel), random);
  return p;
}

position_mask random_mask(problem const& p, renorm_mask_kind kind, std::uint64_t seed) {
  generator random(seed);
  position_mask mask(p.per_channel(), 0);
  for (std::size_t i = 0; i < p.n(); ++i) {
    std::uint64_t const how = random.next() % 5;
    std::size_t const length = how == 0 ? 0 : how == 1 ? p.s() : static_cast<std::size_t>(random.next() % (p.s() + 1));
    for (std::size_t k = 0; k < p.s(); ++k) mask[i * p.s() + k] = k < length ? 1 : 0;
    if (kind != RENORM_MASK_BYTES || how < 2) continue;
    for (std::size_t k = 0; k < p.s();) {
      std::uint8_t const valid = random.next() % 2 == 0 ? 0 : 0x80;
      for (std::size_t end = k + 1 + random.next() % 12; k < end && k < p.s(); ++k) mask[i * p.s() + k] = valid;
    }
  }
  return mask;
}

void forget_masked(problem& p) {
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < p.s(); ++k)
      for (std::size_t c = 0; c < p.c() && !p.valid(i, k); ++c)
        for (array* tensor : {&p.x, &p.dy, &p.z})
          if (!tensor->empty()) (*tensor)[p.at(i, c, k)] = NAN;
}

void clear_doubtful_gradients(problem& p, bool training, double margin) {
  problem argument = p;
  argument.desc.epilogue = p.add() ? RENORM_EPILOGUE_ADD : RENORM_EPILOGUE_NONE;
  values const want = training ? reference_training(argument) : reference_inference(argument);
  values const allowed = training ? training_tolerance(argument, want) : inference_tolerance(argument, want);
  for (std::size_t j = 0; j < p.x.size(); ++j)
    if (std::abs(want.y[j]) <= allowed.y[j] + margin) p.dy[j] = 0;
}

}  // namespace

problem random_problem(renorm_desc const& desc, std::uint64_t seed, kind data) {
  return make_problem(desc, seed, [&](std::size_t) { return data; });
}

problem fused(problem p, renorm_epilogue epilogue, bool training, double margin) {
  generator random(9);
  p.desc.epilogue = epilogue;
  if (p.add())
    for (std::size_t j = 0; j < p.x.size(); ++j) p.z.push_back(exact(random.normal()));
  if (p.relu()) clear_doubtful_gradients(p, training, margin);
  forget_masked(p);
  return p;
}

problem masked(problem p, renorm_mask_kind kind, position_mask mask) {
  p.desc.mask_kind = kind;
  p.mask = std::move(mask);
  forget_masked(p);
  return p;
}

problem masked(problem p, renorm_mask_kind kind, std::uint64_t seed) {
  position_mask mask = random_mask(p, kind, seed);
  return masked(std::move(p), kind, std::move(mask));
}

problem mixed_problem(renorm_desc const& desc, std::uint64_t seed) {
  return make_problem(desc, seed, [&](std::size_t channel) { return static_cast<kind>((channel + seed) % kinds); });
}

}  // namespace renorm_test
