// The shared library loaded and unloaded at run time, and twice in one process. This program is not linked with it.
#include "renorm/openmp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

bool is_loaded(std::string const& path) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (handle != nullptr) dlclose(handle);
  return handle != nullptr;
}

std::ptrdiff_t mappings() {
  std::ifstream maps("/proc/self/maps");
  return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
}

class library {
 public:
  explicit library(std::string const& path, Lmid_t name_space = LM_ID_BASE)
      : handle_(dlmopen(name_space, path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) ADD_FAILURE() << dlerror();
  }
  library(library const&) = delete;
  library& operator=(library const&) = delete;
  ~library() { dlclose(handle_); }

  template <class F> F* find(char const* name) const { return reinterpret_cast<F*>(dlsym(handle_, name)); }

  std::string last_error() const {
    char text[256] = "";
    find<decltype(renorm_last_error)>("renorm_last_error")(text, sizeof text);
    return text;
  }
  void set_max_isa(renorm_isa isa) const { find<decltype(renorm_set_max_isa)>("renorm_set_max_isa")(isa); }
  renorm_isa active_isa() const { return find<decltype(renorm_active_isa)>("renorm_active_isa")(); }

  // A step of training whose workspace is the library's.
  std::vector<float> train() const {
    renorm_desc desc;
    EXPECT_EQ(find<decltype(renorm_desc_init)>("renorm_desc_init")(&desc, sizeof desc), RENORM_OK);
    desc.n = 3;
    desc.c = 5;
    desc.s = 77;
    std::vector<float> x(static_cast<std::size_t>(desc.n * desc.c * desc.s)), y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101);
    renorm_train_args args = {};
    args.struct_size = sizeof args;
    args.x = x.data();
    args.y = y.data();
    EXPECT_EQ(find<decltype(renorm_train)>("renorm_train")(&desc, &args, nullptr), RENORM_OK);
    return y;
  }

 private:
  void* handle_;
};

class Loading : public testing::Test {
 protected:
  ~Loading() override { fs::remove_all(folder_); }

  // A copy of the library, which the loader takes for another one.
  std::string copy() const {
    fs::create_directories(folder_);
    fs::path const to = folder_ / "libanother.so";
    fs::copy_file(RENORM_LIBRARY, to, fs::copy_options::overwrite_existing);
    return to.string();
  }

 private:
  fs::path const folder_ = fs::temp_directory_path() / ("renorm-loading-" + std::to_string(getpid()));
};

TEST_F(Loading, UnloadsAndLoadsAgainWithoutALoss) {
  std::vector<float> const expected = library(RENORM_LIBRARY).train();
  std::ptrdiff_t const before = mappings();
  for (int i = 0; i < 200; ++i) {
    {
      library const again(RENORM_LIBRARY);
      EXPECT_EQ(again.train(), expected);
      again.set_max_isa(-1);
      EXPECT_NE(again.last_error(), "");
    }
    ASSERT_FALSE(is_loaded(RENORM_LIBRARY));
  }
  EXPECT_LE(mappings(), before + 2);  // the heap may have grown
}

TEST_F(Loading, NothingIsKeptOverAnUnload) {
  renorm_isa const first = library(RENORM_LIBRARY).active_isa();
  library(RENORM_LIBRARY).set_max_isa(RENORM_ISA_SCALAR);
  library const again(RENORM_LIBRARY);
  EXPECT_EQ(again.active_isa(), first);
  EXPECT_EQ(again.last_error(), "");
}

void expect_to_share_nothing(library const& one, library const& other) {
  ASSERT_NE(one.find<void()>("renorm_train"), other.find<void()>("renorm_train"));
  renorm_isa const best = one.active_isa();
  other.set_max_isa(RENORM_ISA_SCALAR);
  EXPECT_EQ(one.active_isa(), best);
  EXPECT_EQ(other.active_isa(), RENORM_ISA_SCALAR);
  other.set_max_isa(-1);
  EXPECT_EQ(one.last_error(), "");
  EXPECT_NE(other.last_error(), "");
  EXPECT_EQ(one.train(), other.train());
}

TEST_F(Loading, TwoCopiesShareNothing) { expect_to_share_nothing(library(RENORM_LIBRARY), library(copy())); }

// A plugin host's way to the same file twice, each with a C library of its own.
TEST_F(Loading, TwoNamespacesShareNothing) { expect_to_share_nothing(library(RENORM_LIBRARY), library(RENORM_LIBRARY, LM_ID_NEWLM)); }

#ifdef RENORM_OPENMP_LIBRARY
// The runtime's threads may be in the middle of its code.
TEST_F(Loading, TheOpenMPLibraryStays) {
  ASSERT_FALSE(is_loaded(RENORM_OPENMP_LIBRARY));
  {
    library const openmp(RENORM_OPENMP_LIBRARY);
    renorm_exec exec;
    ASSERT_EQ(openmp.find<decltype(renorm_openmp_init)>("renorm_openmp_init")(&exec, sizeof exec, 3), RENORM_OK);
    exec.parallel_for(
        exec.ctx, 3, [](void*, std::size_t) {}, nullptr);
  }
  EXPECT_TRUE(is_loaded(RENORM_OPENMP_LIBRARY));
}
#endif

}  // namespace
