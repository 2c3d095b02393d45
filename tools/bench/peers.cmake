# Other libraries that adze-bench can time beside Adze (docs/benchmarks.md). Eigen is always there.
option(ADZE_BENCH_PEERS "Compile the installed ones of OpenBLAS, oneDNN and FBGEMM into adze-bench"
       OFF)
set(ADZE_BENCH_FBGEMM "" CACHE STRING
    "Where FBGEMM is: the folder it is installed in, and the one it was built in (it does not \
install its static asmjit)")

target_compile_definitions(adze_bench PRIVATE ADZE_BENCH_EIGEN="${Eigen3_VERSION}")
if(NOT ADZE_BENCH_PEERS)
  return()
endif()

# It is loaded when it is used, after its kernels were chosen by an environment variable.
find_library(ADZE_BENCH_OPENBLAS_LIBRARY openblas)
if(ADZE_BENCH_OPENBLAS_LIBRARY)
  target_compile_definitions(adze_bench
                             PRIVATE ADZE_BENCH_OPENBLAS="${ADZE_BENCH_OPENBLAS_LIBRARY}")
else()
  message(STATUS "adze-bench: no OpenBLAS")
endif()

find_package(dnnl 2 QUIET CONFIG)
if(dnnl_FOUND)
  target_compile_definitions(adze_bench PRIVATE ADZE_BENCH_ONEDNN)
  target_link_libraries(adze_bench PRIVATE DNNL::dnnl)
else()
  message(STATUS "adze-bench: no oneDNN 2")
endif()

if(ADZE_BENCH_FBGEMM)
  find_path(ADZE_BENCH_FBGEMM_INCLUDE fbgemm/Fbgemm.h PATHS ${ADZE_BENCH_FBGEMM}
            PATH_SUFFIXES include NO_DEFAULT_PATH REQUIRED)
  set(libraries "")
  foreach(name IN ITEMS fbgemm asmjit cpuinfo)
    find_library(ADZE_BENCH_${name}_LIBRARY ${name} PATHS ${ADZE_BENCH_FBGEMM}
                 PATH_SUFFIXES lib lib64 ${name} NO_DEFAULT_PATH REQUIRED)
    list(APPEND libraries "${ADZE_BENCH_${name}_LIBRARY}")
  endforeach()
  target_compile_definitions(adze_bench PRIVATE ADZE_BENCH_FBGEMM FBGEMM_STATIC)
  target_include_directories(adze_bench SYSTEM PRIVATE "${ADZE_BENCH_FBGEMM_INCLUDE}")
  # Its library, not its flags: these would change how Eigen is compiled.
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(adze_bench PRIVATE ${libraries} ${OpenMP_CXX_LIBRARIES} rt)
else()
  message(STATUS "adze-bench: no FBGEMM (ADZE_BENCH_FBGEMM)")
endif()
