# What Adze stands on. An installed package comes first (Debian 12 has them all, `tools/dev setup`
# installs them); elsewhere the pinned release is downloaded and built along.

include(FetchContent)

# Is there an installed package? Sets FOUND in the caller's scope, or declares the pinned release.
macro(adze_dependency name)
  cmake_parse_arguments(dep "" "REPOSITORY;TAG;VERSION" "OPTIONS" ${ARGN})
  find_package(${name} ${dep_VERSION} QUIET)
  if(NOT ${name}_FOUND)
    message(STATUS "adze: no installed ${name}, taking ${dep_TAG} from ${dep_REPOSITORY}")
    foreach(option IN LISTS dep_OPTIONS)
      set(${option} OFF CACHE BOOL "" FORCE)
    endforeach()
    FetchContent_Declare(
      ${name} GIT_REPOSITORY ${dep_REPOSITORY} GIT_TAG ${dep_TAG} GIT_SHALLOW TRUE SYSTEM
      EXCLUDE_FROM_ALL)
    FetchContent_MakeAvailable(${name})
    set(ADZE_FETCHED_${name} TRUE)
  endif()
endmacro()

# Used by the library's sources only; nothing of these is seen by whoever embeds Adze.
adze_dependency(Eigen3 VERSION 3.4 REPOSITORY https://gitlab.com/libeigen/eigen.git TAG 3.4.0
                OPTIONS BUILD_TESTING EIGEN_BUILD_DOC EIGEN_BUILD_PKGCONFIG)
adze_dependency(xsimd VERSION 8.1 REPOSITORY https://github.com/xtensor-stack/xsimd.git TAG 8.1.0)
adze_dependency(nlohmann_json VERSION 3.11 REPOSITORY https://github.com/nlohmann/json.git
                TAG v3.11.2 OPTIONS JSON_BuildTests JSON_Install)

# Linked with the archive: an installed Adze asks for them again (adze-config.cmake.in).
adze_dependency(TBB VERSION 2021.8 REPOSITORY https://github.com/oneapi-src/oneTBB.git
                TAG v2021.8.0 OPTIONS TBB_TEST TBB_STRICT)
adze_dependency(ZLIB REPOSITORY https://github.com/madler/zlib.git TAG v1.3.1
                OPTIONS ZLIB_BUILD_EXAMPLES)
if(ADZE_FETCHED_ZLIB)
  target_include_directories(zlibstatic INTERFACE $<BUILD_INTERFACE:${zlib_SOURCE_DIR}>
                                                  $<BUILD_INTERFACE:${zlib_BINARY_DIR}>)
  add_library(ZLIB::ZLIB ALIAS zlibstatic)
endif()

if(ADZE_BUILD_TOOLS)
  adze_dependency(CLI11 VERSION 2.1 REPOSITORY https://github.com/CLIUtils/CLI11.git TAG v2.1.2
                  OPTIONS CLI11_BUILD_TESTS CLI11_BUILD_EXAMPLES CLI11_BUILD_DOCS)
  adze_dependency(benchmark VERSION 1.7 REPOSITORY https://github.com/google/benchmark.git
                  TAG v1.7.1 OPTIONS BENCHMARK_ENABLE_TESTING BENCHMARK_ENABLE_INSTALL)
endif()
if(ADZE_BUILD_TESTS)
  adze_dependency(Catch2 REPOSITORY https://github.com/catchorg/Catch2.git TAG v2.13.10)
endif()
