#pragma once

// Catch2, version 2 or 3, with the few names that differ between them:
// `Approx` and `ContainsSubstring` are found without a namespace under both.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

using Catch::Approx;
#else
#include <string>

#include <catch2/catch.hpp>

namespace Catch::Matchers {

// NOLINTNEXTLINE(readability-identifier-naming): the name that Catch2 3 has
inline StdString::ContainsMatcher ContainsSubstring(
    const std::string& text, CaseSensitive::Choice choice = CaseSensitive::Yes) {
  return Contains(text, choice);
}

}  // namespace Catch::Matchers
#endif

using Catch::Matchers::ContainsSubstring;
