# Other libraries that adze-bench can time beside Adze (docs/benchmarks.md). Eigen is always there.
option(ADZE_BENCH_PEERS
       "Compile the installed ones of OpenBLAS, oneDNN, FBGEMM and XNNPACK into adze-bench" OFF)
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

# It is loaded when it is used, as its cpuinfo is not that of FBGEMM.
find_library(ADZE_BENCH_XNNPACK_LIBRARY XNNPACK)
set(xnnpack_found ${ADZE_BENCH_XNNPACK_LIBRARY})
foreach(name IN ITEMS xnnpack pthreadpool cpuinfo)
  find_path(ADZE_BENCH_${name}_INCLUDE ${name}.h)
  if(NOT ADZE_BENCH_${name}_INCLUDE)
    set(xnnpack_found FALSE)
  endif()
endforeach()
set(xnnpack_header "")
if(xnnpack_found AND "avx2" IN_LIST ADZE_ISAS_AVAILABLE)
  file(READ "${ADZE_BENCH_xnnpack_INCLUDE}/xnnpack.h" xnnpack_header)
endif()
# Later ones take caches behind the flags.
if(xnnpack_header MATCHES "create_convolution2d_nhwc_qc8\\([^)]*flags,[ \n]*xnn_operator_t")
  target_compile_definitions(
    adze_bench PRIVATE ADZE_BENCH_XNNPACK="${ADZE_BENCH_XNNPACK_LIBRARY}"
                       ADZE_BENCH_XNNPACK_CPUINFO="${ADZE_BENCH_cpuinfo_INCLUDE}/cpuinfo.h")
  target_include_directories(adze_bench SYSTEM PRIVATE "${ADZE_BENCH_xnnpack_INCLUDE}"
                                                       "${ADZE_BENCH_pthreadpool_INCLUDE}")
else()
  message(STATUS "adze-bench: no XNNPACK of 2022, or not the headers of pthreadpool and cpuinfo")
endif()
