// Every kernel of src/kernels/list.inc on every instruction set against the scalar one: same bits, at every tail, alignment and page
// border, with plain and streaming stores, with gaps in tensors and without. A kernel that is listed and has no case here does not compile.
#include "isa/isa.hpp"
#include "support/memory.hpp"
#include "support/reduced.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace renorm_test {
namespace {

namespace isas = renorm::isas;

struct geometry {
  std::size_t length, channels, samples;
  placement where;
  bool stream, flat;
  bool gaps;  // each input has its own, outputs the same
};

// Between -1 and 3, with a different sequence for each seed.
double value_at(std::size_t i, unsigned seed) { return static_cast<double>((i * 2654435761u + seed * 40503u) % 4096) / 1024 - 1; }

template <class T> class vector_at {
 public:
  vector_at(std::size_t count, placement where) : count_(count), memory_(count * sizeof(T), sizeof(T), where) {}
  vector_at(std::size_t count, placement where, unsigned seed, double least = -8) : vector_at(count, where) {
    for (std::size_t i = 0; i < count; ++i) data()[i] = static_cast<T>(std::fmax(value_at(i, seed), least));
  }
  T* data() { return static_cast<T*>(memory_.data()); }
  operator T*() { return data(); }
  bool intact() const { return memory_.intact(); }
  std::size_t size() const { return count_; }

 private:
  std::size_t count_;
  memory memory_;
};

// A tensor of runs, which have the same values with gaps between them and without.
template <class T> class tensor_at {
 public:
  static constexpr T gap = 77;

  tensor_at(geometry const& g, bool planes, std::size_t between)
      : samples_(planes ? g.samples : g.samples * g.channels),
        channels_(planes ? g.channels : 1),
        length_(g.length),
        channel_(g.length + (planes && !g.flat ? between : 0)),
        sample_(channels_ * channel_ + between),
        planes_(planes),
        memory_((samples_ - 1) * sample_ + (channels_ - 1) * channel_ + g.length, g.where) {
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_.data()[i] = gap;
  }
  tensor_at(geometry const& g, bool planes, std::size_t between, unsigned seed) : tensor_at(g, planes, between) {
    std::size_t i = 0;
    for_each_value([&](T& value) { value = static_cast<T>(std::fmax(value_at(i++, seed), -8)); });
  }

  renorm::view<T> to() { return {memory_.data(), planes_ ? renorm::pitches{sample_, channel_, 1} : renorm::pitches{0, 1, sample_}}; }
  operator renorm::view<T const>() { return {to().data, to().pitch}; }

  std::vector<double> values() {
    std::vector<double> all;
    all.reserve(samples_ * channels_ * length_);
    for_each_value([&](T& value) { all.push_back(value); });
    return all;
  }
  // Nothing is written around it or into its gaps.
  bool intact() {
    std::vector<bool> in_run(memory_.size());
    for_each_value([&](T& value) { in_run[static_cast<std::size_t>(&value - memory_.data())] = true; });
    for (std::size_t i = 0; i < memory_.size(); ++i)
      if (!in_run[i] && memory_.data()[i] != gap) return false;
    return memory_.intact();
  }

 private:
  // In the order that they have without gaps.
  template <class F> void for_each_value(F const& f) {
    for (std::size_t i = 0; i < samples_; ++i)
      for (std::size_t c = 0; c < channels_; ++c)
        for (std::size_t k = 0; k < length_; ++k) f(memory_.data()[i * sample_ + c * channel_ + k]);
  }

  std::size_t samples_, channels_, length_, channel_, sample_;
  bool planes_;
  vector_at<T> memory_;
};

// What a kernel wrote, in double, which holds every float.
struct written {
  std::vector<double> values;
  bool intact = true;

