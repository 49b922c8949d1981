#include "isa/cache.hpp"

#include <atomic>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__)
#  include <fcntl.h>
#  include <sched.h>
#endif

namespace renorm::cpu {
namespace {

constexpr std::size_t kilobyte = 1024, megabyte = 1024 * kilobyte;

// Smaller or larger ones do not exist; a user's are taken up to the most.
constexpr std::size_t least_l2 = 64 * kilobyte, least_l3 = megabyte, most_l2 = 64 * megabyte, most_l3 = 1024 * megabyte;
constexpr std::size_t most_of_user = std::size_t(1) << 40;

constexpr cache_size unknown_l2 = {megabyte, cache_source::unknown}, unknown_l3 = {32 * megabyte, cache_source::unknown};

// A level of CPUID leaves 4 and 0x8000001D, which are alike: Intel SDM volume 2A, CPUID; AMD64 manual volume 3, section E.4.15.
struct level {
  unsigned number, type, sharing;
  bool inclusive;
  std::size_t bytes;
};

level level_of(registers const& r) {
  std::size_t const ways = (r.ebx >> 22) + 1, partitions = (r.ebx >> 12 & 0x3ff) + 1, line = (r.ebx & 0xfff) + 1;
  return {r.eax >> 5 & 7, r.eax & 31, (r.eax >> 14 & 0xfff) + 1, (r.edx & 2) != 0, ways * partitions * line * (std::size_t(r.ecx) + 1)};
}

// All bits 0 if there is none.
level find_level(cache_readings const& r, unsigned number) {
  for (registers const& leaf : r.levels) {
    level const found = level_of(leaf);
    if (found.type == 0) break;
    if (found.number == number) return found;
  }
  return {};
}

struct model {
  unsigned family, number;
};

model model_of(unsigned signature) {
  unsigned const base = signature >> 8 & 15, extended = base == 15 ? signature >> 20 & 0xff : 0;
  return {base + extended, (signature >> 4 & 15) | (signature >> 12 & 0xf0)};
}

// The largest L3 that a core complex of AMD's has, those with a stacked cache aside.
std::size_t complex_l3(model const& m) {
  if (m.family == 0x18 || (m.family == 0x17 && m.number < 0x30)) return 8 * megabyte;
  return m.family == 0x17 ? 16 * megabyte : 32 * megabyte;
}

// Of so many kilobytes, unless the code of its associativity is that of no cache, or says that leaf 0x8000001D knows.
cache_size size_of_80000006(std::size_t kilobytes, unsigned associativity) {
  if (associativity == 0 || associativity == 9) return {0, cache_source::unknown};
  return {kilobytes * kilobyte, cache_source::leaf_80000006};
}

bool lies_between(cache_size const& size, std::size_t least, std::size_t most) { return size.bytes >= least && size.bytes <= most; }

// The first that can be.
template <std::size_t count>
cache_size first_of(cache_size const (&said)[count], std::size_t least, std::size_t most, cache_size otherwise) {
  for (cache_size const& size : said)
    if (lies_between(size, least, most)) return size;
  return otherwise;
}

// A guest may be told of the L3 of the whole package: none is believed to be larger than a complex's, unless leaf 0x8000001D says so
// of cores as many as a complex can have.
void limit_to_complex(level const& said, model const& m, caches& c) {
  constexpr std::size_t stacked = 96 * megabyte;
  constexpr unsigned usual_threads = 16, most_threads = 32;
  bool const of_complex = c.l3.source == cache_source::leaf_8000001d && said.sharing > 1 && said.sharing <= most_threads;
  std::size_t const most = of_complex ? stacked : complex_l3(m);
  c.l3_threads = of_complex ? said.sharing : usual_threads;
  if (c.l3.bytes > most) c.l3 = {most, cache_source::family};
}

caches believe(cache_readings const& r) {
  bool const amd = r.made_by == cache_readings::maker::amd;
  level const two = find_level(r, 2), three = find_level(r, 3);
  cache_source const leaf = amd ? cache_source::leaf_8000001d : cache_source::leaf_4;
  cache_size const l2[] = {{two.bytes, leaf}, size_of_80000006(r.l2_l3.ecx >> 16, r.l2_l3.ecx >> 12 & 15), r.system[0]};
  cache_size const l3[] = {
      {three.bytes, leaf}, size_of_80000006(std::size_t(r.l2_l3.edx >> 18) * 512, r.l2_l3.edx >> 12 & 15), r.system[1]};
  caches c = {first_of(l2, least_l2, most_l2, unknown_l2), first_of(l3, least_l3, most_l3, unknown_l3), 0, false, false};
  if (amd) limit_to_complex(three, model_of(r.signature), c);
  c.victim_l3 = r.made_by == cache_readings::maker::intel && !three.inclusive;
  return c;
}

// Decimal digits, at least one and not 0, and what follows them; nullptr if there is no such number.
char const* read_size(char const* text, std::size_t& bytes) {
  bytes = 0;
  for (; *text >= '0' && *text <= '9' && bytes <= most_of_user; ++text) bytes = bytes * 10 + static_cast<std::size_t>(*text - '0');
  return bytes > 0 && bytes <= most_of_user ? text : nullptr;
}

bool read_user(char const* text, caches& c) {
  std::size_t l2, l3;
  text = read_size(text, l2);
  if (text == nullptr || *text != ',') return false;
  text = read_size(text + 1, l3);
  if (text == nullptr || *text != '\0') return false;
  c.l2 = {l2, cache_source::user};
  c.l3 = {l3, cache_source::user};
  return true;
}

}  // namespace

char const* name_of(cache_source source) {
  switch (source) {
    case cache_source::leaf_4:
      return "cpuid 4";
    case cache_source::leaf_8000001d:
      return "cpuid 8000001d";
    case cache_source::leaf_80000006:
      return "cpuid 80000006";
    case cache_source::family:
      return "family";
    case cache_source::sysfs:
      return "sysfs";
    case cache_source::sysconf:
      return "sysconf";
    case cache_source::user:
      return "RENORM_CACHES";
    case cache_source::unknown:
      break;
  }
  return "unknown";
}

caches decide_caches(cache_readings const& r) {
  caches c = believe(r);
  if (r.user != nullptr && *r.user != '\0') c.user_ignored = !read_user(r.user, c);
  return c;
}

namespace {

#if defined(__x86_64__)

cache_readings::maker maker_of(registers const& vendor) {
  auto const is = [&](unsigned ebx, unsigned edx, unsigned ecx) { return vendor.ebx == ebx && vendor.edx == edx && vendor.ecx == ecx; };
  if (is(0x756e6547, 0x49656e69, 0x6c65746e)) return cache_readings::maker::intel;                          // GenuineIntel
  bool const amd = is(0x68747541, 0x69746e65, 0x444d4163), hygon = is(0x6f677948, 0x6e65476e, 0x656e6975);  // AuthenticAMD, HygonGenuine
  return amd || hygon ? cache_readings::maker::amd : cache_readings::maker::other;
}

// Hybrid processors answer for the core that asks.
cache_readings read_machine() {
  cache_readings r{};
  registers const vendor = cpuid(0);
  r.made_by = maker_of(vendor);
  r.signature = cpuid(1).eax;
  bool const amd = r.made_by == cache_readings::maker::amd;
  unsigned const last = amd ? cpuid(0x80000000).eax : vendor.eax, leaf = amd ? 0x8000001d : 4;
  for (unsigned i = 0; last >= leaf && i < sizeof(r.levels) / sizeof(r.levels[0]); ++i) {
    r.levels[i] = cpuid(leaf, i);
    if (level_of(r.levels[i]).type == 0) break;
  }
  if (amd && last >= 0x80000006) r.l2_l3 = cpuid(0x80000006);
  return r;
}

#else

#  if defined(__linux__)

// The first characters of a file of the cache directory of the processor that asks.
struct sysfs_text {
  char text[32] = "";

