#include <iostream>

#include <adze/adze.h>

int main() {
  using namespace adze;
  nn::Sequential net(nn::Linear(4, 8), nn::ReLU(), nn::Linear(8, 2));
  const Tensor output = net(ones({3, 4}));
  std::cout << output << '\n';
  return output.sizes() == Shape{3, 2} ? 0 : 1;
}
