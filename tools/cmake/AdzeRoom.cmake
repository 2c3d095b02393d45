# adze_room(NAME DEPS room... LIBRARIES target... FLAGS flag...)
#
# A room is ROOM/include/adze/ROOM/**.h (public) and ROOM/src/**.cpp (private). Its sources become the
# object library adze_ROOM, which sees its own headers and those of the rooms in DEPS and no others, so
# that an include against the direction of the rooms does not compile. Objects and headers end up in
# the library adze. LIBRARIES are what the sources use and public headers never show; what must be
# linked with the archive is linked to adze itself (AdzeDependencies.cmake).
#
# Files that need an instruction set beyond the baseline say so at the end of their name
# (gemm_avx2.cpp). They are compiled apart, with those flags and without LIBRARIES other than xsimd,
# and are left out where the processor family does not have the instruction set. Sanitizers leave them
# alone: they turn register tiles into memory, which takes a minute to compile for each file; the tests
# of such kernels put their data in front of forbidden pages instead.

set(ADZE_ISA_avx2 -mavx2 -mfma)
set(ADZE_ISA_avxvnni ${ADZE_ISA_avx2} -mavxvnni)
set(ADZE_ISA_avx512 ${ADZE_ISA_avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Wrong about the compiler's own intrinsics (GCC bug 105593).
  list(APPEND ADZE_ISA_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
set(ADZE_ISA_avx512vnni ${ADZE_ISA_avx512} -mavx512vnni)
set(ADZE_ISA_neon "")
set(ADZE_ISA_neondot -march=armv8.2-a+dotprod)
set(ADZE_ISAS avx2 avxvnni avx512 avx512vnni neon neondot)

set(ADZE_ISAS_AVAILABLE "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(ADZE_ISAS_AVAILABLE avx2 avxvnni avx512 avx512vnni)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(ADZE_ISAS_AVAILABLE neon neondot)
endif()

define_property(GLOBAL PROPERTY ADZE_ROOMS BRIEF_DOCS "Rooms that have public headers")
define_property(GLOBAL PROPERTY ADZE_ISA_TARGETS BRIEF_DOCS "Object libraries with ISA flags")

function(adze_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPS;LIBRARIES;FLAGS")
  set(dir "${CMAKE_CURRENT_SOURCE_DIR}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${dir}/src/*.cpp")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${dir}/include/*.h")

  set(include_dirs "${dir}/include")
  foreach(dep IN LISTS arg_DEPS)
    list(APPEND include_dirs "${PROJECT_SOURCE_DIR}/${dep}/include")
  endforeach()

  if(headers)
    target_sources(adze PUBLIC FILE_SET ${name}_headers TYPE HEADERS BASE_DIRS "${dir}/include"
                               FILES ${headers})
    set_property(GLOBAL APPEND PROPERTY ADZE_ROOMS ${name})
  endif()

  foreach(isa IN LISTS ADZE_ISAS)
    set(isa_sources ${sources})
    list(FILTER isa_sources INCLUDE REGEX "_${isa}\\.cpp$")
    if(NOT isa_sources)
      continue()
    endif()
    list(REMOVE_ITEM sources ${isa_sources})
    if(isa IN_LIST ADZE_ISAS_AVAILABLE)
      adze_room_objects(adze_${name}_${isa} SOURCES ${isa_sources} INCLUDES ${include_dirs}
                        FLAGS ${arg_FLAGS} ${ADZE_ISA_${isa}}
                        $<$<BOOL:${ADZE_SANITIZE}>:-fno-sanitize=all> LIBRARIES xsimd)
      set_property(GLOBAL APPEND PROPERTY ADZE_ISA_TARGETS adze_${name}_${isa})
    endif()
  endforeach()

  if(sources)
    adze_room_objects(adze_${name} SOURCES ${sources} INCLUDES ${include_dirs} FLAGS ${arg_FLAGS}
                      LIBRARIES ${arg_LIBRARIES})
  endif()
endfunction()

function(adze_room_objects target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;INCLUDES;FLAGS;LIBRARIES")
  add_library(${target} OBJECT ${arg_SOURCES})
  adze_compile_settings(${target})
  target_include_directories(${target} PRIVATE ${arg_INCLUDES} "${CMAKE_CURRENT_SOURCE_DIR}/src")
  target_compile_options(${target} PRIVATE ${arg_FLAGS})
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
  target_sources(adze PRIVATE $<TARGET_OBJECTS:${target}>)
endfunction()
