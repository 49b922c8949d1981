// Every operation of the C ABI as data: its arrays with name, place, size and use, so that one loop can misuse, repeat and
// compare all of them.
#pragma once

#include "renorm/renorm.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace capi {

enum class extent { tensor, parameter, running, channels, counts, one, mask };  // channels, counts: of each group
enum class use { input, output, updated };
// renorm: with RENORM_FLAG_BATCH_RENORM; masked: with a mask_kind; fused: with RENORM_EPILOGUE_ADD_RELU, maybe_fused: optional there
enum class need { always, renorm, masked, fused, maybe_fused, optional };

inline bool adds(renorm_desc const& desc) { return desc.epilogue == RENORM_EPILOGUE_ADD || desc.epilogue == RENORM_EPILOGUE_ADD_RELU; }

struct field {
  char const* name;
  std::size_t offset;  // in the args struct
  extent size;
  use how;
  need when;

  bool written() const { return how != use::input; }
  bool written_with(renorm_desc const& desc) const { return written() && (when != need::maybe_fused || adds(desc)); }
  bool integers() const { return size == extent::counts || size == extent::one; }
};

struct operation {
  char const* name;
  renorm_op id;
  std::size_t args_size;
  renorm_status (*run)(renorm_desc const*, void const*, renorm_exec const*);
  std::vector<field> fields;

  field const& find(std::string const& field_name) const;
  bool has(std::string const& field_name) const;

  // Whether z is read with an epilogue: forward to be added, backward for the sign of the sum.
  bool reads_z(renorm_epilogue epilogue) const;
};

// Whether an output may be exactly an input.
bool may_be_the_same(std::string const& output, std::string const& input);

std::vector<operation> const& operations();
operation const& find_operation(renorm_op id);

using bytes = std::vector<unsigned char>;
using results = std::map<std::string, bytes>;  // output arrays by name

// What an array of this extent holds.
std::size_t element_size(extent size, renorm_desc const& desc);
std::size_t element_count(extent size, renorm_desc const& desc);

// 2x3x4 floats, NCHW, batch renorm.
renorm_desc small_desc();

// The same in two groups, with a mask: every array is read.
renorm_desc full_desc();

// Batch renorm of each extents in both layouts, of float and of double, as it is, and in groups with a mask.
struct extents {
  int64_t n, c, s;
};
std::vector<renorm_desc> every_layout_and_dtype(std::vector<extents> const& shapes);

std::string describe(operation const& op, renorm_desc const& desc);

// A call that is accepted as it is: all arrays of the operation, with valid contents, lie in one memory between canaries, and so
// does a workspace of exactly the size asked for. Tests spoil it. Contents depend on the names and sizes of the arrays alone.
class call {
 public:
  enum part { desc_part, args_part, exec_part };

  explicit call(operation const& op, renorm_desc const& desc = full_desc());
  call(call const&) = delete;
  call& operator=(call const&) = delete;

  operation const& op;
  // The structs as they are passed; an empty one is passed as NULL.
  std::array<bytes, 3> parts;
  // All arrays and the workspace.
  bytes memory;

  renorm_desc& desc() { return *reinterpret_cast<renorm_desc*>(parts[desc_part].data()); }
  renorm_exec& exec() { return *reinterpret_cast<renorm_exec*>(parts[exec_part].data()); }
  void* args() { return parts[args_part].data(); }
  void set_struct_size(part p, std::uint32_t size);

  void* pointer(std::string const& name) const;
  void point(std::string const& name, void const* target);
  std::size_t size_in_bytes(std::string const& name) const;
  int64_t& integer(std::string const& name) { return *static_cast<int64_t*>(pointer(name)); }

  // Elements of an array of any floating type, and of a tensor in any layout.
  double value(std::string const& name, std::size_t i) const;
  void set_value(std::string const& name, std::size_t i, double v);
  std::size_t index(int64_t sample, int64_t channel, int64_t position) const;
  std::size_t length(std::string const& name) const;

  renorm_status run() const;
  results outputs() const;                                                             // of arrays that are not NULL
  bytes arrays() const { return bytes(memory.begin(), memory.begin() + arrays_end); }  // all of them and the canaries around them

 private:
  renorm_desc made_for;
  std::ptrdiff_t arrays_end;
  void fill(field const& f);
};

std::string last_error();

}  // namespace capi
