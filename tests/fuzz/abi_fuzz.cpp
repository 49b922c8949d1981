// Fuzz target over the C ABI. An input is a call that is accepted as it is, and edits that spoil it: any byte of the structs, pointers
// that are NULL or into one another's arrays, a workspace of another size, contents of arrays. Every struct, array and workspace is a
// block of exactly its size, so that the address sanitizer sees whatever is read or written beside it.
//
// Promises: a call that is refused has written nothing and left a text; one that is accepted has written to its outputs alone.
// A task that is run after parallel_for has returned is the caller's undefined behaviour, and no executor here does that.
#include "capi/capi_call.hpp"
#include "fuzz/choices.hpp"
#include "support/isas.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>

namespace {

using capi::bytes;
using capi::extent;
using capi::field;
using capi::operation;
using fuzz::choices;
using fuzz::near_power;
using fuzz::require;

// How many values accepted calls have, and how often they are spoilt. More values take long and show nothing but how executors are used:
// the rare call has them, and is spoilt so little that it may still be accepted.
struct limits {
  std::int64_t most_values;
  std::size_t most_edits;
};
constexpr limits usual = {5000, 12}, large = {40000, 1};

// The library believes such a struct_size: of whole pointers.
bool plausible(std::size_t struct_size) { return struct_size >= 8 && struct_size <= 4096 && struct_size % sizeof(void*) == 0; }

struct call_counts {
  long long accepted = 0, refused = 0;

  ~call_counts() { std::printf("%lld calls accepted, %lld refused\n", accepted, refused); }
} calls;

std::vector<renorm_isa> const& isas() {
  static std::vector<renorm_isa> const all = renorm_test::available_isas();
  return all;
}

// ---------------------------------------------------------------- memory of exactly a size

class block {
 public:
  explicit block(std::size_t size) : size_(size), data_(new unsigned char[size]()) {}
  block(void const* from, std::size_t size) : block(size) { std::memcpy(data_.get(), from, size); }

  unsigned char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  void remember() { before_.assign(data_.get(), data_.get() + size_); }
  bool changed() const { return !std::equal(before_.begin(), before_.end(), data_.get()); }

 private:
  std::size_t size_;
  std::unique_ptr<unsigned char[]> data_;
  bytes before_;
};

// ---------------------------------------------------------------- executors

std::int32_t in_order(void*, std::size_t n, renorm_task task, void* arg) {
  for (std::size_t i = 0; i < n; ++i) task(arg, i);
  return 0;
}
std::int32_t backwards_and_twice(void*, std::size_t n, renorm_task task, void* arg) {
  for (std::size_t i = n; i-- > 0;)
    for (int again = 0; again < 2; ++again) task(arg, i);
  return 1;
}
std::int32_t every_other(void*, std::size_t n, renorm_task task, void* arg) {
  for (std::size_t i = 1; i < n; i += 2) task(arg, i);
  return -1;
}
std::int32_t never(void*, std::size_t, renorm_task, void*) { return std::numeric_limits<std::int32_t>::min(); }

template <renorm_parallel_for run> std::int32_t counted(void* ctx, std::size_t n, renorm_task task, void* arg) {
  ++fuzz::lent_calls;
  return run(ctx, n, task, arg);
}

constexpr renorm_parallel_for executors[] = {nullptr, counted<in_order>, counted<backwards_and_twice>, counted<every_other>,
                                             counted<never>};

// ---------------------------------------------------------------- a call that is accepted

renorm_desc make_desc(choices& in) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  constexpr std::int64_t n[] = {2, 0, 1, 3, 5, 8, 129}, c[] = {3, 0, 1, 2, 8, 16, 17, 33, 65}, s[] = {4, 0, 1, 2, 7, 33, 49, 130, 4097};
  constexpr std::int64_t groups[] = {1, 2, 3, 0, 7};
  constexpr renorm_group_order orders[] = {RENORM_GROUPS_CONTIGUOUS, RENORM_GROUPS_INTERLEAVED};
  constexpr renorm_mask_kind masks[] = {RENORM_MASK_NONE, RENORM_MASK_BYTES, RENORM_MASK_LENGTHS};
  constexpr renorm_epilogue epilogues[] = {RENORM_EPILOGUE_NONE, RENORM_EPILOGUE_RELU, RENORM_EPILOGUE_ADD, RENORM_EPILOGUE_ADD_RELU};
  constexpr renorm_dtype dtypes[] = {RENORM_F32, RENORM_F64}, more_dtypes[] = {0, RENORM_F64};
  constexpr renorm_layout layouts[] = {RENORM_NCHW, RENORM_NHWC};
  constexpr double eps[] = {1e-5, 0, 1, 1e300}, units[] = {0.125, 0, 1}, rmax[] = {3, 1, inf}, dmax[] = {5, 0, inf};
  renorm_desc d;
  renorm_desc_init(&d, sizeof d);
  d.flags = in.byte();
  d.layout = in.pick(layouts);
  d.dtype = in.pick(dtypes);
  d.param_dtype = in.pick(more_dtypes);
  d.stats_dtype = in.pick(more_dtypes);
  d.n = in.pick(n);
  d.c = in.pick(c);
  d.s = in.pick(s);
  d.groups = in.pick(groups);
  if (in.below(4) == 3)
    for (std::int64_t* extent : {&d.n, &d.c, &d.s, &d.groups})
      if (in.below(2) == 1) *extent = near_power(in);
  d.group_order = in.pick(orders);
  d.mask_kind = in.pick(masks);
  d.epilogue = in.pick(epilogues);
  d.eps = in.pick(eps);
  d.momentum = in.pick(units);
  d.rmin = in.pick(units);
  d.rmax = in.pick(rmax);
  d.dmax = in.pick(dmax);
  return d;
}

