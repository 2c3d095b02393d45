#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>

#include "adze/core/creation.h"
#include "adze/core/ops.h"
#include "adze/core/tensor.h"

#include "support/catch.h"

using namespace adze;

namespace {

double number(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

// A tensor of print.json; integers do not go through double, which would round them.
Tensor tensor_of_case(const nlohmann::json& c) {
  const auto dims = c["sizes"].get<std::vector<std::int64_t>>();
  const Shape sizes{std::span<const std::int64_t>(dims)};
  const DType dtype = dtype_from_name(c["dtype"].get<std::string>());
  if (c["values"].is_string()) return arange(numel(sizes)).reshape(sizes).to(dtype);
  if (is_integral(dtype))
    return from_vector(c["values"].get<std::vector<std::int64_t>>(), sizes).to(dtype);
  std::vector<double> values;
  for (const auto& v : c["values"]) values.push_back(number(v));
  return from_vector(values, sizes).to(dtype);
}

}  // namespace

TEST_CASE("tensors print as PyTorch prints them", "[core][print][golden]") {
  std::ifstream file(ADZE_TEST_DATA_DIR "/print.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  REQUIRE(cases.size() > 150);
  for (const auto& c : cases) CHECK(tensor_of_case(c).str() == c["text"].get<std::string>());
}

TEST_CASE("quantized tensors print their values and qparams", "[core][print][quantize]") {
  const Tensor x = tensor({{1, 2}, {3, 4}});
  CHECK(quantize_per_tensor(x, 0.1, 10, quint8).str() ==
        "tensor([[1., 2.],\n"
        "        [3., 4.]], size=(2, 2), dtype=quint8,\n"
        "       quantization_scheme=per_tensor_affine, scale=0.1, zero_point=10)");
  CHECK(quantize_per_channel(x, tensor({0.1, 0.05}).to(float64), tensor_of<std::int64_t>({10, 0}),
                             0, qint8)
            .str() ==
        "tensor([[1., 2.],\n"
        "        [3., 4.]], size=(2, 2), dtype=qint8,\n"
        "       quantization_scheme=per_channel_affine,\n"
        "       scale=tensor([0.1000, 0.0500], dtype=float64),\n"
        "       zero_point=tensor([10,  0]), axis=0)");
  CHECK_THAT(quantize_per_tensor(x, 1e-5, 0, qint32).str(), ContainsSubstring("scale=1e-05,"));
  CHECK_THAT(quantize_per_tensor(x, 2, 0, qint32).str(), ContainsSubstring("scale=2.0,"));
}

TEST_CASE("autograd shows in print", "[core][print][autograd]") {
  const Tensor x = ones({2});
  x.requires_grad_();
  CHECK(x.str() == "tensor([1., 1.], requires_grad=True)");
  CHECK((x * 2).str() == "tensor([2., 2.], grad_fn=<MulBackward0>)");
  const Tensor picked = masked_select(x, ones({2}, boolean));
  CHECK(picked.str() == "tensor([1., 1.], grad_fn=<MaskedSelectBackward0>)");
}

TEST_CASE("views and undefined tensors print", "[core][print]") {
  CHECK(Tensor().str() == "tensor(<undefined>)");
  CHECK(tensor({{1, 2}, {3, 4}}).t().str() == "tensor([[1., 3.],\n        [2., 4.]])");
  CHECK(tensor({1}).expand({3}).str() == "tensor([1., 1., 1.])");
  std::ostringstream os;
  os << tensor({1, 2.5});
  CHECK(os.str() == "tensor([1.0000, 2.5000])");
}
