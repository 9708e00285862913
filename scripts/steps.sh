# SPDX-License-Identifier: Apache-2.0
#
# What the scripts that make a virtual environment share; to be sourced, with VENV set.

# An environment that is there keeps its Python, unless another one is asked for.
: "${PYTHON:=$("$VENV/bin/python" -c 'import sys; print(sys._base_executable)' 2> /dev/null ||
  echo python3)}"

say() { printf '== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step NAME INPUT COMMAND…: run the command unless it was done with this input text.
step() {
  local name=$1 hash
  hash=$(printf %s "$2" | sha256sum)
  shift 2
  if [ "$(cat "$VENV/.done/$name" 2>/dev/null)" = "$hash" ]; then return; fi
  say "$name"
  rm -f "$VENV/.done/$name"
  "$@"
  mkdir -p "$VENV/.done"
  printf '%s\n' "$hash" > "$VENV/.done/$name"
}

make_venv() {
  rm -rf "$VENV"
  # Debian's python3 without python3-venv can make one only without pip, which then comes from
  # the pip of the system, if there is one.
  "$PYTHON" -m venv "$VENV" 2>/dev/null || {
    "$PYTHON" -m venv --clear --without-pip "$VENV" &&
      "$PYTHON" -m pip --python "$VENV/bin/python" install -qq pip
  } || fail "cannot make a virtual environment (Debian and Ubuntu: apt install python3-venv)"
  # colcon shall not look for packages in here, however the folder is called.
  touch "$VENV/COLCON_IGNORE"
}

# The files list every package, so there is nothing to resolve. torch is the exception: its
# own wheels differ in what they bring (CUDA).
install() {
  local file=requirements/$1.txt
  [ -f "$file" ] || fail "there is no extra called '$1': $file is missing"
  local closed=--no-deps
  if [ "$1" = torch ]; then closed=; fi
  "$VENV/bin/python" -m pip install -qq --no-compile --disable-pip-version-check $closed -r "$file"
}

# Print the version of PYTHON; fail where the pinned packages do not exist for it.
python_version() {
  local version
  version=$("$PYTHON" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') ||
    fail "cannot run '$PYTHON'; name a Python 3.11 or 3.12: make PYTHON=…"
  case $version in
    3.11.*|3.12.*) ;;
    2.*|3.?.*|3.10.*) fail "$PYTHON is Python $version; the pinned packages need 3.11 or" \
      "3.12: make PYTHON=python3.11 (with 3.10, build in a ROS workspace instead)" ;;
    *) say "Python $version is not tested; 3.11 and 3.12 are" >&2 ;;
  esac
  echo "$version"
}

# Let the virtual environment import this package from here.
link_package() {
  local site
  site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  [ -e "$site/impromptu_vla_ros" ] || ln -s "$PWD/impromptu_vla_ros" "$site/impromptu_vla_ros"
}