// An array, or the workspace: where in which block, and how large.
struct region {
  std::size_t block, offset = 0, size = 0, alignment = 1;
  bool null = false, written = false;
};

class fuzzed_call {
 public:
  fuzzed_call(operation const& op, choices& in) : op_(op), isa_(isas()[in.below(isas().size())]) {
    renorm_desc desc = make_desc(in);
    renorm_exec exec = {};
    exec.struct_size = sizeof exec;
    std::uint8_t const executor = in.byte();
    exec.parallel_for = executors[executor % std::size(executors)];
    if (fuzz::rare(executor) && desc.n < large.most_values && desc.c < large.most_values) {
      limits_ = large;
      desc.s = large.most_values / std::max<std::int64_t>(desc.n * desc.c, 1);
    }
    exec.concurrency = in.byte();
    std::uint32_t const args_size = static_cast<std::uint32_t>(op.args_size);
    parts_[0] = as_bytes(&desc, sizeof desc);
    parts_[1] = as_bytes(&args_size, sizeof args_size);
    parts_[1].resize(op.args_size);
    parts_[2] = as_bytes(&exec, sizeof exec);
    regions_.resize(op.fields.size() + 1);
    workspace().null = in.below(2) == 1;
    for (std::size_t edits = 0; in.more() && edits < limits_.most_edits; ++edits) edit(in);
  }

  void run() {
    std::size_t needed = 0;
    renorm_status const desc_status = check_desc(needed);
    if (desc_status == RENORM_OK && !lay_out(needed)) return;
    allocate();
    fill();
    renorm_set_max_isa(isa_);
    renorm_status const status = call();
    require(status <= RENORM_OK && status >= RENORM_ERROR_ISA, "a status is one of those of the header");
    if (desc_status != RENORM_OK) require(status == desc_status, "renorm_workspace_size refuses what the operation refuses");
    if (status == RENORM_OK) check_accepted();
    else check_refused();
  }

 private:
  static bytes as_bytes(void const* from, std::size_t size) {
    return {static_cast<unsigned char const*>(from), static_cast<unsigned char const*>(from) + size};
  }

  region& workspace() { return regions_.back(); }

  // ---- edits

  void edit(choices& in) {
    switch (in.below(7)) {
      case 0:
        edit_desc(in);
        break;
      case 1:
        edit_args(in);
        break;
      case 2:
        edit_exec(in);
        break;
      case 3:
        missing_[in.below(3)] = true;
        break;
      case 4:
        shared_.push_back({in.below(regions_.size()), in.below(regions_.size()), in.below(8)});
        break;
      case 5:
        workspace_change_ = static_cast<std::int8_t>(in.byte());
        break;
      case 6:
        contents_.push_back({in.below(op_.fields.size()), in.word(), in.byte()});
        break;
    }
  }

  // A struct's bytes and some after its end, which a larger struct_size makes part of it.
  static void set_byte(bytes& part, std::size_t at, unsigned char value) {
    if (at >= part.size()) part.resize(at + 1);
    part[at] = value;
  }
  static constexpr std::size_t newer = 8;

  void edit_desc(choices& in) {
    std::size_t const at = in.below(sizeof(renorm_desc) + newer);
    set_byte(parts_[0], at, in.byte());
  }
  // Pointers become NULL.
  void edit_args(choices& in) {
    std::size_t const at = in.below(op_.args_size + newer);
    for (std::size_t i = 0; i < op_.fields.size(); ++i)
      if (at / sizeof(void*) * sizeof(void*) == op_.fields[i].offset) {
        regions_[i].null = true;
        return;
      }
    set_byte(parts_[1], at, in.byte());
  }
  void edit_exec(choices& in) {
    std::size_t const at = in.below(offsetof(renorm_exec, ctx) + newer);
    set_byte(parts_[2], at < offsetof(renorm_exec, ctx) ? at : at - offsetof(renorm_exec, ctx) + sizeof(renorm_exec), in.byte());
  }

