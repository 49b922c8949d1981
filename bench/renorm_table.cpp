// Measures operations against the limit of the machine, interleaved, and prints tables. See usage below.
#include "measure/call.hpp"
#include "measure/content.hpp"
#include "measure/implementations.hpp"
#include "measure/speed_table.hpp"
#include "measure/split.hpp"
#include "measure/threads.hpp"
#include "peers/peers.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace bench;

char const usage[] =
    "renorm_table [--op=...] [--layout=...] [--dtype=...] [--threads=...] [--shape=...] [--groups=G] [--mask=...] [--content=...]\n"
    "             [--call=LINE]... [--rounds=N] [--json=FILE]\n"
    "\n"
    "  --op       of train, renorm_train, inference, backward, renorm_backward, renorm_step, moments, train_relu, train_add_relu,\n"
    "             inference_relu, backward_relu; all if not given\n"
    "  --layout   of nchw, nhwc; both if not given\n"
    "  --dtype    of f32, f64; f32 if not given\n"
    "  --threads  numbers; 1 and all if not given\n"
    "  --shape    of the groups in bench/shapes.inc or NxCxHxW of your own; the groups if not given\n"
    "  --groups   of samples; 1 if not given\n"
    "  --mask     of none, bytes (half of the positions, anywhere), lengths (a quarter of them); none if not given\n"
    "  --content  all, or of the contents in bench/README.md: what x holds, against random values, in the place of the peers\n"
    "  --call     the call that a line of renorm_explain begins with, or all of the line: it, or several of them, in place of all above\n"
    "             but --content\n"
    "  --rounds   samples of each candidate; 15 if not given\n"
    "  --json     writes the results to FILE as well\n"
    "\n"
    "Several values go with commas: --op=train,backward. RENORM_MAX_ISA limits the instruction set.\n";

[[noreturn]] void refuse(std::string const& what) {
  std::fprintf(stderr, "%s: not understood\n\n%s", what.c_str(), usage);
  std::exit(2);
}

// Lists of what has a name.
template <class Entry, std::size_t count> std::vector<Entry> all_of(Entry const (&list)[count]) { return {list, list + count}; }

template <class Entry, std::size_t count> Entry const& entry_of(Entry const (&list)[count], std::string const& name) {
  Entry const* const found = find(list, name);
  if (found == nullptr) refuse(name);
  return *found;
}

template <class Entry, std::size_t count> std::vector<Entry> entries_of(Entry const (&list)[count], std::string const& names) {
  std::vector<Entry> entries;
  for (std::string const& name : split(names, ',')) entries.push_back(entry_of(list, name));
  return entries;
}

int positive(std::string const& text) {
  char* end;
  long const number = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || number < 1 || number > 1000000) refuse(text);
  return static_cast<int>(number);
}

std::vector<int> numbers(std::string const& list) {
  std::vector<int> values;
  for (std::string const& item : split(list, ',')) values.push_back(positive(item));
  return values;
}

shape custom_shape(std::string const& name) {
  long long n, c, h, w;
  int used = 0;
  bool const read = std::sscanf(name.c_str(), "%lldx%lldx%lldx%lld%n", &n, &c, &h, &w, &used) == 4;
  if (!read || static_cast<std::size_t>(used) != name.size() || n < 1 || c < 1 || h < 1 || w < 1) refuse(name);
  return {"custom", n, c, h, w};
}

std::vector<shape> shapes_of(std::string const& names) {
  std::vector<shape> chosen;
  for (std::string const& name : split(names, ',')) {
    std::size_t const before = chosen.size();
    for (shape const& s : shapes())
      if (name == s.group) chosen.push_back(s);
    if (chosen.size() == before) chosen.push_back(custom_shape(name));
  }
  return chosen;
}

spec call_of(std::string const& line) {
  std::optional<spec> const call = read_call(line);
  if (!call) refuse(line);
  return *call;
}

struct options {
  std::vector<op> chosen_ops = all_of(ops);
  std::vector<named<renorm_layout>> chosen_layouts = all_of(layouts);
  std::vector<named<renorm_dtype>> chosen_dtypes = entries_of(dtypes, "f32");
  std::vector<int> threads = thread_counts();
  std::vector<shape> chosen_shapes = shapes();
  std::vector<named<renorm_mask_kind>> chosen_masks = entries_of(masks, "none");
  int groups = 1;
  std::vector<content> chosen_contents;
  std::vector<spec> calls;
  std::string grid;  // the last of the options above that was given, but for contents and calls
  sampling how;
  std::string json;

  void set(std::string const& key, std::string const& value) {
    if (key == "--op") chosen_ops = entries_of(ops, value);
    else if (key == "--layout") chosen_layouts = entries_of(layouts, value);
    else if (key == "--dtype") chosen_dtypes = entries_of(dtypes, value);
    else if (key == "--threads") threads = numbers(value);
    else if (key == "--shape") chosen_shapes = shapes_of(value);
    else if (key == "--groups") groups = positive(value);
    else if (key == "--mask") chosen_masks = entries_of(masks, value);
    else if (key == "--content") chosen_contents = value == "all" ? all_of(contents) : entries_of(contents, value);
    else if (key == "--call") calls.push_back(call_of(value));
    else if (key == "--rounds") how.rounds = positive(value);
    else if (key == "--json") json = value;
    else refuse(key);
    bool const of_any_call = key == "--call" || key == "--content" || key == "--rounds" || key == "--json";
    if (!of_any_call) grid = key;
  }

  std::vector<spec> specs() const {
    if (!calls.empty()) return calls;
    std::vector<spec> list;
    for (op const& o : chosen_ops)
      for (auto const& l : chosen_layouts)
        for (auto const& d : chosen_dtypes)
          for (int const t : threads)
            for (auto const& m : chosen_masks)
              for (shape const& s : chosen_shapes) list.push_back(with_options({o, l.value, d.value, s, t}, m.value));
    return list;
  }

 private:
  spec with_options(spec s, renorm_mask_kind mask) const {
    s.desc.groups = groups;
    s.desc.mask_kind = mask;
    return s;
  }
};

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    std::string const argument = argv[i];
    if (argument == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    }
    std::size_t const equals = argument.find('=');
    if (equals == std::string::npos) refuse(argument);
    o.set(argument.substr(0, equals), argument.substr(equals + 1));
    if (!o.calls.empty() && !o.grid.empty()) refuse(o.grid + " beside --call, which is a whole call");
  }
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  options const o = parse(argc, argv);
  if (o.chosen_contents.empty()) invite_peers();
  else invite([&](spec const&) { return on_contents(o.chosen_contents); });
  std::printf("%s\ninstruction set: %s\npeers: %s\n", renorm_build_info(), renorm_isa_name(renorm_active_isa()), peer_versions().c_str());
  for (spec const& call : o.calls) std::printf("\n%s\n", explained(call).c_str());
  std::vector<measurement> const measurements = measure_and_print(o.specs(), o.how);
  if (o.json.empty()) return 0;

  std::FILE* const file = std::fopen(o.json.c_str(), "w");
  if (file == nullptr) {
    std::perror(o.json.c_str());
    return 1;
  }
  write_json(file, peer_versions(), measurements);
  return std::fclose(file) == 0 ? 0 : 1;
}
