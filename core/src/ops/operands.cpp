#include "ops/operands.h"

namespace adze::detail {
namespace {

int kind(DType d) {
  return is_floating_point(d) ? 2 : d == boolean ? 0 : 1;
}

DType scalar_dtype(Scalar s) {
  switch (s.kind()) {
    case Scalar::Kind::logical:
      return boolean;
    case Scalar::Kind::integer:
      return int64;
    default:
      return float32;
  }
}

DType dtype_of_operand(const Operand& o) {
  return o.is_tensor() ? o.tensor().dtype() : scalar_dtype(o.scalar());
}

int rank(const Operand& o) {
  return !o.is_tensor() ? 0 : o.tensor().dim() == 0 ? 1 : 2;
}

}  // namespace

DType result_type(const Operand& a, const Operand& b) {
  const DType da = dtype_of_operand(a), db = dtype_of_operand(b);
  if (da == db) return da;
  const int ra = rank(a), rb = rank(b);
  if (ra == rb) return promote_types(da, db);
  const DType higher = ra > rb ? da : db, lower = ra > rb ? db : da;
  return kind(lower) > kind(higher) ? promote_types(higher, lower) : higher;
}

void check_plain(std::string_view op, const Tensor& t) {
  check(!t.is_quantized(), op, ": not defined for quantized tensors, got ", t.dtype(), " of shape ",
        t.sizes(), "; dequantize() it, or use the quantized module of that name");
}

void check_plain(std::string_view op, const Operand& a, const Operand& b) {
  for (const Operand* o : {&a, &b}) {
    check(!o->is_tensor() || !o->tensor().is_quantized(), op,
          ": no arithmetic on quantized tensors, got ", dtype_of_operand(a), " and ",
          dtype_of_operand(b),
          "; dequantize() them, or use nn::FloatFunctional, which conversion replaces by its "
          "quantized form (ao::nn::quantized)");
  }
}

Tensor converted(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  const Tensor out = make_tensor(t.sizes(), dtype);
  copy_elements(out, t);
  return out;
}

Tensor packed(const Tensor& t) {
  if (t.is_contiguous()) return t;
  const Tensor out = make_tensor(t.sizes(), t.dtype(), t.quantizer());
  copy_elements(out, t);
  return out;
}

}  // namespace adze::detail