  template <class T> written& operator<<(vector_at<T>& a) {
    values.insert(values.end(), a.data(), a.data() + a.size());
    intact = intact && a.intact();
    return *this;
  }
  template <class T> written& operator<<(tensor_at<T>& a) {
    std::vector<double> const more = a.values();
    values.insert(values.end(), more.begin(), more.end());
    intact = intact && a.intact();
    return *this;
  }
};

template <class T> struct grid_of {
  geometry g;
  std::size_t values() const { return g.samples * g.channels * g.length; }
  // Samples of all channels back to back; rows of length columns.
  renorm::planes all_planes() const { return {g.samples, 1, g.channels, g.length, 0, g.flat}; }
  renorm::pixels all_rows() const { return {g.samples * g.channels, {0, 0, 1}, g.length}; }
  tensor_at<T> planes_of(unsigned seed) const { return {g, true, g.gaps ? seed % 4 + 1 : 0, seed}; }
  tensor_at<T> rows_of(unsigned seed) const { return {g, false, g.gaps ? seed % 4 + 1 : 0, seed}; }
  tensor_at<T> planes() const { return {g, true, g.gaps ? std::size_t(3) : 0}; }
  tensor_at<T> rows() const { return {g, false, g.gaps ? std::size_t(3) : 0}; }
  // One for the runs of a sample. About half of the values are 0.
  vector_at<T> mask() const {
    vector_at<T> values(g.samples * g.length, g.where);
    for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] = value_at(i, 9) < 1 ? T(0) : T(1);
    return values;
  }
  renorm::view<T const> valid(vector_at<T>& values) const { return {values.data(), {g.length, 0, 1}}; }
  vector_at<T> input(std::size_t count, unsigned seed) const { return {count, g.where, seed}; }
  vector_at<T> positive(std::size_t count, unsigned seed) const { return {count, g.where, seed, 0.25}; }
  vector_at<T> power_of_2(std::size_t count, unsigned seed) const {
    vector_at<T> values(count, g.where, seed);
    for (std::size_t i = 0; i < count; ++i) values.data()[i] = std::ldexp(T(1), static_cast<int>(values.data()[i]));
    return values;
  }
  vector_at<T> output(std::size_t count) const { return {count, g.where}; }
  vector_at<double> wide(std::size_t count, unsigned seed) const { return {count, g.where, seed}; }
  vector_at<double> wide_positive(std::size_t count, unsigned seed) const { return {count, g.where, seed, 0.25}; }
  vector_at<double> wide_output(std::size_t count) const { return {count, g.where}; }
};

constexpr struct { bool relu, add; } epilogues[] = {{false, false}, {true, false}, {false, true}, {true, true}};

// ---------------------------------------------------------------- one case a kernel: its inputs, the call, its outputs

template <class T> using table = renorm::kernels<T>;

template <class T> written moments_plane(table<T> const& k, grid_of<T> const& d) {
  auto x = d.planes_of(1), pivot = d.input(d.g.channels, 2), factor = d.power_of_2(d.g.channels, 5), mask = d.mask();
  written all;
  for (T const* units : {static_cast<T const*>(nullptr), static_cast<T const*>(factor.data())}) {
    auto sums = d.output(d.g.channels * 2 * renorm::lanes<T>), masked = d.output(sums.size());
    k.moments_plane(d.all_planes(), x, {}, pivot, units, sums);
    k.moments_plane(d.all_planes(), x, d.valid(mask), pivot, units, masked);
    all << sums << masked;
  }
  return all;
}
// Of values that add up exactly.
template <class T> T median_of(T a, T b, T c) { return a + b + c - std::min({a, b, c}) - std::max({a, b, c}); }

