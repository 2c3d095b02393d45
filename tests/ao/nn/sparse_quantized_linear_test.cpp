#include <filesystem>

#include "adze/ao/module_types.h"
#include "adze/ao/nn/intrinsic/quantized/dynamic/linear_relu.h"
#include "adze/ao/nn/sparse/quantized/dynamic/linear.h"
#include "adze/ao/nn/sparse/quantized/linear.h"
#include "adze/ao/quantization/quantize_fx.h"
#include "adze/ao/quantization/report.h"
#include "adze/core/ops.h"
#include "adze/kernels/linear_weights.h"

#include "ao/composability_support.h"
#include "support/catch.h"
#include "support/folder.h"

using namespace adze;
using namespace adze::test;
namespace nnsq = adze::ao::nn::sparse::quantized;

namespace {

// qint8, with blocks of that shape of which most are zero.
Tensor block_weight(std::int64_t n, std::int64_t k, kernels::BlockShape block,
                    bool per_channel = true) {
  Tensor w = randn({n, k});
  auto* v = w.mutable_data<float>();
  const std::int64_t across = (k + block.cols - 1) / block.cols;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < k; ++j)
      if ((i / block.rows * across + j / block.cols) * 7 % 5 != 0) v[i * k + j] = 0;
  return per_channel ? quantize_per_channel(w, full({n}, 0.03), zeros({n}, int64), 0, qint8)
                     : quantize_per_tensor(w, 0.03, 0, qint8);
}

Tensor activations(std::int64_t rows, std::int64_t k) {
  return quantize_per_tensor(rand({rows, k}), 1.0 / 255, 3, quint8);
}

std::string block_text(const nnsq::Linear& m) {
  return kernels::to_string(m.layout());
}

// Linear (pruned in blocks), ReLU, Linear (dense) between stubs.
std::shared_ptr<nn::Sequential> network() {
  return nn::make<nn::Sequential>(tq::QuantStub(), nn::Linear(64, 64), nn::ReLU(),
                                  nn::Linear(64, 16), tq::DeQuantStub());
}

}  // namespace

TEST_CASE("A sparse quantized layer gives the bits of the dense one", "[ao][sparse][linear]") {
  manual_seed(1);
  for (const auto& block : kernels::sparse_block_shapes())
    for (const std::int64_t rows : {1, 5, 40})
      for (const bool per_channel : {false, true})
        for (const DType dtype : {quint8, qint8}) {
          CAPTURE(block.rows, block.cols, rows, per_channel);
          const Tensor w = block_weight(35, 50, block, per_channel), b = randn({35});
          const Tensor x = activations(rows, 50), f = randn({rows, 50});
          nnq::Linear dense(w, b, 0.05, 60, dtype);
          dense.set_layout(kernels::WeightLayout::dense());
          nnsq::Linear sparse(w.clone(), b, 0.05, 60, block.rows, block.cols, dtype);
          CHECK(sparse(x).equal(dense(x)));
          CHECK(nnsq::LinearReLU(w.clone(), b, 0.05, 60, block.rows, block.cols, dtype)(x).equal(
              nniq::LinearReLU(w.clone(), b, 0.05, 60, dtype)(x)));
          CHECK(nnsq::dynamic::Linear(w.clone(), b, block.rows, block.cols)(f).equal(
              nnq::dynamic::Linear(w.clone(), b)(f)));
          CHECK(nnsq::dynamic::LinearReLU(w.clone(), b, block.rows, block.cols)(f).equal(
              nniq::dynamic::LinearReLU(w.clone(), b)(f)));
          CHECK(sparse.row_block_size() == block.rows);
          CHECK(sparse.col_block_size() == block.cols);
        }
}

TEST_CASE("A layout of a plain layer changes no bit and stays with it", "[ao][sparse][linear]") {
  manual_seed(2);
  const Tensor w = block_weight(32, 64, {4, 4}), x = activations(9, 64);
  auto layer = nn::make<nnq::Linear>(w, Tensor(), 0.05, 60);
  const Tensor expected = (*layer)(x);
  CHECK(layer->layout() == kernels::WeightLayout());
  for (const char* text : {"dense", "4x4", "16x4", "automatic"}) {
    CAPTURE(text);
    const auto layout = kernels::weight_layout_from(text);
    layer->set_layout(layout);
    CHECK((*layer)(x).equal(expected));
    if (layout != kernels::WeightLayout())
      CHECK(quantized::linear_kernel(layer->weight, 9).layout == layout);
    auto copy = nn::deepcopy(layer);
    CHECK((*copy)(x).equal(expected));
    CHECK(copy->as<nnq::Linear>().layout() == layout);
    const testing::Folder folder;
    ao::save_model(*layer, folder.path("m.safetensors"));
    auto back = ao::load_model(folder.path("m.safetensors"));
    CHECK((*back)(x).equal(expected));
    CHECK(back->as<nnq::Linear>().layout() == layout);
  }
  CHECK_THROWS_WITH(layer->set_layout(kernels::WeightLayout::blocks(3, 5)),
                    ContainsSubstring("blocks of 3 x 5") && ContainsSubstring("only 1 x 4"));
  nnq::dynamic::Linear half(randn({4, 4}).to(float16), Tensor());
  CHECK_THROWS_WITH(half.set_layout(kernels::WeightLayout::dense()),
                    ContainsSubstring("only qint8 weights have a layout, got float16"));
}

