# `cmake --install`: headers, archive, and the package that find_package(adze) reads.

target_link_libraries(adze PRIVATE TBB::tbb ZLIB::ZLIB)

if(ADZE_FETCHED_TBB OR ADZE_FETCHED_ZLIB)
  message(STATUS "adze: no install rules, for the archive links with dependencies built along")
  return()
endif()

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/adze")

get_property(rooms GLOBAL PROPERTY ADZE_ROOMS)
set(file_sets "")
foreach(room IN LISTS rooms ITEMS umbrella)
  list(APPEND file_sets FILE_SET ${room}_headers)
endforeach()

install(TARGETS adze EXPORT adze-targets ${file_sets})
install(EXPORT adze-targets NAMESPACE adze:: DESTINATION "${package_dir}")
configure_package_config_file(
  tools/cmake/adze-config.cmake.in "${PROJECT_BINARY_DIR}/adze-config.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/adze-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/adze-config.cmake"
              "${PROJECT_BINARY_DIR}/adze-config-version.cmake" DESTINATION "${package_dir}")
