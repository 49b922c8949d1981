#include "measure/speed_table.hpp"

#include "measure/implementations.hpp"

#include <algorithm>
#include <cmath>

namespace bench {
namespace {

struct prepared {
  std::vector<call> calls;
  std::vector<std::size_t> owner;  // of each call: which implementation
};

prepared prepare(spec const& s, std::vector<implementation> const& all) {
  prepared p;
  for (std::size_t i = 0; i < all.size(); ++i)
    for (call& c : all[i].prepare(s)) {
      p.calls.push_back(std::move(c));
      p.owner.push_back(i);
    }
  return p;
}

timing fastest_of(std::size_t implementation, prepared const& p, std::vector<timing> const& timings) {
  timing best = {HUGE_VAL, HUGE_VAL, HUGE_VAL};
  for (std::size_t i = 0; i < timings.size(); ++i)
    if (p.owner[i] == implementation && timings[i].median < best.median) best = timings[i];
  return best;
}

double floor_seconds(measurement const& m) {
  for (result const& r : m.results)
    if (r.is_floor) return r.time.median;
  return 0;
}

// The time of r in units of that of renorm (on random values).
double over_renorm(measurement const& m, result const& r) { return r.time.median / m.results.front().time.median; }

double gigabytes_per_second(measurement const& m, result const& r) { return static_cast<double>(m.what.bytes()) / r.time.median / 1e9; }

bool same_table(spec const& a, spec const& b) {
  return a.op.name == b.op.name && a.desc.layout == b.desc.layout && a.desc.dtype == b.desc.dtype && a.threads == b.threads &&
         a.options() == b.options();
}

void print_heading(spec const& s) {
  std::printf("\n%s, %s, %s, %d thread%s", s.op.name, name_of(layouts, s.desc.layout), name_of(dtypes, s.desc.dtype), s.threads,
              s.threads == 1 ? "" : "s");
  if (s.has_options()) std::printf("; %s", s.options().c_str() + 1);
  for (implementation const& i : implementations(s))
    if (i.is_floor) std::printf("; limit: %s", i.name.c_str());
  std::printf("\n  %-18s %-19s %10s %8s %12s %12s\n", "shape", "", "ms", "GB/s", "% of limit", "of renorm");
}

void print_row(measurement const& m) {
  for (result const& r : m.results)
    if (!r.is_floor)
      std::printf("  %-18s %-19s %10.4f %8.1f %12.0f %12.2f\n", name_of(m.what.shape).c_str(), r.implementation.c_str(),
                  r.time.median * 1e3, gigabytes_per_second(m, r), 100 * share_of_limit(m, r), over_renorm(m, r));
  std::fflush(stdout);
}

struct extent {
  double mean, largest;  // the mean is geometric
};

// Of value(m, r), r being a result of each of [first, end).
template <class F> extent extent_of(std::vector<measurement> const& all, std::size_t first, std::size_t result, F const& value) {
  double logs = 0, largest = 0;
  for (std::size_t row = first; row < all.size(); ++row) {
    double const v = value(all[row], all[row].results[result]);
    logs += std::log(v);
    largest = std::max(largest, v);
  }
  return {std::exp(logs / static_cast<double>(all.size() - first)), largest};
}

// Of the rows [first, end), for each implementation.
void print_summary(std::vector<measurement> const& all, std::size_t first) {
  for (std::size_t i = 0; i < all[first].results.size(); ++i) {
    if (all[first].results[i].is_floor) continue;
    extent const share = extent_of(all, first, i, share_of_limit), ratio = extent_of(all, first, i, over_renorm);
    std::printf("  %-18s %-19s %10s %8s %12.0f %12.2f, at most %.2f\n", "geometric mean", all[first].results[i].implementation.c_str(), "",
                "", 100 * share.mean, ratio.mean, ratio.largest);
  }
}

}  // namespace

double share_of_limit(measurement const& m, result const& r) { return floor_seconds(m) / r.time.median; }

measurement measure(spec const& s, sampling const& how) {
  std::vector<implementation> const all = implementations(s);
  prepared const p = prepare(s, all);
  std::vector<timing> const timings = interleave(p.calls, how);
  measurement m = {s, {}};
  for (std::size_t i = 0; i < all.size(); ++i) m.results.push_back({all[i].name, all[i].is_floor, fastest_of(i, p, timings)});
  return m;
}

std::vector<measurement> measure_and_print(std::vector<spec> const& specs, sampling const& how) {
  std::vector<measurement> all;
  std::size_t table = 0;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (i == 0 || !same_table(specs[i - 1], specs[i])) {
      print_heading(specs[i]);
      table = i;
    }
    all.push_back(measure(specs[i], how));
    print_row(all.back());
    bool const ends = i + 1 == specs.size() || !same_table(specs[i], specs[i + 1]);
    if (ends && i > table) print_summary(all, table);
  }
  return all;
}

void write_json(std::FILE* file, std::string const& peers, std::vector<measurement> const& measurements) {
  std::fprintf(file, "{\"build\": \"%s\", \"isa\": \"%s\", \"peers\": \"%s\", \"results\": [", renorm_build_info(),
               renorm_isa_name(renorm_active_isa()), peers.c_str());
  char const* separator = "\n";
  for (measurement const& m : measurements)
    for (result const& r : m.results) {
      std::fprintf(file, "%s{\"name\": \"%s/%s\", \"seconds\": %.9g, \"lower_quartile\": %.9g, \"upper_quartile\": %.9g, ", separator,
                   name_of(m.what).c_str(), r.implementation.c_str(), r.time.median, r.time.lower, r.time.upper);
      std::fprintf(file, "\"bytes\": %zu, \"floor_over_time\": %.6g, \"is_floor\": %s}", m.what.bytes(), share_of_limit(m, r),
                   r.is_floor ? "true" : "false");
      separator = ",\n";
    }
  std::fprintf(file, "\n]}\n");
}

}  // namespace bench
