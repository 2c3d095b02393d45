#pragma once

#include <random>
#include <string>
#include <vector>

#include "adze/core/creation.h"
#include "adze/core/serialization.h"
#include "adze/nn/model_file.h"
#include "adze/nn/state_dict.h"
#include "adze/nn/traversal.h"

#include "support/catch.h"

// Networks in files, as tests of several rooms compare and damage them.
namespace adze::test {

inline nn::ModulePtr copy_in_memory(nn::Module& net, const nn::ModuleTypes& types) {
  return nn::parse_model(nn::serialize_model(net, types), types);
}

/// Checks printed form, settings, modes, children, and every tensor and text of the states.
inline void check_same_network(nn::Module& a, nn::Module& b) {
  CHECK(to_string(a) == to_string(b));
  const auto modules_a = nn::named_modules(a), modules_b = nn::named_modules(b);
  REQUIRE(modules_a.size() == modules_b.size());
  for (std::size_t i = 0; i < modules_a.size(); ++i) {
    const auto& [path, m] = modules_a[i];
    CAPTURE(path);
    CHECK(path == modules_b[i].first);
    CHECK(m->qualified_type() == modules_b[i].second->qualified_type());
    CHECK(m->training() == modules_b[i].second->training());
    CHECK(m->added_modules() == modules_b[i].second->added_modules());
    CHECK(m->has_internal_hook() == modules_b[i].second->has_internal_hook());
    CHECK(nn::values_to_text(m->config(), "a") ==
          nn::values_to_text(modules_b[i].second->config(), "b"));
  }
  const nn::StateDict state_a = nn::state_dict(a), state_b = nn::state_dict(b);
  CHECK(state_a.metadata == state_b.metadata);
  REQUIRE(state_a.tensors.size() == state_b.tensors.size());
  for (std::size_t i = 0; i < state_a.tensors.size(); ++i) {
    const auto& [name, t] = state_a.tensors[i];
    const Tensor& other = state_b.tensors[i].second;
    CAPTURE(name);
    CHECK(name == state_b.tensors[i].first);
    REQUIRE(t.dtype() == other.dtype());
    CHECK(t.sizes() == other.sizes());
    CHECK(t.equal(other));
    if (t.is_quantized()) CHECK(*t.quantizer() == *other.quantizer());
  }
}

/// Loads `count` files, each the given one after some deterministic damage, and prints and saves
/// what could be loaded. Returns how many could be; anything but an Error passes through.
inline int load_damaged(const std::vector<std::byte>& good, const nn::ModuleTypes& types,
                        int count) {
  std::mt19937 random(20240607);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  // What is put into texts: pieces that a description is made of.
  const std::vector<std::string> pieces{
      "0",     "1",    "-1",         "1e99",     "99999999999999999999",
      "null",  "true", "[]",         "{}",       "\"\"",
      "\"0\"", "[",    "]",          "{",        "}",
      ",",     ":",    "\"weight\"", "\"type\"", "\"config\""};
  int loaded = 0;
  for (int i = 0; i < count; ++i) {
    std::vector<std::byte> bytes = good;
    if (i % 4 == 0) {
      for (std::size_t k = 0; k <= below(4); ++k)
        bytes[below(bytes.size())] = static_cast<std::byte>(below(256));
    } else {
      SafeTensors file = parse_safetensors(good);
      std::string& text =
          std::next(file.metadata.begin(), static_cast<long>(below(file.metadata.size())))->second;
      const std::size_t at = below(text.size() + 1);
      if (i % 4 == 1) {
        const std::string& piece = pieces[below(pieces.size())];
        text.replace(at, std::min(below(8), text.size() - at), piece);
      } else if (i % 4 == 2 && !file.tensors.empty()) {
        const auto it =
            std::next(file.tensors.begin(), static_cast<long>(below(file.tensors.size())));
        if (below(2) == 0)
          file.tensors.erase(it);
        else
          it->second = below(2) == 0 ? Tensor(zeros({3})) : Tensor(full({2, 2}, 1, int64));
      } else {
        // One number, word or name of the text instead of another.
        const auto token = [&](std::size_t from) {
          const std::size_t begin = std::min(text.find_first_not_of("[]{},:\"", from), text.size());
          return std::pair(begin, std::min(text.find_first_of("[]{},:\"", begin), text.size()));
        };
        const auto [to_begin, to_end] = token(at);
        const auto [from_begin, from_end] = token(below(text.size() + 1));
        const std::string other = text.substr(from_begin, from_end - from_begin);
        text.replace(to_begin, to_end - to_begin, other);
      }
      try {
        bytes = serialize_safetensors(file);
      } catch (const Error&) {
        continue;
      }
    }
    try {
      const nn::ModulePtr net = nn::parse_model(bytes, types);
      ++loaded;
      to_string(*net);
      nn::serialize_model(*net, types);
    } catch (const Error&) {
      continue;
    }
  }
  return loaded;
}

}  // namespace adze::test
