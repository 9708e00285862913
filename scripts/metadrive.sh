#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Make the virtual environment of the MetaDrive world:  scripts/metadrive.sh
# It has one of its own, since MetaDrive's pins clash with ours. PYTHON and METADRIVE_VENV (by
# default .venv-metadrive) may come from outside. Never needs root, never downloads later on.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${METADRIVE_VENV:-.venv-metadrive}
. scripts/steps.sh

# The wheels draw with the system's OpenGL; say which libraries are missing.
missing() {
  "$VENV/bin/python" - <<< '
import ctypes
for library, package in {"libEGL.so.1": "libegl1", "libGL.so.1": "libgl1"}.items():
    try:
        ctypes.CDLL(library)
    except OSError:
        print(package)
'
}

version=$(python_version)
step 'virtual environment for MetaDrive' "$PWD $version" make_venv
step 'pinned packages for MetaDrive' "$(cat requirements/metadrive.txt)" install metadrive
link_package
missing=$(missing)
[ -z "$missing" ] || fail "MetaDrive cannot draw without" $missing \
  "(Debian and Ubuntu: apt install libegl1 libgl1 libgl1-mesa-dri); the kinematic world can"