template <class T> written median_rows(table<T> const& k, grid_of<T> const& d) {
  auto a = d.input(d.g.length, 1), b = d.input(d.g.length, 2), c = d.input(d.g.length, 3), median = d.output(d.g.length);
  k.median_rows(d.g.length, a, b, c, median);
  for (std::size_t i = 0; i < d.g.length; ++i) EXPECT_EQ(median[i], median_of(a[i], b[i], c[i]));
  return written() << median;
}
template <class T> written median_planes(table<T> const& k, grid_of<T> const& d) {
  std::size_t const channels = d.g.length, pitch = d.g.samples;
  auto a = d.input(channels * pitch, 1), b = d.input(channels * pitch, 2), c = d.input(channels * pitch, 3), median = d.output(channels);
  k.median_planes(channels, pitch, a, b, c, median);
  for (std::size_t i = 0; i < channels; ++i) EXPECT_EQ(median[i], median_of(a[i * pitch], b[i * pitch], c[i * pitch]));
  return written() << median;
}
template <class T> written moments_pixels(table<T> const& k, grid_of<T> const& d) {
  auto x = d.rows_of(1), pivot = d.input(d.g.length, 2), factor = d.power_of_2(d.g.length, 5);
  auto s = d.input(d.g.length, 3), q = d.positive(d.g.length, 4), scaled_s = d.input(d.g.length, 3), scaled_q = d.positive(d.g.length, 4);
  k.moments_pixels(d.all_rows(), x, pivot, nullptr, s, q);
  k.moments_pixels(d.all_rows(), x, pivot, factor, scaled_s, scaled_q);
  return written() << s << q << scaled_s << scaled_q;
}
template <class T> written add_partial(table<T> const& k, grid_of<T> const& d) {
  auto partial = d.input(d.g.length, 1), sum = d.input(d.g.length, 2);
  auto first = d.input(d.g.length, 1), second = d.input(d.g.length, 2);
  k.add_partial(d.g.length, partial, sum);
  for (std::size_t i = 0; i < d.g.length; ++i) {
    EXPECT_EQ(sum[i], first[i] + second[i]);
    EXPECT_EQ(partial[i], 0);
  }
  return written() << sum << partial;
}
template <class T> struct rows {
  vector_at<T> center, inv, off, half, unit, gradient_scale, c1, c2, dx_unit, scale, shift;

  rows(grid_of<T> const& d, std::size_t count)
      : center(d.input(count, 3)),
        inv(d.positive(count, 4)),
        off(d.input(count, 5)),
        half(d.power_of_2(count, 12)),
        unit(d.power_of_2(count, 13)),
        gradient_scale(d.input(count, 6)),
        c1(d.input(count, 7)),
        c2(d.input(count, 8)),
        dx_unit(d.power_of_2(count, 14)),
        scale(d.input(count, 9)),
        shift(d.input(count, 10)) {}

  renorm::affine_coefficients<T> affine(bool units) {
    return {center, scale, shift, units ? half.data() : nullptr, units ? unit.data() : nullptr};
  }
  renorm::xhat_coefficients<T> xhat(bool units) { return {center, inv, off, units ? half.data() : nullptr, units ? unit.data() : nullptr}; }
  renorm::grad_coefficients<T> gradient(bool units) { return {gradient_scale, c1, c2, units ? dx_unit.data() : nullptr}; }
  renorm::grad_epilogue<T> epilogue(bool units, bool relu, bool add, renorm::view<T const> const& z, renorm::view<T> const& dz) {
    return {relu, add, scale, shift, units ? unit.data() : nullptr, z, dz};
  }
};

