#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Make the virtual environment with everything in it:  scripts/setup.sh [test] [torch] …
# The words name further files of requirements/. PYTHON, VENV and ROS_DISTRO come from the
# Makefile. A step whose inputs did not change since it was done is skipped. Never needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${VENV:=.venv}" "${ROS_DISTRO:=jazzy}"
. scripts/steps.sh

# Print why messages cannot be generated here; nothing if they can.
missing() {
  if [ "$(uname -sm)" != 'Linux x86_64' ]; then
    echo "the ROS wheels exist for Linux x86-64 only, and this is $(uname -sm)"
  elif ! command -v "${CXX:-g++}" > /dev/null; then
    echo 'there is no C++ compiler (Debian and Ubuntu: apt install g++)'
  elif ! [ -f "$("$VENV/bin/python" -c \
      'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then
    echo "Python's headers are missing (Debian and Ubuntu: apt install python3-dev)"
  fi
}

cmake_is_new_enough() {
  command -v cmake > /dev/null && cmake --version | head -1 | {
    read -r _ _ version
    [ "$(printf '3.21\n%s\n' "$version" | sort -V | head -1)" = 3.21 ]
  }
}

generate() {
  cmake -S . -B "$VENV/build" -DCMAKE_INSTALL_PREFIX="$VIRTUAL_ENV" -DBUILD_TESTING=OFF \
    -DPython3_EXECUTABLE="$VIRTUAL_ENV/bin/python" -DAMENT_CMAKE_SYMLINK_INSTALL=ON \
    > "$VENV/build.log" 2>&1 &&
    cmake --build "$VENV/build" -j "$(nproc)" >> "$VENV/build.log" 2>&1 ||
    { tail -n 40 "$VENV/build.log"; fail "the build failed; all of it is in $VENV/build.log"; }
}

[ -f "requirements/$ROS_DISTRO.txt" ] && [[ $ROS_DISTRO =~ ^[a-z]+$ ]] ||
  fail "ROS_DISTRO is '$ROS_DISTRO'; there are wheels for jazzy and kilted. If a sourced ROS" \
    "installation has set it, say: make ROS_DISTRO=jazzy"
python_version=$(python_version)

step 'virtual environment' "$PWD $python_version" make_venv
step 'pinned Python packages' "$(cat requirements/base.txt)" install base
for extra in "$@"; do
  step "pinned packages for $extra" "$(cat "requirements/$extra.txt" 2>&1)" install "$extra"
done

install_old_carla() {
  "$VENV/bin/python" -m pip install -qq --no-compile --no-deps --upgrade \
    --target "$VENV/carla-0.9.15" -r requirements/carla-0.9.15.txt
}
if [[ " $* " == *' test '* && " $* " == *' carla '* ]]; then
  step "CARLA's client 0.9.15" "$(cat requirements/carla-0.9.15.txt)" install_old_carla
fi

site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
reason=$(missing)
if [ -n "$reason" ]; then
  printf '\n!! Without ROS: %s.\n!! What needs no ROS works; the rest is left out.\n\n' "$reason"
  echo "$reason" > "$VENV/.without_ros"
  link_package
  exit
fi

rm -f "$VENV/.without_ros"
[ ! -L "$site/impromptu_vla_ros" ] || rm "$site/impromptu_vla_ros"
step "ROS 2 $ROS_DISTRO" "$(cat "requirements/$ROS_DISTRO.txt")" install "$ROS_DISTRO"
echo "$ROS_DISTRO" > "$VENV/.ros_distro"
. scripts/env.sh
cmake_is_new_enough || step 'cmake' 3.31.6 "$VENV/bin/python" -m pip install -qq cmake==3.31.6
step 'messages' "$(cat CMakeLists.txt package.xml cmake/* msg/* srv/* "requirements/$ROS_DISTRO.txt")" \
  generate
# The installed files are links to the source: only new ones need this.
(cd "$VENV/build" && cmake --install .) > "$VENV/install.log"
# Of files that are no more, links stay.
find "$site/impromptu_vla_ros" -xtype l -delete
