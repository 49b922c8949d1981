#include "report/markdown.hpp"

#include <algorithm>

namespace report {
namespace {

struct extent {
  double mean, min, max;
};

extent extent_of(std::vector<double> const& values) {
  auto const [min, max] = std::minmax_element(values.begin(), values.end());
  return {geometric_mean(values), *min, *max};
}

std::vector<double> shares(std::vector<row> const& rows) {
  std::vector<double> values;
  for (row const& r : rows) values.push_back(r.ours().share);
  return values;
}

// Of the rows where the chosen peer took part.
template <class Choose> std::vector<double> speed_ups(std::vector<row> const& rows, Choose const& choose) {
  std::vector<double> values;
  for (row const& r : rows)
    if (entry const* const peer = choose(r)) values.push_back(speed_up(r, *peer));
  return values;
}

extent extent_over(std::string const& peer, std::vector<row> const& rows) {
  return extent_of(speed_ups(rows, [&](row const& r) { return r.find(peer); }));
}

void write_peers(std::FILE* file, table const& t) {
  std::vector<row> const rows = counted_rows(t);
  std::vector<double> const over_best = speed_ups(rows, [](row const& r) { return r.best_peer(); });
  if (over_best.empty()) {
    std::fprintf(file, " | | |\n");
    return;
  }
  extent const best = extent_of(over_best);
  std::fprintf(file, " %.2f | %.2f |", best.mean, best.min);
  char const* separator = " ";
  for (std::string const& peer : t.peers()) {
    std::fprintf(file, "%s%s %.2f", separator, peer.c_str(), extent_over(peer, rows).mean);
    separator = ", ";
  }
  std::fprintf(file, " |\n");
}

// What a reader of the contents looks for: the time of each by that of renorm, here of all rows.
void write_each(std::FILE* file, table const& t) {
  if (t.peers().empty()) return;
  std::fprintf(file, "\n| time by that of renorm | mean | min | max |\n|---|--:|--:|--:|\n");
  for (std::string const& peer : t.peers()) {
    extent const over = extent_over(peer, t.rows);
    std::fprintf(file, "| %s | %.2f | %.2f | %.2f |\n", peer.c_str(), over.mean, over.min, over.max);
  }
}

void write_table(std::FILE* file, table const& t) {
  std::fprintf(file, "\n## %s\n\n", title(t).c_str());
  std::fprintf(file, "| shape | ms | %% of limit | best peer | its ms | its %% of limit | speed-up |\n|---|--:|--:|---|--:|--:|--:|\n");
  for (row const& r : t.rows) {
    std::fprintf(file, "| %s | %.4g | %.0f |", r.shape.c_str(), r.ours().seconds * 1e3, 100 * r.ours().share);
    entry const* const best = r.best_peer();
    if (best == nullptr) std::fprintf(file, " | | | |\n");
    else
      std::fprintf(file, " %s | %.4g | %.0f | %.2f |\n", best->implementation.c_str(), best->seconds * 1e3, 100 * best->share,
                   speed_up(r, *best));
  }
  write_each(file, t);
}

}  // namespace

void write_summary(std::FILE* file, results const& r) {
  std::fprintf(file, "%s; instruction set: %s; peers: %s\n\n", r.build.c_str(), r.isa.c_str(), r.peers.c_str());
  std::fprintf(file, "Geometric means and minima over the shapes, without the tiny one.\n\n");
  std::fprintf(file, "| | %% of limit | min | speed-up over the best peer | min | over each |\n|---|--:|--:|--:|--:|---|\n");
  for (table const& t : r.tables) {
    extent const share = extent_of(shares(counted_rows(t)));
    std::fprintf(file, "| %s | %.0f | %.0f |", title(t).c_str(), 100 * share.mean, 100 * share.min);
    write_peers(file, t);
  }
}

void write_markdown(std::FILE* file, results const& r) {
  std::fprintf(file, "# Results\n\n");
  write_summary(file, r);
  for (table const& t : r.tables) write_table(file, t);
}

}  // namespace report
