# adze/adze.h: every public header of every room, in the order of the rooms.

get_property(rooms GLOBAL PROPERTY ADZE_ROOMS)
set(lines "")
foreach(room IN LISTS rooms)
  file(GLOB_RECURSE headers RELATIVE "${PROJECT_SOURCE_DIR}/${room}/include" CONFIGURE_DEPENDS
       "${PROJECT_SOURCE_DIR}/${room}/include/*.h")
  list(SORT headers)
  list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>")
  list(JOIN headers "\n" room_lines)
  string(APPEND lines "\n${room_lines}\n")
endforeach()

set(umbrella_dir "${PROJECT_BINARY_DIR}/include")
file(CONFIGURE OUTPUT "${umbrella_dir}/adze/adze.h"
     CONTENT "#pragma once\n\n/// The whole library.\n@lines@" @ONLY)
target_sources(adze PUBLIC FILE_SET umbrella_headers TYPE HEADERS BASE_DIRS "${umbrella_dir}"
                           FILES "${umbrella_dir}/adze/adze.h")
