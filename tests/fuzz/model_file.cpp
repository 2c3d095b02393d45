// Any bytes are a network or are refused with an Error; what was read can be printed, written and
// read again.

#include <cstddef>
#include <cstdint>
#include <span>

#include "adze/ao/module_types.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace adze;
  const nn::ModuleTypes& types = ao::module_types();
  nn::ModulePtr net;
  try {
    net = nn::parse_model(std::as_bytes(std::span(data, size)), types);
  } catch (const Error&) {
    return 0;
  }
  try {
    to_string(*net);
  } catch (const Error&) {
    return 0;  // a range of an odd shape or dtype, which only its observer can tell
  }
  nn::parse_model(nn::serialize_model(*net, types), types);
  return 0;
}