template <class T> written grad_moments_plane(table<T> const& k, grid_of<T> const& d) {
  auto x = d.planes_of(1), dy = d.planes_of(2), z = d.planes_of(11), mask = d.mask();
  rows<T> r(d, d.g.channels);
  written all;
  for (bool const units : {false, true})
    for (auto const& e : epilogues) {
      auto sums = d.output(d.g.channels * 2 * renorm::lanes<T>), masked = d.output(sums.size());
      auto const behind = r.epilogue(units, e.relu, e.add, z, {});
      k.grad_moments_plane(d.all_planes(), x, dy, {}, r.xhat(units), behind, sums);
      k.grad_moments_plane(d.all_planes(), x, dy, d.valid(mask), r.xhat(units), behind, masked);
      all << sums << masked;
    }
  return all;
}
template <class T> written grad_moments_pixels(table<T> const& k, grid_of<T> const& d) {
  auto x = d.rows_of(1), dy = d.rows_of(2), z = d.rows_of(11);
  rows<T> r(d, d.g.length);
  written all;
  for (bool const units : {false, true})
    for (auto const& e : epilogues) {
      auto s1 = d.input(d.g.length, 15), s2 = d.input(d.g.length, 16);
      k.grad_moments_pixels(d.all_rows(), x, dy, r.xhat(units), r.epilogue(units, e.relu, e.add, z, {}), s1, s2);
      all << s1 << s2;
    }
  return all;
}
// The lanes of doubles have losses; those of tiny ones are found in other units, and are the same.
template <class T> written fold_plane(table<T> const& k, grid_of<T> const& d) {
  auto sums = d.input(d.g.length * 2 * renorm::lanes<T>, 1);
  auto a = d.wide_output(d.g.length), b = d.wide_output(d.g.length), low = d.wide_output(d.g.length);
  if (sizeof(T) == sizeof(float)) {
    k.fold_plane(d.g.length, sums, a, b, nullptr);
    return written() << a << b;
  }
  k.fold_plane(d.g.length, sums, a, b, low);
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums.data()[i] = static_cast<T>(std::ldexp(sums.data()[i], i / renorm::lanes<T> % 2 == 0 ? -900 : -1050));
  auto tiny_a = d.wide_output(d.g.length), tiny_b = d.wide_output(d.g.length), tiny_low = d.wide_output(d.g.length);
  k.fold_plane(d.g.length, sums, tiny_a, tiny_b, tiny_low);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(tiny_a[i], std::ldexp(a[i], -900));
    EXPECT_EQ(tiny_low[i], std::ldexp(low[i], -900));
  }
  return written() << a << b << low;
}
template <class T> written fold_pixels(table<T> const& k, grid_of<T> const& d) {
  auto sum_a = d.input(d.values(), 1), sum_b = d.input(d.values(), 2);
  written all;
  for (bool const exactly : {false, true}) {
    auto a = d.wide_output(d.g.length), b = d.wide_output(d.g.length), low = d.wide_output(d.g.length);
    k.fold_pixels(d.g.length, d.g.samples * d.g.channels, d.g.length, sum_a, sum_b, a, b, exactly ? low.data() : nullptr);
    all << a << b;
    if (exactly) all << low;
  }
  return all;
}
template <class T> written settle_moments(table<T> const& k, grid_of<T> const& d) {
  auto pivot = d.input(d.g.length, 1);
  auto shifted = d.wide(d.g.length, 2), low = d.wide(d.g.length, 5), squares = d.wide_positive(d.g.length, 3);
  written all;
  for (bool const tiny : {false, true}) {
    auto sum = d.wide_output(d.g.length), m2 = d.wide_output(d.g.length), verdict = d.wide_output(d.g.length);
    bool const any = k.settle_moments(d.g.length, 2, tiny, pivot, shifted, low, squares, sum, m2, verdict);
    EXPECT_EQ(any, std::any_of(verdict.data(), verdict.data() + d.g.length, [](double v) { return v != renorm::settled; }));
    all << sum << m2 << verdict;
  }
  return all;
}
template <class T> written affine_plane(table<T> const& k, grid_of<T> const& d) {
  auto x = d.planes_of(1), z = d.planes_of(11);
  rows<T> r(d, d.g.channels);
  written all;
  for (bool const units : {false, true})
    for (auto const& e : epilogues) {
      auto y = d.planes();
      k.affine_plane(d.all_planes(), x, r.affine(units), {e.relu, e.add, z}, y.to(), d.g.stream);
      all << y;
    }
  return all;
}
template <class T> written affine_pixels(table<T> const& k, grid_of<T> const& d) {
  auto x = d.rows_of(1), z = d.rows_of(11);
  rows<T> r(d, d.g.length);
  written all;
  for (bool const units : {false, true})
    for (auto const& e : epilogues) {
      auto y = d.rows();
      k.affine_pixels(d.all_rows(), x, r.affine(units), {e.relu, e.add, z}, y.to(), d.g.stream);
      all << y;
    }
  return all;
}
template <class T> written grad_affine_plane(table<T> const& k, grid_of<T> const& d) {
  auto x = d.planes_of(1), dy = d.planes_of(2), dx = d.planes(), z = d.planes_of(11);
  rows<T> r(d, d.g.channels);
  written all;
  for (bool const units : {false, true})
    for (auto const& e : epilogues) {
      auto dz = d.planes();
      k.grad_affine_plane(d.all_planes(), x, dy, r.xhat(units), r.gradient(units), r.epilogue(units, e.relu, e.add, z, dz.to()), dx.to(),
                          d.g.stream);
      all << dx;
      if (e.add) all << dz;
    }
  return all;
}
template <class T> written grad_affine_pixels(table<T> const& k, grid_of<T> const& d) {
  auto x = d.rows_of(1), dy = d.rows_of(2), dx = d.rows(), z = d.rows_of(11);
  rows<T> r(d, d.g.length);
  written all;
  for (bool const units : {false, true})
    for (auto const& e : epilogues) {
      auto dz = d.rows();
      k.grad_affine_pixels(d.all_rows(), x, dy, r.xhat(units), r.gradient(units), r.epilogue(units, e.relu, e.add, z, dz.to()), dx.to(),
                           d.g.stream);
      all << dx;
      if (e.add) all << dz;
    }
  return all;
}
template <class T> written clear_plane(table<T> const& k, grid_of<T> const& d) {
  auto y = d.planes_of(1);
  auto mask = d.mask();
  k.clear_plane(d.all_planes(), d.valid(mask), y.to());
  return written() << y;
}
// Every third value is beyond float, every fourth near the end of it: both need units.
void move_far(vector_at<double>& values) {
  for (std::size_t i = 0; i < values.size(); i += 3) values.data()[i] = std::ldexp(values.data()[i], i % 2 == 0 ? 140 : -140);
  for (std::size_t i = 0; i < values.size(); i += 4) values.data()[i] = std::ldexp(values.data()[i], 120);
}
template <class T> written narrow_affine(table<T> const& k, grid_of<T> const& d) {
  written all;
  for (bool const far : {false, true}) {
    auto center = d.wide(d.g.length, 1), scale = d.wide(d.g.length, 2), shift = d.wide(d.g.length, 3);
    if (far) move_far(center), move_far(scale);
    auto c = d.output(d.g.length), f = d.output(d.g.length), s = d.output(d.g.length), half = d.output(d.g.length),
         unit = d.output(d.g.length);
    bool const needed = k.narrow_affine(d.g.length, center, scale, shift, c, f, s, half, unit);
    EXPECT_EQ(needed, far && sizeof(T) == sizeof(float));
    all << c << f << s;
    if (needed) all << half << unit;
  }
  return all;
}
template <class T> written narrow_xhat(table<T> const& k, grid_of<T> const& d) {
  written all;
  for (bool const far : {false, true}) {
    auto mean = d.wide(d.g.length, 1), sigma = d.wide_positive(d.g.length, 2);
    if (far) move_far(mean), move_far(sigma);
    auto center = d.output(d.g.length), inv = d.output(d.g.length), off = d.output(d.g.length);
    auto half = d.output(d.g.length), unit = d.output(d.g.length);
    bool const needed = k.narrow_xhat(d.g.length, mean, sigma, center, inv, off, half, unit);
    EXPECT_EQ(needed, far && sizeof(T) == sizeof(float));
    all << center << inv << off;
    if (needed) all << half << unit;
  }
  return all;
}
template <class T> written narrow_grad(table<T> const& k, grid_of<T> const& d) {
  written all;
  for (bool const far : {false, true}) {
    auto sigma = d.wide_positive(d.g.length, 1), r = d.wide(d.g.length, 2), s1 = d.wide(d.g.length, 3), s2 = d.wide(d.g.length, 4);
    if (far) move_far(sigma);
    auto gamma = d.input(d.g.length, 5), scale = d.output(d.g.length), c1 = d.output(d.g.length), c2 = d.output(d.g.length);
    auto dx_unit = d.output(d.g.length);
    bool const needed =
        k.narrow_grad(d.g.length, 7, 6, sigma, {gamma.data(), sizeof(T) == sizeof(double)}, r, s1, s2, scale, c1, c2, dx_unit);
    EXPECT_EQ(needed, far && sizeof(T) == sizeof(float));
    all << scale << c1 << c2;
    if (needed) all << dx_unit;
  }
  return all;
}
template <class T> written settle_grad(table<T> const& k, grid_of<T> const& d) {
  auto mean = d.wide(d.g.length, 1), sigma = d.wide_positive(d.g.length, 2), s1 = d.wide(d.g.length, 3), s2 = d.wide(d.g.length, 4);
  k.settle_grad(d.g.length, mean, sigma, s1, s2);
  return written() << s2;
}