  // ---- what the library is given

  static std::uint32_t struct_size(bytes const& part) {
    std::uint32_t size;
    std::memcpy(&size, part.data(), sizeof size);
    return size;
  }

  // The struct as it is passed: of the size it claims where the library believes that.
  static block passed(bytes part) {
    std::uint32_t const size = struct_size(part);
    part.resize(plausible(size) ? size : sizeof size);
    return {part.data(), part.size()};
  }

  renorm_status check_desc(std::size_t& needed) const {
    if (missing_[0]) return renorm_workspace_size(nullptr, op_.id, &needed);
    block const desc = passed(parts_[0]);
    return renorm_workspace_size(reinterpret_cast<renorm_desc const*>(desc.data()), op_.id, &needed);
  }

  // The sizes of all arrays, for a valid descriptor. False if they are more than this target takes.
  bool lay_out(std::size_t needed) {
    renorm_desc desc = {};  // fields that a short struct does not have are 0
    std::memcpy(&desc, parts_[0].data(), std::min<std::size_t>(struct_size(parts_[0]), sizeof desc));
    constexpr std::size_t address_space = std::numeric_limits<std::size_t>::max() / 4;
    for (field const& f : op_.fields) {
      std::size_t const count = capi::element_count(f.size, desc);
      require(count <= address_space / capi::element_size(f.size, desc), "the arrays of a valid descriptor fit the address space");
      if (count > static_cast<std::size_t>(limits_.most_values)) return false;
    }
    for (std::size_t i = 0; i < op_.fields.size(); ++i) {
      field const& f = op_.fields[i];
      std::size_t const element = capi::element_size(f.size, desc);
      regions_[i].size = capi::element_count(f.size, desc) * element;
      regions_[i].alignment = element;
      regions_[i].written = f.written_with(desc);
    }
    positions_ = static_cast<std::size_t>(desc.s);
    workspace().size = static_cast<std::size_t>(std::max<std::int64_t>(static_cast<std::int64_t>(needed) + workspace_change_, 0));
    workspace().written = true;
    return true;
  }

  void allocate() {
    for (std::size_t i = 0; i < regions_.size(); ++i) regions_[i].block = i;
    for (sharing const& s : shared_) {
      region& moved = regions_[s.region];
      region const& with = regions_[s.with];
      std::size_t const elements = (with.offset + moved.alignment - 1) / moved.alignment + s.distance;
      moved.offset = elements * moved.alignment;
      moved.block = with.block;
    }
    std::vector<std::size_t> sizes(regions_.size());
    for (region const& r : regions_) sizes[r.block] = std::max(sizes[r.block], r.offset + r.size);
    for (std::size_t const size : sizes) blocks_.emplace_back(size);
  }

  unsigned char* place(region const& r) const { return blocks_[r.block].data() + r.offset; }

  // Numbers from 0.5 to 1.5, which suit every array, counts of 8, and masks of all sorts; then the contents that the input asks for.
  void fill() {
    for (std::size_t i = 0; i < op_.fields.size(); ++i) fill(regions_[i], op_.fields[i]);
    for (content const& c : contents_)
      if (region const& r = regions_[c.region]; r.size > 0) place(r)[c.at % r.size] = c.value;
    for (block& b : blocks_) b.remember();
  }
  void fill(region const& r, field const& f) const {
    bool const mask = f.size == extent::mask;
    for (std::size_t k = 0; k < r.size / r.alignment; ++k) {
      std::size_t const any = k * 37 % 64;
      double const wide = 0.5 + static_cast<double>(any) / 64;
      float const narrow = static_cast<float>(wide);
      auto const integer = static_cast<std::int64_t>(mask ? any % (positions_ + 1) : 8);
      unsigned char const valid = any % 3 == 0 ? 0 : 1;
      void const* number = &wide;
      if (mask || f.integers()) number = &integer;
      if (r.alignment == sizeof narrow) number = &narrow;
      if (r.alignment == sizeof valid) number = &valid;
      std::memcpy(place(r) + k * r.alignment, number, r.alignment);
    }
  }

