#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace adze::test {

/// Contents of golden/optim.json.
inline const nlohmann::json& optim_golden() {
  static const nlohmann::json content = [] {
    std::ifstream file(ADZE_TEST_DATA_DIR "/optim.json");
    return nlohmann::json::parse(file);
  }();
  return content;
}

}  // namespace adze::test
