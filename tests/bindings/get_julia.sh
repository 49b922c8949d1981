#!/bin/sh
# get_julia.sh <folder>: makes <folder>/julia. Debian 12 has no package of Julia; that of Debian 11 (1.5) is unpacked into the folder
# with everything it needs but the C library. Nothing is installed, and no other library of this machine is used: exceptions of that
# Julia crash in Debian 12's libunwind.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. "$(dirname "$0")/other_debian.sh"
other_debian bullseye "$(dpkg --print-architecture)"
apt install --no-install-recommends --download-only -y julia
rm "$work"/archives/libc6_*.deb
for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$folder"; done

triplet=$(basename "$(dirname "$folder"/usr/lib/*/libjulia.so.1)")
libraries=$folder/usr/lib/$triplet
cat >"$folder/julia" <<END
#!/bin/sh
export LD_LIBRARY_PATH="$libraries:$libraries/julia:$folder/lib/$triplet\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$folder/usr/bin/julia" "\$@"
END
chmod +x "$folder/julia"
"$folder/julia" --startup-file=no -e 'try error("thrown") catch; end; println("julia ", VERSION)'
