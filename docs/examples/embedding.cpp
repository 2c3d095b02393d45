// What a program that embeds Adze sets once: threads and the place where warnings go. Errors are
// exceptions of one type.
#include <iostream>
#include <thread>
#include <vector>

#include <adze/core/creation.h>
#include <adze/core/ops.h>
#include <adze/core/random.h>
#include <adze/kernels/parallel.h>
#include <adze/nn/activation.h>
#include <adze/nn/container.h>
#include <adze/nn/linear.h>

using namespace adze;

int main() {
  kernels::set_num_threads(1);  // 0: as many as the oneTBB arena of the caller has
  set_warning_handler([](const std::string& text) { std::cerr << "warning: " << text << '\n'; });

  nn::Sequential net(nn::Linear(64, 32), nn::ReLU(), nn::Linear(32, 10));
  net.eval();
  const Tensor x = randn({5, 64});

  // One network may run on several threads at a time.
  std::vector<Tensor> results(4);
  std::vector<std::thread> threads;
  for (Tensor& result : results)
    threads.emplace_back([&] {
      NoGrad guard;
      result = net(x);
    });
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& result : results)
    if (!result.equal(results[0])) return 1;

  // Memory of the program, without a copy.
  std::vector<float> samples(2 * 64, 0.5f);
  const Tensor view = from_blob(samples.data(), {2, 64}, float32);
  NoGrad guard;
  const Tensor scores = net(view);
  const float* score = scores.data<float>();
  std::cout << "first score: " << score[0] << '\n';

  try {
    net(randn({5, 63}));
  } catch (const Error& e) {
    std::cout << e.what() << '\n';
    return e.path() == "0" ? 0 : 1;
  }
  return 1;
}
