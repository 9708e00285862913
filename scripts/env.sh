# SPDX-License-Identifier: Apache-2.0
#
# Enter the environment that `make build` made:  . scripts/env.sh
# (for another one:  VENV=.venv-kilted . scripts/env.sh)
#
# The wheels put a whole ROS into the virtual environment; these variables are what a
# setup.bash would set. A sourced ROS installation must not be mixed in, so it is left behind.

_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
_venv=$(cd "$_root" && cd "${VENV:-.venv}" && pwd) || return 1

unset PYTHONHOME PYTHONPATH COLCON_PREFIX_PATH ROS_PACKAGE_PATH
if [ -n "${LD_LIBRARY_PATH:-}" ]; then
  LD_LIBRARY_PATH=$(printf %s "$LD_LIBRARY_PATH" | tr : '\n' | sed '\:^/opt/ros/:d' | paste -sd :)
  export LD_LIBRARY_PATH
fi

export VIRTUAL_ENV=$_venv
export PATH=$_venv/bin:$PATH
export AMENT_PREFIX_PATH=$_venv
export CMAKE_PREFIX_PATH=$_venv
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
ROS_DISTRO=$(cat "$_venv/.ros_distro" 2>/dev/null || echo jazzy)
export ROS_DISTRO

# Stay on this machine, and apart from other checkouts on it (Linux allows domains 0 to 101).
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$(($(printf %s "$_venv" | cksum | cut -d ' ' -f 1) % 101 + 1))}
# rclpy needs a place for its log.
export ROS_LOG_DIR=${ROS_LOG_DIR:-$_venv/log}

unset _root _venv