  renorm_status call() {
    auto const address = [&](region const& r) { return r.null ? nullptr : place(r); };
    auto const set = [](bytes& part, std::size_t at, auto value) { std::memcpy(part.data() + at, &value, sizeof value); };
    for (std::size_t i = 0; i < op_.fields.size(); ++i) set(parts_[1], op_.fields[i].offset, address(regions_[i]));
    set(parts_[2], offsetof(renorm_exec, workspace), address(workspace()));
    set(parts_[2], offsetof(renorm_exec, workspace_bytes), workspace().size);
    block const desc = passed(parts_[0]), args = passed(parts_[1]), exec = passed(parts_[2]);
    auto const pointer = [&](int part, block const& b) { return missing_[part] ? nullptr : static_cast<void const*>(b.data()); };
    return op_.run(static_cast<renorm_desc const*>(pointer(0, desc)), pointer(1, args), static_cast<renorm_exec const*>(pointer(2, exec)));
  }

  void check_refused() const {
    ++calls.refused;
    require(renorm_last_error(nullptr, 0) > 0, "a refused call leaves a text");
    for (block const& b : blocks_) require(!b.changed(), "a refused call writes nothing");
  }
  void check_accepted() const {
    ++calls.accepted;
    std::vector<bool> written(blocks_.size());
    for (region const& r : regions_) written[r.block] = written[r.block] || r.written;
    for (std::size_t i = 0; i < blocks_.size(); ++i) require(written[i] || !blocks_[i].changed(), "inputs are not written to");
  }

  struct sharing {
    std::size_t region, with, distance;  // region lies so many of its elements after the start of with
  };
  struct content {
    std::size_t region, at;
    unsigned char value;
  };

  operation const& op_;
  renorm_isa isa_;
  limits limits_ = usual;
  bytes parts_[3];               // desc, args, exec
  bool missing_[3] = {};         // passed as NULL
  std::vector<region> regions_;  // of the fields, and last the workspace
  std::vector<sharing> shared_;
  std::vector<content> contents_;
  std::int64_t workspace_change_ = 0;
  std::size_t positions_ = 0;  // of a sample
  std::vector<block> blocks_;
};

// ---------------------------------------------------------------- functions that are no operations

void init_desc(choices& in) {
  std::size_t const size = in.word();
  block const memory(plausible(size) ? size : 0);
  renorm_status const status = renorm_desc_init(reinterpret_cast<renorm_desc*>(memory.data()), size);
  require((status == RENORM_OK) == plausible(size), "renorm_desc_init takes the sizes of structs");
}

void evaluate_ramp(choices& in) {
  renorm_ramp ramp = {sizeof ramp, 0, 5000, 40000, 25000, 3, 5};
  unsigned char raw[sizeof ramp];
  std::memcpy(raw, &ramp, sizeof ramp);
  std::int64_t step = 0;
  for (std::size_t i = 0; i < sizeof step; ++i) step |= static_cast<std::int64_t>(std::uint64_t(in.byte()) << 8 * i);
  while (in.more()) {
    std::size_t const at = 4 + in.below(sizeof raw - 4);  // struct_size stays
    raw[at] = in.byte();
  }
  block const memory(raw, sizeof raw);
  double rmax = -1, dmax = -1;
  renorm_status const status = renorm_ramp_at(reinterpret_cast<renorm_ramp const*>(memory.data()), step, &rmax, &dmax);
  if (status == RENORM_OK) require(rmax >= 1 && dmax >= 0, "bounds of a ramp are bounds of a descriptor");
  else require(rmax == -1 && dmax == -1, "a refused call writes nothing");
}

void ask(choices& in) {
  std::int32_t const any = static_cast<std::int32_t>(in.word() | std::uint32_t(in.word()) << 16);
  require(renorm_status_string(any) != nullptr && renorm_isa_name(any) != nullptr, "every number has a text");
  renorm_set_max_isa(any);
  block const text(in.byte());
  renorm_last_error(reinterpret_cast<char*>(text.data()), text.size());
  std::size_t bytes_needed;
  renorm_desc const desc = make_desc(in);
  bool const known = renorm_workspace_size(&desc, any, &bytes_needed) == RENORM_OK;
  block const line(in.byte());
  bool const explained = renorm_explain(&desc, any, nullptr, reinterpret_cast<char*>(line.data()), line.size()) == RENORM_OK;
  require(explained == (known && line.size() > 0 && renorm_active_isa() != RENORM_ISA_NONE), "what has a workspace has a line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  choices in(data, size);
  std::vector<operation> const& operations = capi::operations();
  std::size_t const which = in.below(operations.size() + 3);
  if (which < operations.size()) fuzzed_call(operations[which], in).run();
  else if (which == operations.size()) init_desc(in);
  else if (which == operations.size() + 1) evaluate_ramp(in);
  else ask(in);
  return 0;
}
