// An op, a layer with its int8 form, an observer and a sparsifier that are not in the library.
#include <iostream>

#include <adze/adze.h>

using namespace adze;
namespace tq = adze::ao::quantization;
namespace pruning = adze::ao::pruning;

// ---- op: forward, derivative and properties in one constant -------------------------------------
const Op<Tensor(const Tensor&)> cube{
    {.name = "cube",
     .forward = [](const Tensor& x) { return x * x * x; },
     .derivative = [](const autograd::BackwardContext& c) -> autograd::Gradients {
       return {c.grad() * 3.0 * square(c.tensor(0))};
     },
     .traits = {.elementwise = true}}};

// ---- layer, and what convert makes of it --------------------------------------------------------
class Cube : public nn::ModuleOf<Cube> {
 public:
  Tensor forward(const Tensor& x) { return cube(x); }
};

class QuantizedCube : public nn::ModuleOf<QuantizedCube> {
 public:
  explicit QuantizedCube(const tq::TensorQParams& q)
      : scale("scale", q.scale), zero_point("zero_point", q.zero_point) {}
  static nn::ModulePtr from_float(nn::Module& observed) {
    return nn::make<QuantizedCube>(tq::activation_post_process(observed)->calculate_qparams());
  }
  nn::Buffer scale, zero_point;
  Tensor forward(const Tensor& x) {
    return quantize_per_tensor(cube(x.dequantize()), scale.value().item(),
                               zero_point.value().item<std::int64_t>(), quint8);
  }

 protected:
  void fields(nn::FieldList& f) override { f(scale, zero_point); }
};

// ---- observer: three standard deviations around the mean of the last tensor ---------------------
class SigmaObserver : public nn::ModuleOf<SigmaObserver, tq::UniformQuantizationObserverBase> {
 public:
  explicit SigmaObserver(const tq::ObserverOptions& options = {})
      : ModuleOf("SigmaObserver", options, Traits{}),
        low("low", zeros({}), {.resizable = true}),
        high("high", zeros({}), {.resizable = true}) {}
  nn::Buffer low, high;  // float32 scalars

  Tensor forward(const Tensor& x) override {
    NoGrad guard;
    const Tensor values = observed(x), mean = values.mean(), spread = sqrt(var(values)) * 3.0;
    low.slot()->write(mean - spread);
    high.slot()->write(mean + spread);
    return x;
  }
  tq::TensorQParams calculate_qparams() const override { return qparams(low, high); }
  bool has_data() const override { return low.value().item() < high.value().item(); }

 protected:
  void fields(nn::FieldList& f) override { f(eps, low, high); }
};

// ---- sparsifier: the first columns of a matrix --------------------------------------------------
class ColumnSparsifier : public pruning::BaseSparsifier {
 public:
  ColumnSparsifier() : BaseSparsifier("ColumnSparsifier", {{"columns", 1}}) {}
  std::string type() const override { return "ColumnSparsifier"; }

 protected:
  Tensor update_mask(const pruning::SparseGroup& group, const Tensor& value) override {
    const Tensor mask = ones(value.sizes());
    mask.slice(1, 0, group.at("columns").to_int()).fill_(0);
    return mask;
  }
};

int main() {
  nn::ModulePtr net =
      nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(8, 4), Cube(), tq::DeQuantStub());
  ColumnSparsifier sparsifier;
  sparsifier.prepare(*net, {{.tensor_fqn = "1.weight", .extras = {{"columns", 6}}}});
  sparsifier.step();

  tq::BackendConfig backend = tq::get_native_backend_config();
  backend.set_backend_pattern_config({.pattern = {tq::ModuleType::of<Cube>()},
                                      .dtype_configs = {{quint8, quint8}},
                                      .quantized_module = QuantizedCube::from_float});
  net->qconfig = tq::QConfig{tq::ObserverFactory::of<SigmaObserver>(tq::ObserverOptions{}),
                             tq::default_per_channel_weight_observer};
  net = tq::prepare(net, {.backend_config = &backend});
  (*net)(randn({64, 8}));
  net = tq::convert(net, {.backend_config = &backend});

  const double zeros = pruning::sparsity(nn::find_parameter(*net, "1.weight")->value());
  std::cout << *net << "\nzeros: " << zeros << '\n';
  return zeros >= 0.75 ? 0 : 1;
}
