# Sourced. On Debian cargo takes the crates that the build script needs from packages of Debian's, and stays off the network.
need librust-cmake-dev librust-pkg-config-dev
crates=/usr/share/cargo/registry
if [ -d "$crates" ]; then
  export CARGO_HOME="$PWD/build/cargo" CARGO_NET_OFFLINE=true
  mkdir -p "$CARGO_HOME"
  printf '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "%s"\n' "$crates" >"$CARGO_HOME/config.toml"
fi
