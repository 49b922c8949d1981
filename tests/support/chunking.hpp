// Which values of a channel are added up together: the promise of the library about the order of additions, in its own words.
#pragma once

#include "support/problem.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <vector>

namespace renorm_test {

// Samples of a group are runs of positions; in NHWC consecutive ones are one run. A position takes one lane of a sample's channel in
// NCHW, one of the sub-lanes of its channel in NHWC.
class chunking {
 public:
  explicit chunking(problem const& p, std::size_t group) : p_(p), group_(group) {
    std::size_t const lanes = p.desc.dtype == RENORM_F64 ? 16 : 32, most = 128;
    std::size_t const fitting = lanes / std::gcd(p.c(), lanes), sublanes = p.c() * fitting <= 2048 ? fitting : 1;
    // Without positions the layouts are one, with rows of channels; with one channel, with planes of all samples.
    bool const nchw = p.c() == 1 || (p.desc.layout == RENORM_NCHW && p.s() != 1);
    bool const interleaved = p.desc.group_order == RENORM_GROUPS_INTERLEAVED && p.groups() > 1 && group != all_groups;
    std::size_t samples = 0;
    for (std::size_t i = 0; i < p.n(); ++i) {
      rank_.push_back(samples);
      samples += group == all_groups || p.group_of(i) == group;
    }
    one_run_ = (!nchw || p.c() == 1) && !interleaved;
    std::size_t const step = nchw ? lanes : sublanes, runs = one_run_ ? 1 : samples, length = one_run_ ? samples * p.s() : p.s();
    piece_ = std::max<std::size_t>(1, std::min(length, step * most));
    runs_ = std::max<std::size_t>(1, most / divide_up(piece_, step));
    additions_ = std::min(most, std::min(runs, runs_) * divide_up(piece_, step));
  }

  // Of one lane, one after the other: an upper bound of what the library does, which adds in levels.
  std::size_t additions() const { return additions_; }

  // f(places of the values of a channel in a chunk), for all chunks that have one.
  template <class F> void for_each(std::size_t c, F const& f) const {
    std::map<std::size_t, std::vector<std::size_t>> chunks;
    for_each_position(p_, group_, [&](std::size_t i, std::size_t k) {
      std::size_t const run = rank_[i];
      std::size_t const chunk = one_run_ ? (run * p_.s() + k) / piece_ : run / runs_ * divide_up(p_.s(), piece_) + k / piece_;
      chunks[chunk].push_back(p_.at(i, c, k));
    });
    for (auto const& chunk : chunks) f(chunk.second);
  }

 private:
  static std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

  problem const& p_;
  std::size_t group_;
  bool one_run_;
  std::size_t piece_, runs_, additions_;
  std::vector<std::size_t> rank_;  // of a sample in its group
};

// The three values, of a chunk's places, that its pivot is the median of.
inline std::array<std::size_t, 3> samples_of(std::vector<std::size_t> const& chunk) {
  std::size_t const count = chunk.size();
  if (count < 3) return {chunk[0], chunk[0], chunk[0]};
  return {chunk[0], chunk[count / 3], chunk[2 * count / 3]};
}

}  // namespace renorm_test
