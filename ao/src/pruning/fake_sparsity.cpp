#include "adze/ao/pruning/fake_sparsity.h"

#include "adze/core/autograd.h"
#include "adze/core/ops.h"

namespace adze::ao::pruning {

FakeSparsity::FakeSparsity(const Tensor& mask, std::string owner, std::string key)
    : mask_(as_mask(mask)), owner_(std::move(owner)), key_(std::move(key)) {}

Tensor FakeSparsity::as_mask(const Tensor& mask) {
  check(mask.defined() && !mask.is_quantized(), "FakeSparsity: a mask holds zeros and ones, got ",
        mask.defined() ? "a quantized tensor" : "no tensor");
  NoGrad guard;
  const Tensor f = mask.detach().to(float32);
  for (const float v : f.contiguous().span<float>())
    check(v == 0 || v == 1, "FakeSparsity: a mask holds zeros and ones, got ", v);
  return f;
}

Tensor FakeSparsity::forward(const Tensor& x) const {
  check(x.sizes() == mask_.sizes(), "FakeSparsity: mask is ", mask_.sizes(), ", the tensor ",
        x.sizes());
  return where(ne(mask_, 0), x, 0);
}

adze::nn::ParametrizationPtr FakeSparsity::clone() const {
  NoGrad guard;
  return std::make_shared<FakeSparsity>(mask_.clone(), owner_, key_);
}

}  // namespace adze::ao::pruning