TEST_CASE("A new weight keeps the blocks of its layer", "[ao][sparse][linear]") {
  manual_seed(3);
  nnsq::Linear layer(block_weight(16, 32, {1, 4}), Tensor(), 0.05, 60);
  const Tensor w = block_weight(16, 32, {4, 4}), x = activations(3, 32);
  layer.set_weight_bias(w, randn({16}));
  CHECK(layer(x).equal(nnq::Linear(w.clone(), layer.bias.value(), 0.05, 60)(x)));
  CHECK(kernels::to_string(quantized::linear_kernel(layer.weight, 3).layout) == "1x4");
}

TEST_CASE("What a sparse quantized layer cannot hold is a clear error",
          "[ao][sparse][linear][error]") {
  const Tensor w = block_weight(8, 8, {1, 4});
  CHECK_THROWS_WITH(nnsq::Linear(w, Tensor(), 0.05, 60, 3, 5),
                    ContainsSubstring("blocks of 3 x 5") && ContainsSubstring("only 1 x 4"));
  CHECK_THROWS_WITH(nnsq::Linear(quantize_per_tensor(randn({4, 4}), 0.1, 3, qint8), Tensor(), 1, 0),
                    ContainsSubstring("all weight zero points must be 0"));
  CHECK_THROWS_WITH(nnsq::dynamic::Linear(randn({4, 4}).to(float16), Tensor()),
                    ContainsSubstring("only qint8 weights are supported, got float16"));
  CHECK_THROWS_WITH(nnsq::dynamic::Linear(w.clone(), Tensor(), 1, 4, {.weight_only = true}),
                    ContainsSubstring("weight_only computes in float"));
  CHECK_THROWS_WITH(
      kernels::weight_layout_from("5x5"),
      ContainsSubstring("unknown layout of weights '5x5', known are automatic, dense"));
}

TEST_CASE("Every route to int8 gives sparse layers with the blocks of the mask",
          "[ao][sparse][composability]") {
  enum class Route { ptq, ptq_fused, qat, qat_fused };
  for (const Route route : {Route::ptq, Route::ptq_fused, Route::qat, Route::qat_fused})
    for (const bool squashed : {false, true}) {
      CAPTURE(static_cast<int>(route), squashed);
      manual_seed(4);
      const bool qat = route == Route::qat || route == Route::qat_fused;
      nn::ModulePtr model = network();
      pruning::WeightNormSparsifier sparse({.sparsity_level = 0.8, .sparse_block_shape = {4, 4}});
      sparse.prepare(*model, {{.tensor_fqn = "1.weight"}});
      model->qconfig =
          qat ? tq::get_default_qat_qconfig("fbgemm") : tq::get_default_qconfig("fbgemm");
      if (route == Route::ptq_fused)
        model = tq::fuse_modules(model, {{"1", "2"}}, {.inplace = true});
      if (route == Route::qat_fused)
        model = tq::fuse_modules_qat(model, {{"1", "2"}}, {.inplace = true});
      sparse.step();
      if (squashed) sparse.squash_mask({.params_to_keep = {"sparse_block_shape"}});
      auto prepared = qat ? tq::prepare_qat(model) : tq::prepare(model);
      const Tensor x = randn({32, 64});
      (*prepared)(x);
      prepared->eval();
      auto native = tq::convert(prepared);
      auto converted = tq::convert(prepared, {.backend_config = &tq::get_sparse_backend_config()});
      const bool fused = route == Route::ptq_fused || route == Route::qat_fused;
      auto& layer = nn::find_submodule(*converted, "1")->ptr()->as<nnq::Linear>();
      if (squashed) {  // the block shape was kept: it is used, whatever the cost model says
        CHECK(is_exactly<nnsq::LinearReLU>(layer) == fused);
        CHECK(block_text(layer.as<nnsq::Linear>()) == "4x4");
      } else {
        const Tensor ints = layer.weight.value().int_repr();
        const auto choice = kernels::choose_layout(ints.data<std::int8_t>(), 64, 64, 64, 64);
        REQUIRE((dynamic_cast<nnsq::Linear*>(&layer) != nullptr) == choice.sparse);
        if (choice.sparse) CHECK(layer.layout().block == choice.block);
      }
      CHECK(is_exactly<nnq::Linear>(*nn::find_submodule(*converted, "3")->ptr()));
      CHECK((*converted)(x).equal((*native)(x)));
      CHECK(pruning::sparsity(layer.weight.value()) >= 0.79);

      const testing::Folder folder;
      ao::save_model(*converted, folder.path("m"));
      auto back = ao::load_model(folder.path("m"));
      CHECK((*back)(x).equal((*native)(x)));
      CHECK(nn::find_submodule(*back, "1")->ptr()->as<nnq::Linear>().layout() == layer.layout());
      auto copy = nn::deepcopy(converted);
      CHECK((*copy)(x).equal((*native)(x)));
      nn::load_state_dict(*copy, nn::state_dict(*converted));
      CHECK((*copy)(x).equal((*native)(x)));
    }
}

