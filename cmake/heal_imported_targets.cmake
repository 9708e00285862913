# SPDX-License-Identifier: Apache-2.0
#
# The ROS wheels of the Python package index export *__rosidl_generator_py targets that name an
# include directory of the machine that built them, and CMake refuses those at generate time.
# Once everything is found, forget include directories that do not exist. On a normal ROS
# installation nothing is left out.
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
endfunction()

cmake_language(DEFER CALL heal_imported_targets)