using channel_table = renorm::channel_kernels;

// Every third channel is beyond double.
vector_at<double> with_roots(vector_at<double> m2) {
  for (std::size_t i = 0; i < m2.size(); i += 3) m2.data()[i] = i % 2 == 0 ? -1e160 : -1e-170;
  return m2;
}
template <class T> written merge(channel_table const& k, grid_of<T> const& d) {
  auto other = d.wide(d.g.length, 3), other_m2 = d.wide_positive(d.g.length, 4);
  auto sum = d.wide(d.g.length, 1), m2 = d.wide_positive(d.g.length, 2), far_sum = d.wide(d.g.length, 1);
  auto far_m2 = with_roots(d.wide_positive(d.g.length, 2));
  k.merge(d.g.length, true, false, 3, 5, sum, m2, other, other_m2);
  auto tiny_sum = d.wide(d.g.length, 1), tiny_m2 = d.wide_output(d.g.length);
  for (std::size_t i = 0; i < tiny_m2.size(); ++i) tiny_m2.data()[i] = 0;
  k.merge(d.g.length, false, false, 3, 5, far_sum, far_m2, other, other_m2);
  for (std::size_t i = 0; i < other.size(); ++i) other.data()[i] *= 1e-300, tiny_sum.data()[i] *= 1e-300, other_m2.data()[i] = 0;
  k.merge(d.g.length, false, true, 3, 5, tiny_sum, tiny_m2, other, other_m2);
  for (std::size_t i = 0; i < other.size(); ++i) EXPECT_LT(tiny_m2[i], 0) << "a root";
  return written() << sum << m2 << far_sum << far_m2 << tiny_sum << tiny_m2;
}
template <class T> written carry_means(channel_table const& k, grid_of<T> const& d) {
  auto mean = d.wide(d.g.length, 1), m2 = d.wide(d.g.length, 2);
  for (std::size_t i = 0; i < mean.size(); i += 3) mean.data()[i] = std::ldexp(mean.data()[i], 1021);
  auto sum = d.wide_output(d.g.length), carried = d.wide_output(d.g.length);
  k.carry_means(d.g.length, 77, mean, m2, sum, carried);
  return written() << sum << carried;
}
template <class T> written means_of_sums(channel_table const& k, grid_of<T> const& d) {
  auto sum = d.wide(d.g.length, 1), m2 = with_roots(d.wide_positive(d.g.length, 2)), mean = d.wide_output(d.g.length);
  k.means_of_sums(d.g.length, 77, sum, m2, mean);
  return written() << mean;
}
template <class T> written spell_out_m2(channel_table const& k, grid_of<T> const& d) {
  auto m2 = with_roots(d.wide_positive(d.g.length, 2));
  k.spell_out_m2(d.g.length, 77, m2);
  return written() << m2;
}
template <class T> written accumulate(channel_table const& k, grid_of<T> const& d) {
  auto sum = d.wide(d.g.length, 1), other = d.wide(d.g.length, 2);
  k.accumulate(d.g.length, sum, other);
  return written() << sum;
}
template <class T> renorm::statistics statistics_of(vector_at<T>& mean, vector_at<T>& spread) {
  bool const f64 = sizeof(T) == sizeof(double);
  return {{mean.data(), f64}, {spread.data(), f64}, true, 1e-3};
}
template <class T> written deviation(channel_table const& k, grid_of<T> const& d) {
  auto mean = d.input(d.g.length, 1), spread = d.positive(d.g.length, 2);
  auto mu = d.wide_output(d.g.length), sigma = d.wide_output(d.g.length);
  k.deviation(d.g.length, statistics_of(mean, spread), mu, sigma);
  return written() << mu << sigma;
}
template <class T> written correction(channel_table const& k, grid_of<T> const& d) {
  auto mean = d.wide(d.g.length, 1), m2 = d.wide_positive(d.g.length, 2);
  auto running_mean = d.input(d.g.length, 3), running_var = d.positive(d.g.length, 4);
  auto sigma = d.wide_output(d.g.length), r = d.wide_output(d.g.length), shift = d.wide_output(d.g.length);
  renorm::statistics const running = statistics_of(running_mean, running_var);
  auto roots = with_roots(d.wide_positive(d.g.length, 2));
  auto far_sigma = d.wide_output(d.g.length), far_r = d.wide_output(d.g.length), far_shift = d.wide_output(d.g.length);
  k.correction(d.g.length, {4, 3, 1e-3, false}, mean, m2, &running, {0.7, 1.4, 0.5, 0.6}, sigma, r, shift);
  k.correction(d.g.length, {4, 3, 1e-3, true}, mean, roots, &running, {0.7, 1.4, 0.5, 0.6}, far_sigma, far_r, far_shift);
  return written() << sigma << r << shift << far_sigma << far_r << far_shift;
}
template <class T> written coefficients(channel_table const& k, grid_of<T> const& d) {
  bool const f64 = sizeof(T) == sizeof(double);
  auto const row = [&](unsigned seed) { return d.wide_positive(d.g.length, seed); };
  auto mean = row(1), sigma = row(2), r = row(3), shift = row(4);
  auto gamma = d.input(d.g.length, 5), beta = d.input(d.g.length, 6);
  auto center = d.wide_output(d.g.length), scale = d.wide_output(d.g.length), offset = d.wide_output(d.g.length);
  k.coefficients(d.g.length, mean, sigma, r, shift, {gamma.data(), f64}, {beta.data(), f64}, center, scale, offset);
  return written() << center << scale << offset;
}
// Every fifth value is none.
vector_at<double> with_holes(vector_at<double> values) {
  for (std::size_t i = 0; i < values.size(); i += 5) values.data()[i] = i % 2 == 0 ? NAN : HUGE_VAL;
  return values;
}
template <class T> written count_nonfinite(channel_table const& k, grid_of<T> const& d) {
  auto center = d.wide(3 * d.g.length, 1), scale = with_holes(d.wide(3 * d.g.length, 2)), shift = d.wide(3 * d.g.length, 3);
  written counts;
  counts.values.push_back(static_cast<double>(k.count_nonfinite(d.g.length, {3, d.g.length, center, scale, shift, sizeof(T) == 8})));
  EXPECT_GT(counts.values[0], 0);
  return counts;
}
template <class T> written update_running(channel_table const& k, grid_of<T> const& d) {
  bool const f64 = sizeof(T) == sizeof(double);
  auto mean = d.wide(3 * d.g.length, 1), m2 = d.wide_positive(3 * d.g.length, 2);
  auto running_mean = d.input(d.g.length, 3), running_var = d.positive(d.g.length, 4);
  std::int64_t const counts[] = {5, 0, 3};
  renorm::running_update const u = {0.25, {3, d.g.length, counts}, true, true, 1e-3, false, false};
  renorm::affine_maps const maps = {3, d.g.length, mean, m2, mean, f64};
  EXPECT_EQ(k.update_running(d.g.length, u, mean, m2, &maps, {running_mean.data(), f64}, {running_var.data(), f64}), 0u);
  return written() << running_mean << running_var;
}
template <class T> written grad_parameters(channel_table const& k, grid_of<T> const& d) {
  bool const f64 = sizeof(T) == sizeof(double);
  std::size_t const groups = 3;
  auto const row = [&](unsigned seed) { return d.wide(groups * d.g.length, seed); };
  auto r = row(1), shift = row(2), s1 = row(3), s2 = row(4);
  auto dgamma = d.output(d.g.length), dbeta = d.output(d.g.length);
  k.grad_parameters(d.g.length, groups, d.g.length, r, shift, s1, s2, {dgamma.data(), f64}, {dbeta.data(), f64});
  return written() << dgamma << dbeta;
}

