#include "data/input_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "adze/core/error.h"

namespace adze::nn::data {

void check_regular_file(const std::string& path, const std::string& where) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  check(std::filesystem::exists(status), where, "no such file");
  check(std::filesystem::is_regular_file(status), where, "not a regular file");
}

std::string read_text(const std::string& path, const std::string& where) {
  check_regular_file(path, where);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  check(in.is_open(), where, "cannot be opened: ", std::generic_category().message(errno));
  std::string text(std::filesystem::file_size(path), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  check(!in.bad(), where, "cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

Shape batch_shape(std::int64_t samples, std::int64_t features, const Shape& sample_shape,
                  const std::string& where) {
  if (sample_shape.empty()) return {samples, features};
  check(numel(sample_shape) == features, where, "sample_shape ", sample_shape, " has ",
        numel(sample_shape), " elements, the samples have ", features, " features");
  Shape shape = sample_shape;
  shape.insert(0, samples);
  return shape;
}

}  // namespace adze::nn::data
