# Sourced, with a folder of its own in $work.

# other_debian <suite> <architecture>: apt is from now on the apt-get of a machine with that Debian and nothing installed. Of this one it
# knows only the mirror, and it changes nothing outside of $work.
other_debian() {
  architecture=$2
  mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' \
    /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  : >"$work/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} $1 main" >"$work/sources"
  apt update
}
apt() {
  apt-get -qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
    -o Dir::Etc::sourcelist="$work/sources" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work" -o APT::Sandbox::User= \
    -o Debug::NoLocking=1 "$@"
}
