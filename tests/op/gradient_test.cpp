// The backward pass is the gradient of the forward pass, and has the null space that batch normalization gives it.
#include "support/isas.hpp"
#include "support/reference.hpp"
#include "support/sample.hpp"
#include "support/steps.hpp"
#include "support/tolerance.hpp"

#include <algorithm>
#include <cmath>

namespace renorm_test {
namespace {

constexpr std::uint32_t training_flags[] = {0, RENORM_FLAG_UNBIASED, RENORM_FLAG_BATCH_RENORM,
                                            RENORM_FLAG_BATCH_RENORM | RENORM_FLAG_UNBIASED};

constexpr renorm_epilogue epilogues[] = {RENORM_EPILOGUE_NONE, RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};

// Steps in what the loss is linear in, as long as no argument of ReLU changes its sign. Those nearer to 0 than the margin have no weight
// in the loss. By a step of 2*h in x an argument changes by at most 2*h*gamma/sigma in inference. In training
// dxhat_i/dx_j = (delta_ij - 1/m - xhat_i*xhat_j/m)/sigma and |xhat|^2 <= m, which makes it 6*h*gamma*r/sigma, and twice that covers the
// curvature: with the h, gamma, r and sigma below less than 0.1, in inference less than 0.02. A step of 2/1024 in gamma changes it
// by that times |r*xhat + d|, less than 0.02.
constexpr double linear_step = 1.0 / 1024, margin = 0.125;

struct forward_coefficients {
  array r, d;
};

problem make_problem(std::int64_t n, std::int64_t c, std::int64_t s, renorm_layout layout, std::uint32_t flags, double eps) {
  renorm_desc desc = make_desc(n, c, s);
  desc.dtype = RENORM_F64;
  desc.layout = layout;
  desc.flags = flags;
  desc.eps = eps;
  desc.rmax = 1.5;
  desc.dmax = 0.5;
  return random_problem(desc, 7);
}

template <class F> void for_channel(problem const& p, std::size_t channel, F const& f) {
  for (std::size_t i = 0; i < p.n(); ++i)
    for (std::size_t k = 0; k < p.s(); ++k) f(p.at(i, channel, k));
}

template <class F> double sum_over(problem const& p, std::size_t channel, F const& f) {
  long double sum = 0;
  for_channel(p, channel, [&](std::size_t j) { sum += f(j); });
  return static_cast<double>(sum);
}

struct estimate {
  double value, error;
};

// sum(y*dy) over a channel, y being off by no more than allowed.
estimate loss(problem const& p, std::size_t channel, array const& y, array const& allowed) {
  return {sum_over(p, channel, [&](std::size_t j) { return static_cast<long double>(p.dy[j]) * y[j]; }),
          sum_over(p, channel, [&](std::size_t j) { return std::abs(p.dy[j]) * allowed[j]; })};
}

// Batch renorm with r and d held constant is batch norm with gamma*r and gamma*d + beta.
problem with_constant_correction(problem p, forward_coefficients const& held) {
  for (std::size_t c = 0; c < p.c(); ++c) {
    p.beta[c] += p.gamma[c] * held.d[c];
    p.gamma[c] *= held.r[c];
  }
  p.desc.flags &= ~RENORM_FLAG_BATCH_RENORM;
  return p;
}

estimate training_loss(problem const& p, forward_coefficients const& held, std::size_t channel) {
  problem const q = with_constant_correction(p, held);
  return loss(p, channel, train(q).y, training_tolerance(q, reference_training(q), 0).y);
}

estimate inference_loss(problem const& p, std::size_t channel) {
  return loss(p, channel, infer(p).y, inference_tolerance(p, reference_inference(p), 0).y);
}

// The derivative of f at *v by a stencil of five points, and what the errors of f make of it.
template <class F> estimate slope(double* v, double h, F const& f) {
  double const at = *v;
  auto const moved = [&](double by) {
    *v = at + by;
    return f();
  };
  estimate const a = moved(-2 * h), b = moved(-h), c = moved(h), d = moved(2 * h);
  *v = at;
  return {(a.value - 8 * b.value + 8 * c.value - d.value) / (12 * h), (a.error + 8 * b.error + 8 * c.error + d.error) / (12 * h)};
}

void expect_slope(double got, double got_error, estimate const& want, char const* name, std::size_t at) {
  EXPECT_NEAR(got, want.value, got_error + want.error) << name << '[' << at << ']';
}

// In gamma, beta and z.
template <class F> void expect_linear_slopes(problem& p, std::size_t c, values const& got, values const& allowed, F const& loss) {
  expect_slope(got.dgamma[c], allowed.dgamma[c], slope(&p.gamma[c], linear_step, loss), "dgamma", c);
  expect_slope(got.dbeta[c], allowed.dbeta[c], slope(&p.beta[c], linear_step, loss), "dbeta", c);
  if (!p.add()) return;
  for_channel(p, c, [&](std::size_t j) { expect_slope(got.dz[j], 0, slope(&p.z[j], linear_step, loss), "dz", j); });
}

class Gradient : public IsaTest {};

// Truncation. As a function of one x, sigma^2 is a parabola with complex zeros at a distance of at least sqrt(m)*sigma. On a circle of
// half that radius, rho, |sigma| is at least half of what it was, so that the loss there, shift aside, is at most
// M = 2*gamma*r*(sum|dy*xhat| + (sqrt(m)*max|dy| + sum|dy|/sqrt(m))/2). By Cauchy's estimate its fifth derivative is at most
// 120*M/rho^5, and the stencil is off by h^4/30 times that.
double truncation_error(problem const& p, values const& want, std::size_t c, double rho, double h) {
  double const root_m = std::sqrt(static_cast<double>(p.per_channel()));
  double const sum_dy = sum_over(p, c, [&](std::size_t j) { return std::abs(p.dy[j]); });
  double const sum_dy_xhat = sum_over(p, c, [&](std::size_t j) { return std::abs(p.dy[j] * (p.x[j] - want.mean[c])) / want.sigma[c]; });
  double max_dy = 0;
  for_channel(p, c, [&](std::size_t j) { max_dy = std::max(max_dy, std::abs(p.dy[j])); });
  double const bound = 2 * std::abs(p.gamma[c]) * want.r[c] * (sum_dy_xhat + (root_m * max_dy + sum_dy / root_m) / 2);
  return 4 * bound / rho * std::pow(h / rho, 4);
}

void expect_gradient_of_training(problem p) {
  values const got = train(p), want = reference_training(p), allowed = training_tolerance(p, want, 0);
  forward_coefficients const held = {want.r, want.d};
  for (std::size_t c = 0; c < p.c(); ++c) {
    auto const current_loss = [&] { return training_loss(p, held, c); };
    double const rho = std::sqrt(static_cast<double>(p.per_channel())) * want.sigma[c] / 2, h = rho / 1024;
    double const truncation = truncation_error(p, want, c, rho, h);
    for_channel(p, c,
                [&](std::size_t j) { expect_slope(got.dx[j], allowed.dx[j] + truncation, slope(&p.x[j], h, current_loss), "dx", j); });
    expect_linear_slopes(p, c, got, allowed, current_loss);
  }
}

TEST_F(Gradient, OfTraining) {
  for_each_isa([&] {
    for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC})
      for (std::uint32_t flags : training_flags)
        for (renorm_epilogue epilogue : epilogues) {
          SCOPED_TRACE(testing::Message() << "layout " << layout << ", flags " << flags << ", epilogue " << epilogue);
          expect_gradient_of_training(fused(make_problem(3, 3, 5, layout, flags, 1e-2), epilogue, true, margin));
        }
  });
}