// ---------------------------------------------------------------- the comparison

// Without a fused multiply-add each product is rounded once more, half a unit of values below 4*16*4, and what it is added to otherwise:
// half a unit of up to all terms of a lane. These roundings are independent, so that they grow with the root of their number.
template <class T> double tolerance(bool fused, geometry const& g) {
  if (fused) return 0;
  double const terms = static_cast<double>(g.samples * std::max(g.channels, g.length / renorm::lanes<T> + 1));
  return std::ldexp(256.0, sizeof(T) == sizeof(float) ? -24 : -53) * (1 + terms * std::sqrt(terms));
}

void expect_same(written const& got, written const& want, double tolerance) {
  EXPECT_TRUE(got.intact) << "wrote outside its output";
  ASSERT_EQ(got.values.size(), want.values.size());
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    double const a = got.values[i], b = want.values[i];
    ASSERT_TRUE(a == b || std::fabs(a - b) <= tolerance) << "value " << i << ": " << a << ", scalar " << b;
  }
}

template <class T> std::vector<std::size_t> lengths() {
  std::vector<std::size_t> all;
  std::size_t const lanes = renorm::lanes<T>, step = reduced() ? 7 : 1;
  for (std::size_t n = 1; n <= 2 * lanes + 3; n += step) all.push_back(n);
  all.push_back(5 * lanes + 1);   // past the unrolled part
  all.push_back(17 * lanes + 1);  // past a partial sum
  return all;
}

