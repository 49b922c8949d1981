#include "report/results.hpp"

#include "measure/shape.hpp"
#include "measure/split.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace report {
namespace {

struct measured {
  std::string op, layout, dtype, shape, threads;
  bool is_floor;
  entry what;
};

// Of the one line that write_json makes of a result. Options come between the threads and the implementation.
bool read_result(char const* line, measured& m) {
  char name[512], is_floor[8];
  double seconds, share;
  int const found = std::sscanf(line,
                                "{\"name\": \"%511[^\"]\", \"seconds\": %lf, \"lower_quartile\": %*f, \"upper_quartile\": %*f, "
                                "\"bytes\": %*u, \"floor_over_time\": %lf, \"is_floor\": %7[a-z]}",
                                name, &seconds, &share, is_floor);
  std::vector<std::string> const parts = found == 4 ? bench::split(name, '/') : std::vector<std::string>();
  if (parts.size() < 6) return false;
  m = {parts[0], parts[1], parts[2], parts[3], parts[4], std::strcmp(is_floor, "true") == 0, {parts.back(), seconds, share}};
  for (std::size_t i = 5; i + 1 < parts.size(); ++i) m.op += ", " + parts[i];
  return true;
}

bool read_heading(char const* line, results& r) {
  char build[256], isa[32], peers[256];
  if (std::sscanf(line, "{\"build\": \"%255[^\"]\", \"isa\": \"%31[^\"]\", \"peers\": \"%255[^\"]\"", build, isa, peers) != 3) return false;
  r.build = build;
  r.isa = isa;
  r.peers = peers;
  return true;
}

table& table_of(measured const& m, results& r) {
  for (table& t : r.tables)
    if (t.op == m.op && t.layout == m.layout && t.dtype == m.dtype && t.threads == m.threads) return t;
  r.tables.push_back({m.op, m.layout, m.dtype, m.threads, {}});
  return r.tables.back();
}

row& row_of(measured const& m, table& t) {
  for (row& candidate : t.rows)
    if (candidate.shape == m.shape) return candidate;
  t.rows.push_back({m.shape, {}});
  return t.rows.back();
}

// A result that comes again replaces the earlier one.
void put(entry const& what, row& r) {
  for (entry& e : r.entries)
    if (e.implementation == what.implementation) {
      e = what;
      return;
    }
  r.entries.push_back(what);
}

bool is_tiny(std::string const& shape) {
  for (bench::shape const& s : bench::shapes())
    if (std::strcmp(s.group, "tiny") == 0 && bench::name_of(s) == shape) return true;
  return false;
}

}  // namespace

entry const* row::best_peer() const {
  entry const* best = nullptr;
  for (std::size_t i = 1; i < entries.size(); ++i)
    if (best == nullptr || entries[i].seconds < best->seconds) best = &entries[i];
  return best;
}

entry const* row::find(std::string const& implementation) const {
  for (entry const& e : entries)
    if (e.implementation == implementation) return &e;
  return nullptr;
}

double speed_up(row const& r, entry const& peer) { return peer.seconds / r.ours().seconds; }

std::vector<std::string> table::peers() const {
  std::vector<std::string> names;
  for (row const& r : rows)
    for (std::size_t i = 1; i < r.entries.size(); ++i)
      if (std::find(names.begin(), names.end(), r.entries[i].implementation) == names.end()) names.push_back(r.entries[i].implementation);
  return names;
}

std::string title(table const& t) {
  std::string const count = t.threads.substr(1);
  return t.op + ", " + t.layout + ", " + t.dtype + ", " + count + (count == "1" ? " thread" : " threads");
}

std::vector<row> counted_rows(table const& t) {
  std::vector<row> rows;
  for (row const& r : t.rows)
    if (!is_tiny(r.shape)) rows.push_back(r);
  return rows.empty() ? t.rows : rows;
}

double geometric_mean(std::vector<double> const& values) {
  double logs = 0;
  for (double const v : values) logs += std::log(v);
  return std::exp(logs / static_cast<double>(values.size()));
}

bool read_results(std::FILE* file, results& r) {
  char line[1024];
  if (std::fgets(line, sizeof line, file) == nullptr || !read_heading(line, r)) return false;
  measured m;
  while (std::fgets(line, sizeof line, file) != nullptr && read_result(line, m))
    if (!m.is_floor) put(m.what, row_of(m, table_of(m, r)));
  return !r.tables.empty();
}

}  // namespace report
