#include "bench/peers.h"

#include "bench/options.h"

namespace adze::bench {

extern const Peer peer_eigen, peer_openblas, peer_onednn, peer_fbgemm, peer_fbgemm_qlinear,
    peer_xnnpack;

const std::vector<const Peer*>& all_peers() {
  static const std::vector<const Peer*> peers = {
      &peer_eigen,
#ifdef ADZE_BENCH_OPENBLAS
      &peer_openblas,
#endif
#ifdef ADZE_BENCH_ONEDNN
      &peer_onednn,
#endif
#ifdef ADZE_BENCH_FBGEMM
      &peer_fbgemm,   &peer_fbgemm_qlinear,
#endif
#ifdef ADZE_BENCH_XNNPACK
      &peer_xnnpack,
#endif
  };
  return peers;
}

std::string peer_names() {
  std::string names;
  for (const Peer* peer : all_peers())
    names += (names.empty() ? "" : ", ") + std::string(peer->name);
  return names;
}

const Peer& find_peer(const std::string& name, const std::string& op) {
  for (const Peer* peer : all_peers()) {
    if (name != peer->name) continue;
    if (op == "elementwise") {
      if (peer->elementwise != nullptr) return *peer;
      throw UsageError("--peer " + name + " has no functions of arrays here");
    }
    if (op == "f32" ? peer->f32 != nullptr : op == "u8s8" && peer->u8s8 != nullptr) return *peer;
    throw UsageError("--peer " + name + " can only be compared with --op " +
                     (peer->f32 == nullptr    ? "u8s8"
                      : peer->u8s8 == nullptr ? "f32"
                                              : "u8s8 or f32"));
  }
  for (const char* known : {"eigen", "openblas", "onednn", "fbgemm", "fbgemm-qlinear", "xnnpack"}) {
    if (name == known) {
      throw UsageError("--peer " + name + " was not compiled in (CMake: -DADZE_BENCH_PEERS=ON" +
                       (name.rfind("fbgemm", 0) == 0 ? " -DADZE_BENCH_FBGEMM=PREFIX" : "") +
                       "); there is " + peer_names());
    }
  }
  throw UsageError("--peer " + name + " is not known; there is " + peer_names());
}

}  // namespace adze::bench