// The loss is linear in everything.
void expect_gradient_of_inference(problem p) {
  values const got = infer(p), allowed = inference_tolerance(p, reference_inference(p), 0);
  for (std::size_t c = 0; c < p.c(); ++c) {
    auto const current_loss = [&] { return inference_loss(p, c); };
    for_channel(p, c, [&](std::size_t j) { expect_slope(got.dx[j], allowed.dx[j], slope(&p.x[j], linear_step, current_loss), "dx", j); });
    expect_linear_slopes(p, c, got, allowed, current_loss);
  }
}

TEST_F(Gradient, OfInference) {
  for_each_isa([&] {
    for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC})
      for (renorm_epilogue epilogue : epilogues) {
        SCOPED_TRACE(testing::Message() << "layout " << layout << ", epilogue " << epilogue);
        expect_gradient_of_inference(fused(make_problem(3, 3, 5, layout, 0, 1e-2), epilogue, false, margin));
      }
  });
}

// Adding a constant to x and scaling x change nothing: sum(dx) = 0, and sum(x*dx) = gamma*r*S2*eps/(var + eps). Off by no more than the
// rounding of each dx.
TEST_F(Gradient, NullSpace) {
  for (renorm_dtype dtype : {RENORM_F32, RENORM_F64})
    for (renorm_layout layout : {RENORM_NCHW, RENORM_NHWC})
      for (double eps : {0.0, 1e-5, 0.5})
        for (std::uint32_t flags : {0u, RENORM_FLAG_BATCH_RENORM}) {
          problem p = make_problem(4, 5, 300, layout, flags, eps);
          p.desc.dtype = dtype;
          values const want = reference_training(p), allowed = training_tolerance(p, want, 0);
          for_each_isa([&] {
            values const got = train(p);
            for (std::size_t c = 0; c < p.c(); ++c) {
              double const mean = want.mean[c], sigma = want.sigma[c];
              double const s2 = sum_over(p, c, [&](std::size_t j) { return p.dy[j] * (p.x[j] - mean) / sigma; });
              double const sum_dx = sum_over(p, c, [&](std::size_t j) { return got.dx[j]; });
              double const sum_x_dx = sum_over(p, c, [&](std::size_t j) { return p.x[j] * got.dx[j]; });
              double const sum_error = sum_over(p, c, [&](std::size_t j) { return allowed.dx[j]; });
              double const product_error = sum_over(p, c, [&](std::size_t j) { return std::abs(p.x[j]) * allowed.dx[j]; });
              double const along_x = p.gamma[c] * want.r[c] * s2 * eps / (want.var[c] + eps);
              EXPECT_NEAR(sum_dx, 0, sum_error) << "channel " << c << ", eps " << eps;
              EXPECT_NEAR(sum_x_dx, along_x, product_error) << "channel " << c << ", eps " << eps;
            }
          });
        }
}

}  // namespace
}  // namespace renorm_test