std::vector<placement> placements(std::size_t element_size) {
  std::vector<placement> all;
  if (reduced()) return {{0, edge::none}, {3, edge::none}};
  for (std::size_t offset = 0; offset < 64 / element_size; ++offset) all.push_back({offset, edge::none});
  all.push_back({0, edge::at_end});
  all.push_back({0, edge::at_start});
  return all;
}

template <class T, class Case> void compare_with_scalar(isas::entry const& e, Case const& run) {
  renorm::isa const& scalar = *isas::compiled().begin()->code;
  bool const fused = std::string(e.code->name) != "sse2";
  for (std::size_t length : lengths<T>())
    for (std::size_t samples : {1, 2, 9}) {
      written const want = run(scalar, grid_of<T>{{length, 5, samples, {}, false, false, false}});
      for (placement const& where : placements(sizeof(T)))
        for (bool const gaps : {false, true})
          for (auto const& [stream, flat] : {std::pair(false, false), {true, false}, {true, true}}) {
            bool const few = gaps || length > 8 * renorm::lanes<T>;
            if (few && where.offset > 0) continue;
            geometry const g = {length, 5, samples, where, stream, flat, gaps};
            SCOPED_TRACE(testing::Message() << e.code->name << (sizeof(T) == 4 ? " float" : " double") << " length " << length
                                            << " samples " << samples << " offset " << where.offset << " edge "
                                            << static_cast<int>(where.guard) << (stream ? " stream" : "") << (flat ? " flat" : "")
                                            << (gaps ? " gaps" : ""));
            expect_same(run(*e.code, grid_of<T>{g}), want, tolerance<T>(fused, g));
            if (testing::Test::HasFailure()) return;
          }
    }
}

