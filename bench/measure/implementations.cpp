#include "measure/implementations.hpp"

#include "measure/floors.hpp"
#include "measure/renorm_call.hpp"

#include <utility>

namespace bench {
namespace {

std::function<std::vector<implementation>(spec const&)> invited;

std::vector<call> plain_calls(spec const& s) { return {renorm_call(s.plain())}; }

std::vector<call> plain_read_calls(spec const& s) {
  return {[plain = renorm_call(s.plain()), read = read_z_call(s)] {
    plain();
    read();
  }};
}

// What an epilogue may cost is told by the operation without it; z, where it is added, has to be read as well.
std::vector<implementation> without_epilogue(spec const& s) {
  if (s.op.epilogue == RENORM_EPILOGUE_NONE) return {};
  if (s.op.epilogue == RENORM_EPILOGUE_RELU) return {{"plain", false, plain_calls}};
  return {{"plain_read", false, plain_read_calls}};
}

}  // namespace

std::vector<implementation> implementations(spec const& s) {
  std::vector<implementation> all = {{"renorm", false, [](spec const& what) { return std::vector<call>{renorm_call(what)}; }}};
  for (implementation const& plain : without_epilogue(s)) all.push_back(plain);
  if (invited)
    for (implementation const& guest : invited(s)) all.push_back(guest);
  if (!floor_name(s).empty()) all.push_back({floor_name(s), true, floor_calls});
  return all;
}

void invite(std::function<std::vector<implementation>(spec const&)> guests) { invited = std::move(guests); }

}  // namespace bench
