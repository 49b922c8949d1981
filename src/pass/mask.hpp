// Which positions of a batch count: all, or those that a mask says are valid.
#pragma once

#include "pass/arena.hpp"
#include "pass/parallel.hpp"
#include "pass/schedule.hpp"

namespace renorm {

enum class mask { none, bytes, lengths };  // uint8_t[n][s], not 0 where valid; int64_t[n], so many of the first positions

// How many positions of each group count. Reads no more of the mask than there is, and without one no sample, of which there may be any
// number if they are empty.
inline void count_positions(order const& o, mask kind, void const* given, std::int64_t* counts) {
  shape const& s = o.shape;
  std::size_t const larger_groups = s.n % s.groups;
  for (std::size_t g = 0; g < s.groups; ++g)
    counts[g] = kind == mask::none ? static_cast<std::int64_t>((s.n / s.groups + (g < larger_groups)) * s.s) : 0;
  if (kind == mask::none || s.per_channel() == 0) return;
  for (std::size_t i = 0; i < s.n; ++i) {
    std::int64_t& count = counts[o.group_of_sample(i)];
    if (kind == mask::lengths) count += static_cast<std::int64_t const*>(given)[i];
    else
      for (std::size_t k = 0; k < s.s; ++k) count += static_cast<unsigned char const*>(given)[i * s.s + k] != 0;
  }
}

// Three positions of a part that count, numbered in the order of its runs: the first, and those a third and two thirds on; of fewer than
// three the first alone.
struct sample_positions {
  std::size_t position[3];

  // As ranks among so many that count.
  static sample_positions among(std::size_t count) {
    if (count < 3) return {{0, 0, 0}};
    return {{0, count / 3, 2 * count / 3}};
  }
};

template <class T> struct selection_scratch {
  T* valid = nullptr;                   // [n][s]
  std::size_t* before = nullptr;        // for each group: a value for each chunk, and one behind the last
  sample_positions* samples = nullptr;  // for each chunk, where moments are reduced

  selection_scratch(order const& o, mask kind, arena& memory, bool sampled = false) {
    if (kind == mask::none) return;
    valid = memory.take<T>(o.shape.per_channel());
    before = memory.take<std::size_t>(o.chunks + o.shape.groups);
    if (sampled) samples = memory.take<sample_positions>(o.chunks);
  }
};

template <class T> class selection {
 public:
  // given is the caller's array, of that kind. Both forms of it become 1 or 0 for each position here.
  selection(order const& o, mask kind, selection_scratch<T> const& scratch, void const* given, executor const& e) : o_(o) {
    if (scratch.valid == nullptr) return;
    all_ = {scratch.valid, {o.shape.s, 0, 1}};
    before_ = scratch.before;
    executor const on = e.for_bytes(o.shape.values() * sizeof(T));
    std::size_t const samples = o.shape.n, parts = equal_portions(samples, on.threads);
    parallel(on, parts, [&](std::size_t i) {
      for (std::size_t sample = border(samples, parts, i); sample < border(samples, parts, i + 1); ++sample)
        read_sample(kind, given, sample, scratch.valid + sample * o.shape.s);
    });
    for (std::size_t g = 0; g < o.shape.groups; ++g) count_chunks(o.at(g), scratch.before + chunk_index(o.at(g), 0));
    samples_ = scratch.samples;
    for (std::size_t g = 0; g < o.shape.groups && scratch.samples != nullptr; ++g) sample_chunks(o.at(g), scratch.samples + o.at(g).chunk);
  }

  bool all() const { return all_.data == nullptr; }

  // Whether all positions of a part of a group count.
  bool all(group const& g, part const& p) const {
    for (std::size_t r = 0; !all() && r < p.runs; ++r)
      for (std::size_t i = 0; i < p.length; ++i)
        if (run(g, p, r)[i] == 0) return false;
    return true;
  }

  // From a place on; none where all() count.
  view<T const> from(place const& at) const { return all_.from({at.sample, 0, at.position}); }

  // Valid positions of a group: before a chunk, and all.
  std::size_t before(group const& g, std::size_t chunk) const {
    return all() ? g.cut.positions_before(chunk) : before_[chunk_index(g, chunk)];
  }
  std::size_t count(group const& g) const { return before(g, g.cut.chunks); }

  void count_groups(std::int64_t* counts) const {
    for (std::size_t g = 0; g < o_.shape.groups; ++g) counts[g] = static_cast<std::int64_t>(count(o_.at(g)));
  }

  // Of a chunk that has a value.
  sample_positions samples(group const& g, std::size_t chunk) const {
    if (!all()) return samples_[g.chunk + chunk];
    part const p = g.cut.part_of(chunk);
    return sample_positions::among(p.runs * p.length);
  }

  // f(place, how many, whether valid) for the longest spans of equal positions among count from a place on.
  template <class F> void for_each_span(place const& at, std::size_t count, F const& f) const {
    if (all()) {
      f(at, count, true);
      return;
    }
    T const* const valid = from(at).data;
    for (std::size_t first = 0, last; first < count; first = last) {
      last = first + 1;
      while (last < count && valid[last] == valid[first]) ++last;
      f(at + place{0, 0, first}, last - first, valid[first] != 0);
    }
  }

 private:
  void read_sample(mask kind, void const* given, std::size_t sample, T* to) const {
    std::size_t const s = o_.shape.s;
    if (kind == mask::bytes) {
      auto const* const bytes = static_cast<unsigned char const*>(given) + sample * s;
      for (std::size_t i = 0; i < s; ++i) to[i] = bytes[i] != 0 ? T(1) : T(0);
    } else {
      auto const length = static_cast<std::size_t>(static_cast<std::int64_t const*>(given)[sample]);
      for (std::size_t i = 0; i < s; ++i) to[i] = i < length ? T(1) : T(0);
    }
  }

  void count_chunks(group const& g, std::size_t* before) const {
    std::size_t count = 0;
    for (std::size_t chunk = 0; chunk < g.cut.chunks; ++chunk) {
      before[chunk] = count;
      part const p = g.cut.part_of(chunk);
      for (std::size_t r = 0; r < p.runs; ++r)
        for (std::size_t i = 0; i < p.length; ++i) count += run(g, p, r)[i] != 0;
    }
    before[g.cut.chunks] = count;
  }

  void sample_chunks(group const& g, sample_positions* samples) const {
    for (std::size_t chunk = 0; chunk < g.cut.chunks; ++chunk)
      samples[chunk] = find(g, g.cut.part_of(chunk), sample_positions::among(before(g, chunk + 1) - before(g, chunk)));
  }

  // Where the positions of three ranks are.
  sample_positions find(group const& g, part const& p, sample_positions const& rank) const {
    sample_positions where = {};
    std::size_t found = 0, k = 0;
    for (std::size_t r = 0; r < p.runs; ++r)
      for (std::size_t i = 0; i < p.length; ++i) {
        if (run(g, p, r)[i] == 0) continue;
        for (; k < 3 && rank.position[k] == found; ++k) where.position[k] = r * p.length + i;
        if (k == 3) return where;
        ++found;
      }
    return where;
  }

  // A run of a part, unless all() count.
  T const* run(group const& g, part const& p, std::size_t r) const { return from(o_.place_of(g, {p.run + r, 1, p.first, p.length})).data; }

  static std::size_t chunk_index(group const& g, std::size_t chunk) { return g.chunk + g.index + chunk; }

  order const& o_;
  view<T const> all_;  // [n][s]
  std::size_t const* before_ = nullptr;
  sample_positions const* samples_ = nullptr;
};

}  // namespace renorm