class kernels_on : public testing::TestWithParam<isas::entry> {};

#define RENORM_KERNEL(name, ret, args)                                                                                              \
  TEST_P(kernels_on, name) {                                                                                                        \
    compare_with_scalar<float>(GetParam(), [](renorm::isa const& i, grid_of<float> const& d) { return name<float>(i.f32, d); });    \
    compare_with_scalar<double>(GetParam(), [](renorm::isa const& i, grid_of<double> const& d) { return name<double>(i.f64, d); }); \
  }
#define RENORM_CHANNEL_KERNEL(name, ret, args)                                                                                          \
  TEST_P(kernels_on, name) {                                                                                                            \
    compare_with_scalar<float>(GetParam(), [](renorm::isa const& i, grid_of<float> const& d) { return name<float>(i.channel, d); });    \
    compare_with_scalar<double>(GetParam(), [](renorm::isa const& i, grid_of<double> const& d) { return name<double>(i.channel, d); }); \
  }
#include "kernels/list.inc"
#undef RENORM_KERNEL
#undef RENORM_CHANNEL_KERNEL

std::vector<isas::entry> isas_here() {
  std::vector<isas::entry> all;
  for (isas::entry const& e : isas::compiled())
    if (e.runs_here()) all.push_back(e);
  return all;
}

INSTANTIATE_TEST_SUITE_P(isa, kernels_on, testing::ValuesIn(isas_here()),
                         [](auto const& info) { return std::string(info.param.code->name); });

}  // namespace
}  // namespace renorm_test