  sysfs_text(int index, char const* file) {
    int const cpu = sched_getcpu();
    char path[96];
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu < 0 ? 0 : cpu, index, file);
    int const f = open(path, O_RDONLY | O_CLOEXEC);
    if (f < 0) return;
    ssize_t const length = read(f, text, sizeof(text) - 1);
    text[length < 0 ? 0 : length] = '\0';
    close(f);
  }
};

// "1024K"
std::size_t sysfs_size(int wanted) {
  constexpr int most_indices = 8;
  for (int i = 0; i < most_indices; ++i) {
    if (atoi(sysfs_text(i, "level").text) != wanted) continue;
    sysfs_text const said(i, "size");
    char* unit;
    std::size_t const size = strtoul(said.text, &unit, 10);
    return *unit == 'K' ? size * kilobyte : *unit == 'M' ? size * megabyte : size;
  }
  return 0;
}

cache_size system_size(int wanted) {
  if (std::size_t const found = sysfs_size(wanted)) return {found, cache_source::sysfs};
  long const bytes = sysconf(wanted == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
  return {bytes > 0 ? static_cast<std::size_t>(bytes) : 0, cache_source::sysconf};
}

#  else

cache_size system_size(int) { return {0, cache_source::unknown}; }

#  endif

cache_readings read_machine() {
  cache_readings r{};
  r.made_by = cache_readings::maker::other;
  r.system[0] = system_size(2);
  r.system[1] = system_size(3);
  return r;
}

#endif

// Whoever comes while another thread writes what it has read uses what it reads itself: nobody waits.
enum state { unread, writing, known };
std::atomic<int> now{unread};
caches kept;

}  // namespace

caches detect_caches() {
  if (now.load(std::memory_order_acquire) == known) return kept;
  cache_readings r = read_machine();
  r.user = getenv("RENORM_CACHES");
  caches const found = decide_caches(r);
  int expected = unread;
  if (now.compare_exchange_strong(expected, writing, std::memory_order_relaxed)) {
    kept = found;
    now.store(known, std::memory_order_release);
  }
  return found;
}

void set_caches(caches const* sizes) {
  if (sizes != nullptr) kept = *sizes;
  now.store(sizes != nullptr ? known : unread, std::memory_order_release);
}

}  // namespace renorm::cpu
