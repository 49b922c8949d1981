// The library in a process that is not its own: after a fork, on threads with little stack or with signals blocked, and with another
// floating-point environment.
#include "capi/capi_call.hpp"
#include "support/executors.hpp"
#include "support/isas.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <thread>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#  include <immintrin.h>
#endif

namespace {

using capi::call;
using capi::operation;
using capi::operations;

// Short and long planes, with tails and without; the second is large enough to be shared out.
std::vector<renorm_desc> const small = capi::every_layout_and_dtype({{3, 37, 49}, {2, 16, 196}});
std::vector<renorm_desc> const large = capi::every_layout_and_dtype({{24, 16, 196}});

template <class F> void for_each_call(std::vector<renorm_desc> const& descs, F const& test) {
  for (operation const& op : operations())
    for (renorm_desc const& desc : descs) {
      SCOPED_TRACE(capi::describe(op, desc));
      test(op, desc);
    }
}

class Process : public renorm_test::IsaTest {
 protected:
  template <class F> void for_each_isa_and_call(F const& test) {
    for_each_isa([&] { for_each_call(small, test); });
  }
};

capi::results usual(operation const& op, renorm_desc const& desc) {
  call c(op, desc);
  EXPECT_EQ(c.run(), RENORM_OK) << capi::last_error();
  return c.outputs();
}

bool gives(capi::results const& expected, operation const& op, renorm_desc const& desc, renorm_test::executor* pool = nullptr) {
  call c(op, desc);
  if (pool != nullptr) {
    c.exec().parallel_for = renorm_test::fair_parallel_for;
    c.exec().ctx = pool;
    c.exec().concurrency = pool->threads;
  }
  return c.run() == RENORM_OK && c.outputs() == expected;
}

// body() in a child; whether it ended well.
template <class Body> bool in_a_child(Body const& body) {
  pid_t const child = fork();
  if (child == 0) _exit(body() ? EXIT_SUCCESS : EXIT_FAILURE);
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

// The parent has used its threads, too; the child makes its own.
TEST_F(Process, ForkedChildrenGiveTheSameBits) {
  renorm_test::executor pool(3);
  auto const check = [&](operation const& op, renorm_desc const& desc) {
    capi::results const expected = usual(op, desc);
    EXPECT_TRUE(gives(expected, op, desc, &pool));
    EXPECT_TRUE(in_a_child([&] { return gives(expected, op, desc) && gives(expected, op, desc, &pool); }));
  };
  for_each_call(small, check);
  EXPECT_EQ(pool.calls, 0);
  for_each_call(large, check);
  EXPECT_GT(pool.calls, 0);
}

// A child has the text and the limit of its parent, and changes its own alone.
TEST_F(Process, ForkedChildrenHaveTheirOwnSettings) {
  renorm_set_max_isa(-1);
  std::string const text = capi::last_error();
  EXPECT_TRUE(in_a_child([&] {
    bool const inherited = renorm_active_isa() == limit_ && capi::last_error() == text;
    renorm_set_max_isa(RENORM_ISA_SCALAR);
    renorm_desc_init(nullptr, 0);
    return inherited && renorm_active_isa() == RENORM_ISA_SCALAR;
  }));
  EXPECT_EQ(renorm_active_isa(), limit_);
  EXPECT_EQ(capi::last_error(), text);
}

// body() on a thread of this stack.
template <class Body> void on_thread_with_stack(std::size_t bytes, Body const& body) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread;
  auto const start = [](void* b) -> void* {
    (*static_cast<Body const*>(b))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, start, const_cast<Body*>(&body)), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

// The call alone is on the small stack: the machinery around it is the test's. On AArch64 glibc makes no stack below 128 KB.
TEST_F(Process, AStackOf64KilobytesIsEnough) {
#if !defined(__OPTIMIZE__) || defined(RENORM_SANITIZED)
  GTEST_SKIP() << "unrolled loops that are not optimised have larger frames, and so has what sanitizers watch";
#endif
  std::size_t const stack = std::max<std::size_t>(64 * 1024, PTHREAD_STACK_MIN);
  for_each_isa_and_call([=](operation const& op, renorm_desc const& desc) {
    capi::results const expected = usual(op, desc);
    call c(op, desc);
    renorm_status status = RENORM_ERROR_NULL;
    on_thread_with_stack(stack, [&] { status = c.run(); });
    EXPECT_EQ(status, RENORM_OK);
    EXPECT_TRUE(c.outputs() == expected);
  });
}

TEST_F(Process, SignalsMayBeBlockedAndStaySo) {
  for_each_call(small, [](operation const& op, renorm_desc const& desc) {
    capi::results const expected = usual(op, desc);
    bool same = false, still_blocked = true;
    std::thread([&] {
      sigset_t all, now;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, nullptr);
      same = gives(expected, op, desc);
      pthread_sigmask(SIG_SETMASK, nullptr, &now);
      for (int const signal : {SIGFPE, SIGSEGV, SIGINT, SIGALRM, SIGUSR1}) still_blocked &= sigismember(&now, signal) == 1;
    }).join();
    EXPECT_TRUE(same);
    EXPECT_TRUE(still_blocked);
  });
}

// ---------------------------------------------------------------- floating-point environment

// Rounding, traps, and whether denormals are 0: all that a caller sets. Not what operations raise.
#if defined(__x86_64__)
constexpr std::uint32_t raised = 0x3f, denormals_are_zero = 0x8040;  // DAZ and FTZ
std::uint32_t control() { return _mm_getcsr() & ~raised; }
void set_control(std::uint32_t value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
constexpr std::uint32_t denormals_are_zero = 1u << 24;  // FZ
std::uint32_t control() { return __builtin_aarch64_get_fpcr(); }
void set_control(std::uint32_t value) { __builtin_aarch64_set_fpcr(value); }
#endif

class with_control {
 public:
  explicit with_control(std::uint32_t value) { set_control(value); }
  ~with_control() { set_control(before_); }

 private:
  std::uint32_t before_ = control();
};

// c.run() with denormals set to be flushed.
void run_flushing(call const& c) {
  std::uint32_t const flushing = control() | denormals_are_zero;
  with_control const set(flushing);
  EXPECT_EQ(c.run(), RENORM_OK);
  EXPECT_EQ(control(), flushing);
}

TEST_F(Process, FlushedDenormalsStayFlushedAndChangeNoOtherNumber) {
  for_each_isa_and_call([](operation const& op, renorm_desc const& desc) {
    capi::results const expected = usual(op, desc);
    call c(op, desc);
    run_flushing(c);
    EXPECT_TRUE(c.outputs() == expected);
  });
}

std::vector<double> numbers(call const& c, capi::field const& f, renorm_desc const& desc) {
  std::size_t const count = c.length(f.name);
  void const* const data = c.pointer(f.name);
  if (capi::element_size(f.size, desc) == sizeof(double))
    return {static_cast<double const*>(data), static_cast<double const*>(data) + count};
  return {static_cast<float const*>(data), static_cast<float const*>(data) + count};
}

// Results that are numbers.
template <class F> void for_each_result(call const& c, F const& f) {
  for (capi::field const& field : c.op.fields)
    if (field.written() && !field.integers() && c.pointer(field.name) != nullptr) {
      SCOPED_TRACE(field.name);
      f(field);
    }
}

// The smallest number of the array's type that is not denormal.
double smallest_normal(capi::field const& f, renorm_desc const& desc) {
  return capi::element_size(f.size, desc) == sizeof(float) ? double(std::numeric_limits<float>::min()) : std::numeric_limits<double>::min();
}

// A part of that into every seventh element of each input but sigma, which divides.
void spread(call& c, renorm_desc const& desc, double part) {
  for (capi::field const& f : c.op.fields) {
    bool const read = f.how != capi::use::output && c.pointer(f.name) != nullptr, number = !f.integers() && f.size != capi::extent::mask;
    if (!read || !number || std::string(f.name) == "sigma") continue;
    for (std::size_t i = 3; i < c.length(f.name); i += 7) c.set_value(f.name, i, part * smallest_normal(f, desc));
  }
}

// Results that may be inputs as they are: dy where the activation lets it through, and in double the mean and the sums of one group.
bool may_be_copied(std::string const& result) { return result == "dz" || result == "center" || result == "dbeta"; }

TEST_F(Process, FlushedDenormalInputsAreZeroUnlessCopied) {
  for_each_isa_and_call([](operation const& op, renorm_desc const& desc) {
    call zeros(op, desc), kept(op, desc), flushed(op, desc);
    spread(zeros, desc, 0);
    spread(kept, desc, 0.25);
    spread(flushed, desc, 0.25);
    EXPECT_EQ(zeros.run(), RENORM_OK);
    EXPECT_EQ(kept.run(), RENORM_OK);
    run_flushing(flushed);
    for_each_result(flushed, [&](capi::field const& f) {
      std::vector<double> const of_zeros = numbers(zeros, f, desc), as_is = numbers(kept, f, desc), got = numbers(flushed, f, desc);
      for (std::size_t i = 0; i < got.size(); ++i) {
        double const want = std::abs(of_zeros[i]) < smallest_normal(f, desc) ? 0 : of_zeros[i];
        ASSERT_TRUE(got[i] == want || (may_be_copied(f.name) && got[i] == as_is[i])) << i << ": " << got[i] << ", not " << want;
      }
    });
  });
}

TEST_F(Process, FlushedResultsAreNotDenormal) {
  std::ptrdiff_t kept_denormals = 0;
  for_each_isa_and_call([&](operation const& op, renorm_desc const& desc) {
    call kept(op, desc), flushed(op, desc);
    spread(kept, desc, 1);
    spread(flushed, desc, 1);
    EXPECT_EQ(kept.run(), RENORM_OK);
    run_flushing(flushed);
    for_each_result(flushed, [&](capi::field const& f) {
      auto const denormals = [&](call const& c) {
        std::vector<double> const all = numbers(c, f, desc);
        return std::count_if(all.begin(), all.end(), [&](double v) { return v != 0 && std::abs(v) < smallest_normal(f, desc); });
      };
      kept_denormals += denormals(kept);
      EXPECT_EQ(denormals(flushed), 0);
    });
  });
  EXPECT_GT(kept_denormals, 0);
}

// No rounding mode but to nearest is promised bits: results are near the usual ones all the same.
TEST_F(Process, RoundingModesStayAndResultsAreClose) {
  for (int const mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO})
    for_each_isa_and_call([=](operation const& op, renorm_desc const& desc) {
      call nearest(op, desc), c(op, desc);
      EXPECT_EQ(nearest.run(), RENORM_OK);
      std::fesetround(mode);
      std::uint32_t const before = control();
      renorm_status const status = c.run();
      std::uint32_t const after = control();
      std::fesetround(FE_TONEAREST);
      EXPECT_EQ(status, RENORM_OK);
      EXPECT_EQ(after, before);
      for_each_result(c, [&](capi::field const& f) {
        // A directed rounding of each of the m additions of a sum; a difference of large terms is counted with these.
        std::vector<double> const want = numbers(nearest, f, desc), got = numbers(c, f, desc);
        double scale = 1;
        for (double const v : want) scale = std::max(scale, std::abs(v));
        double const bound = scale * static_cast<double>(desc.n * desc.s) * std::ldexp(1.0, desc.dtype == RENORM_F64 ? -52 : -23);
        for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << i;
      });
    });
}

}  // namespace
