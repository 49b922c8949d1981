// With a workspace an operation allocates nothing and stays inside it; without one it allocates once, and fails cleanly if it cannot.
// The linker redirects the allocation functions of everything linked statically, the library included, to the ones here (--wrap).
#include "capi/capi_call.hpp"
#include "support/isas.hpp"
#include "support/memory.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>

#include <sys/mman.h>
#include <sys/types.h>

namespace {

struct {
  bool counting = false, failing = false;
  int allocations = 0, frees = 0;

  bool denies() {
    if (counting) ++allocations;
    return counting && failing;
  }
} heap;

}  // namespace

extern "C" {

void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* block, size_t size);
void* __real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void** block, size_t alignment, size_t size);
void* __real_mmap(void* at, size_t size, int protection, int flags, int file, off_t offset);
void __real_free(void* block);

void* __wrap_malloc(size_t size) { return heap.denies() ? nullptr : __real_malloc(size); }
void* __wrap_calloc(size_t count, size_t size) { return heap.denies() ? nullptr : __real_calloc(count, size); }
void* __wrap_realloc(void* block, size_t size) { return heap.denies() ? nullptr : __real_realloc(block, size); }
void* __wrap_aligned_alloc(size_t alignment, size_t size) { return heap.denies() ? nullptr : __real_aligned_alloc(alignment, size); }
int __wrap_posix_memalign(void** block, size_t alignment, size_t size) {
  return heap.denies() ? ENOMEM : __real_posix_memalign(block, alignment, size);
}
void* __wrap_mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  return heap.denies() ? MAP_FAILED : __real_mmap(at, size, protection, flags, file, offset);
}
void __wrap_free(void* block) {
  if (heap.counting && block != nullptr) ++heap.frees;
  __real_free(block);
}

}  // extern "C"

namespace {

using capi::call;
using capi::operation;
using capi::operations;

renorm_status run_counted(call const& c, bool failing = false) {
  heap = {true, failing, 0, 0};
  renorm_status const status = c.run();
  heap.counting = false;
  return status;
}

// Small, with tails, and large enough for several chunks and tasks.
std::vector<renorm_desc> const descs = capi::every_layout_and_dtype({{2, 3, 4}, {3, 37, 49}, {8, 5, 1000}, {300, 130, 1}});

template <class F> void for_each_call(F const& test) {
  for (operation const& op : operations())
    for (renorm_desc const& desc : descs) {
      SCOPED_TRACE(capi::describe(op, desc));
      test(op, desc);
    }
}

int32_t backwards(void*, size_t n, renorm_task task, void* arg) {
  for (size_t i = n; i > 0; --i) task(arg, i - 1);
  return 0;
}

class Memory : public renorm_test::IsaTest {};

TEST_F(Memory, NothingIsAllocatedWithAWorkspace) {
  for_each_isa([] {
    for_each_call([](operation const& op, renorm_desc const& desc) {
      for (renorm_parallel_for const executor : {renorm_parallel_for{nullptr}, renorm_parallel_for{&backwards}}) {
        call c(op, desc);
        c.exec().parallel_for = executor;
        c.exec().concurrency = executor == nullptr ? 0 : 3;
        EXPECT_EQ(run_counted(c), RENORM_OK);
        EXPECT_EQ(heap.allocations, 0);
        EXPECT_EQ(heap.frees, 0);
      }
    });
  });
}

// Shows also that the counting counts.
TEST_F(Memory, WithoutAWorkspaceOneBlockIsAllocatedAndFreed) {
  int with_workspace = 0;
  for_each_call([&](operation const& op, renorm_desc const& desc) {
    call usual(op, desc), own(op, desc);
    int const expected = usual.exec().workspace_bytes > 0;
    with_workspace += expected;
    own.exec().workspace = nullptr;
    own.exec().workspace_bytes = 0;
    EXPECT_EQ(usual.run(), RENORM_OK);
    EXPECT_EQ(run_counted(own), RENORM_OK);
    EXPECT_EQ(heap.allocations, expected);
    EXPECT_EQ(heap.frees, expected);
    EXPECT_TRUE(own.outputs() == usual.outputs());
  });
  EXPECT_GT(with_workspace, 0);
}

TEST_F(Memory, NoMemoryForAWorkspaceIsAStatusAndWritesNothing) {
  for_each_call([](operation const& op, renorm_desc const& desc) {
    call c(op, desc);
    if (c.exec().workspace_bytes == 0) return;
    c.parts[call::exec_part].clear();
    capi::bytes const before = c.memory;
    EXPECT_EQ(run_counted(c, true), RENORM_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(heap.allocations, 1);
    EXPECT_NE(capi::last_error().find("workspace"), std::string::npos) << capi::last_error();
    EXPECT_TRUE(c.memory == before) << "something was written";
  });
}

// Next to a cache line's border, inside a double, and against an unmapped page on either side.
TEST_F(Memory, AWorkspaceOfExactlyTheSizeServesAtAnyAlignment) {
  using renorm_test::edge;
  std::vector<renorm_test::placement> places = {{0, edge::at_end}, {0, edge::at_start}};
  for (std::size_t const offset : {0, 1, 4, 8, 31, 63}) places.push_back({offset, edge::none});
  for_each_call([&](operation const& op, renorm_desc const& desc) {
    call usual(op, desc);
    if (usual.exec().workspace_bytes == 0) return;
    EXPECT_EQ(usual.run(), RENORM_OK);
    for (renorm_test::placement const& place : places) {
      call c(op, desc);
      renorm_test::memory const workspace(c.exec().workspace_bytes, 1, place);
      c.exec().workspace = workspace.data();
      EXPECT_EQ(c.run(), RENORM_OK);
      EXPECT_TRUE(c.outputs() == usual.outputs()) << "offset " << place.offset;
      EXPECT_TRUE(workspace.intact()) << "offset " << place.offset;
    }
  });
}

}  // namespace