TEST_CASE("Graph mode gives sparse layers too, static and dynamic", "[ao][sparse][composability]") {
  for (const bool dynamic : {false, true})
    for (const bool qat : {false, true}) {
      if (dynamic && qat) continue;
      CAPTURE(dynamic, qat);
      manual_seed(5);
      nn::ModulePtr model =
          nn::make<nn::Sequential>(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 16));
      pruning::WeightNormSparsifier sparse({.sparsity_level = 0.8, .sparse_block_shape = {8, 4}});
      sparse.prepare(*model, {{.tensor_fqn = "0.weight"}});
      sparse.step();
      sparse.squash_mask({.params_to_keep = {"sparse_block_shape"}});
      const Tensor x = randn({32, 64});
      const tq::QConfigMapping mapping =
          dynamic ? tq::QConfigMapping().set_global(tq::default_dynamic_qconfig)
          : qat   ? tq::get_default_qat_qconfig_mapping("fbgemm")
                  : tq::get_default_qconfig_mapping("fbgemm");
      model->train(qat);
      const auto* backend = &tq::get_sparse_backend_config();
      auto prepared = qat ? tq::prepare_qat_fx(model, mapping, {x}, {.backend_config = backend})
                          : tq::prepare_fx(model, mapping, {x}, {.backend_config = backend});
      (*prepared)(x);
      prepared->eval();
      auto native = tq::convert_fx(prepared);
      auto converted = tq::convert_fx(prepared, {.backend_config = backend});
      nn::Module& layer = *nn::find_submodule(*converted, "0")->ptr();
      if (dynamic) {
        CHECK(is_exactly<nnsq::dynamic::LinearReLU>(layer));
        CHECK(kernels::to_string(layer.as<nnsq::dynamic::Linear>().layout()) == "8x4");
      } else {
        CHECK(is_exactly<nnsq::LinearReLU>(layer));
        CHECK(block_text(layer.as<nnsq::Linear>()) == "8x4");
      }
      CHECK((*converted)(x).equal((*native)(x)));
    }
}

TEST_CASE("The report says which layout a layer uses and why", "[ao][sparse][report]") {
  manual_seed(6);
  auto model = nn::make<nn::Sequential>(
      nnsq::Linear(block_weight(64, 64, {4, 4}), Tensor(), 1, 0, 4, 4),
      nnq::Linear(quantize_per_tensor(randn({64, 64}), 0.03, 0, qint8), Tensor(), 1, 0));
  const tq::Report r = tq::report(*model);
  REQUIRE(r.layers.size() == 2);
  CHECK(r.layers[0].layout == "4x4");
  CHECK(r.layers[0].layout_why == "blocks of 4x4, as asked for");
  CHECK(r.layers[0].kernel.find("sparse") != std::string::npos);
  CHECK(r.layers[1].layout == "dense");
  CHECK(!r.layers[1].layout_why.empty());
  CHECK_THAT(r.table(), ContainsSubstring("layout"));
  CHECK_THAT(r.json(), ContainsSubstring("\"layout\": \"4x4\""));
}

TEST_CASE("A pruned layer without a layout of its own runs in blocks where that is faster",
          "[ao][sparse][report]") {
  manual_seed(7);
  nnq::Linear layer(block_weight(256, 512, {16, 4}), Tensor(), 0.05, 60);
  const auto how = quantized::linear_kernel(layer.weight, 64);
  CHECK(how.choice.sparse);
  CHECK(how.choice.sparse_us < how.choice.dense_us);
  nnq::Linear dense(quantize_per_tensor(randn({256, 512}), 0.03, 0, qint8), Tensor(), 0.05, 60);
  CHECK_FALSE(quantized::linear_kernel(dense.weight, 64).choice.sparse);
}

TEST_CASE("The file of a network with 80% zero blocks is less than a third of the dense one",
          "[ao][sparse]") {
  manual_seed(8);
  const testing::Folder folder;
  const auto bytes = [&](const Tensor& w) {
    auto model = nn::make<nn::Sequential>(nnq::Linear(w, Tensor(), 0.05, 60));
    ao::save_model(*model, folder.path("m"));
    return std::filesystem::file_size(folder.path("m"));
  };
  const auto dense = bytes(quantize_per_tensor(randn({256, 512}), 0.03, 0, qint8));
  CHECK(bytes(block_weight(256, 512, {1, 4}, false)) * 3 < dense);
  CHECK(bytes(block_weight(256, 512, {4, 4}, false)) * 4 < dense);
}
