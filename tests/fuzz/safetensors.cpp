// Any bytes are read or refused with an Error; what was read can be written and read again.

#include <cstddef>
#include <cstdint>
#include <span>

#include "adze/core/serialization.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace adze;
  SafeTensors content;
  try {
    content = parse_safetensors(std::as_bytes(std::span(data, size)));
  } catch (const Error&) {
    return 0;
  }
  parse_safetensors(serialize_safetensors(content));
  return 0;
}
