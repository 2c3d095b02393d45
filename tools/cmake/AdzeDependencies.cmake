# What Adze stands on. An installed package comes first (Debian 12 has them all, `tools/dev setup`
# installs them); elsewhere the pinned commit is downloaded and built along. The pinned releases are
# those of Debian 12, which are the ones tested.

include(FetchContent)

# adze_dependency(NAME [VERSION oldest] URL archive-of-the-pinned-commit [OFF option...])
#
# Finds the package NAME or, setting ADZE_FETCHED_NAME, builds it along with its OFF options off.
macro(adze_dependency name)
  cmake_parse_arguments(dependency "" "VERSION;URL" "OFF" ${ARGN})
  find_package(${name} ${dependency_VERSION} QUIET)
  if(NOT ${name}_FOUND)
    message(STATUS "adze: no installed ${name}, building ${dependency_URL}")
    set(ADZE_FETCHED_${name} TRUE)
    foreach(option IN LISTS dependency_OFF)
      set(${option} OFF CACHE BOOL "" FORCE)
    endforeach()
    adze_fetch(${name} ${dependency_URL})
  endif()
endmacro()

# In a function, so that what a dependency's build needs to hear stays with it.
function(adze_fetch name url)
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5) # some state an older one, which CMake 4 refuses
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  FetchContent_Declare(${name} URL ${url} DOWNLOAD_EXTRACT_TIMESTAMP TRUE SYSTEM)
  FetchContent_MakeAvailable(${name})
  string(TOLOWER ${name} lower)
  set(ADZE_${name}_SOURCE_DIR "${${lower}_SOURCE_DIR}" PARENT_SCOPE)
  set(ADZE_${name}_BINARY_DIR "${${lower}_BINARY_DIR}" PARENT_SCOPE)
endfunction()

# Used by the library's sources only; whoever embeds Adze sees nothing of these.
adze_dependency(
  Eigen3 # 3.4.0
  VERSION 3.4
  URL https://gitlab.com/libeigen/eigen/-/archive/3147391d946bb4b6c68edd901f2add6ac1f31f8c/eigen.tar.gz
  OFF BUILD_TESTING EIGEN_BUILD_DOC EIGEN_BUILD_PKGCONFIG)
adze_dependency(
  xsimd # 8.1.0
  VERSION 8.1
  URL https://github.com/xtensor-stack/xsimd/archive/1577b02d549cca52aa5e943c16f2600950480289.tar.gz)
adze_dependency(
  nlohmann_json # 3.11.2
  VERSION 3.11
  URL https://github.com/nlohmann/json/archive/bc889afb4c5bf1c0d8ee29ef35eaaf4c8bef8a5d.tar.gz
  OFF JSON_BuildTests JSON_Install)

# Linked with the archive: an installed Adze asks for them again (adze-config.cmake.in).
adze_dependency(
  TBB # 2021.8.0
  VERSION 2021.8
  URL https://github.com/oneapi-src/oneTBB/archive/c9497714821c3d443ee44c732609eb6850195ffb.tar.gz
  OFF TBB_TEST TBB_STRICT)
adze_dependency(
  ZLIB # 1.3.1
  URL https://github.com/madler/zlib/archive/51b7f2abdade71cd9bb0e7a373ef2610ec6f9daf.tar.gz
  OFF ZLIB_BUILD_EXAMPLES)
if(ADZE_FETCHED_ZLIB AND NOT TARGET ZLIB::ZLIB)
  target_include_directories(zlibstatic INTERFACE "$<BUILD_INTERFACE:${ADZE_ZLIB_SOURCE_DIR}>"
                                                  "$<BUILD_INTERFACE:${ADZE_ZLIB_BINARY_DIR}>")
  add_library(ZLIB::ZLIB ALIAS zlibstatic)
endif()

if(ADZE_BUILD_TOOLS)
  adze_dependency(
    CLI11 # 2.1.2
    VERSION 2.1
    URL https://github.com/CLIUtils/CLI11/archive/70f8072f9dd2292fd0b9f9e5f58e279f60483ed3.tar.gz
    OFF CLI11_BUILD_TESTS CLI11_BUILD_EXAMPLES CLI11_BUILD_DOCS)
  adze_dependency(
    benchmark # 1.7.1
    VERSION 1.7
    URL https://github.com/google/benchmark/archive/d572f4777349d43653b21d6c2fc63020ab326db2.tar.gz
    OFF BENCHMARK_ENABLE_TESTING BENCHMARK_ENABLE_INSTALL)
endif()
if(ADZE_BUILD_TESTS)
  adze_dependency(
    Catch2 # 2.13.10
    URL https://github.com/catchorg/Catch2/archive/182c910b4b63ff587a3440e08f84f70497e49a81.tar.gz)
endif()
