# SPDX-License-Identifier: Apache-2.0
#
# rosidl exports *__rosidl_generator_py targets with numpy's include directory of the machine
# that built them. Two things follow, and both are healed once everything is configured:
# - The ROS wheels of the Python package index name a directory that does not exist here, and
#   CMake refuses that at generate time. Such directories are forgotten; on a normal ROS
#   installation there are none.
# - Our own target does the same, and CMake refuses that when the virtual environment lies in
#   the source folder. We keep the directory to this build.
function(heal_imported_targets)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory IN LISTS directories)
      # A generator expression is not a path yet; CMake itself judges what it becomes.
      if(directory MATCHES "\\$<" OR EXISTS "${directory}")
        list(APPEND kept "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()

  set(ours ${PROJECT_NAME}__rosidl_generator_py)
  if(TARGET ${ours})
    get_target_property(directories ${ours} INTERFACE_INCLUDE_DIRECTORIES)
    list(TRANSFORM directories REPLACE "^/.+$" "$<BUILD_INTERFACE:\\0>")
    set_target_properties(${ours} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${directories}")
  endif()
endfunction()

cmake_language(DEFER CALL heal_imported_targets)
