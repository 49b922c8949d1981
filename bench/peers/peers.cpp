#include "peers/peers.hpp"

#include "measure/implementations.hpp"
#include "peers/onednn.hpp"
#include "peers/torch.hpp"

namespace bench {
namespace {

bool has_counterpart(spec const& s) {
  bool const whole = s.op.first == RENORM_OP_TRAIN || s.op.first == RENORM_OP_INFERENCE || s.op.first == RENORM_OP_BACKWARD;
  return whole && s.desc.epilogue == RENORM_EPILOGUE_NONE && !s.has_options();
}

std::vector<implementation> peers(spec const& s) {
  if (!has_counterpart(s)) return {};
  std::vector<implementation> all;
#ifdef RENORM_PEER_ONEDNN
  if (onednn_has(s)) all.push_back({"onednn", false, onednn_calls});
#endif
#ifdef RENORM_PEER_TORCH
  if (torch_has(s)) all.push_back({"torch", false, torch_calls});
  if (torch_composes(s)) {
    all.push_back({"torch_py", false, torch_py_calls});
    all.push_back({"torch_smart", false, torch_smart_calls});
  }
#endif
  return all;
}

}  // namespace

void invite_peers() { invite(peers); }

std::string peer_versions() {
  std::string all;
#ifdef RENORM_PEER_ONEDNN
  all += ", " + onednn_version();
#endif
#ifdef RENORM_PEER_TORCH
  all += ", " + torch_version();
#endif
  return all.empty() ? "none" : all.substr(2);
}

}  // namespace bench
