# Sourced by the other scripts.

# need <packages...>: installs the Debian packages that are missing, and asks the network for nothing if none is. A package
# named after a command is present where the command is.
need() {
  if ! command -v dpkg-query >/dev/null; then
    echo "$0: not a Debian system; the counterparts of these packages are expected: $*" >&2
    return
  fi
  missing=
  for package; do
    command -v "$package" >/dev/null || dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing="$missing $package"
  done
  if [ -z "$missing" ]; then return; fi

  if [ "$(id -u)" -eq 0 ]; then
    as_root=
  elif command -v sudo >/dev/null && sudo true; then
    as_root=sudo
  else
    echo "$0: missing packages, and no right to install them:$missing" >&2
    exit 1
  fi
  echo "$0: installing$missing"
  $as_root apt-get -q update
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing
}

# Unlike make, it compiles the sources of a test while the library is still being compiled.
export CMAKE_GENERATOR=Ninja
