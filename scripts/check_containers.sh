#!/usr/bin/env bash
# Build containers/Dockerfile from the wheel in dist/ (make wheel) with buildah, and use the image; then run what
# containers/syntrans.def says (%files, %post, %test, %runscript) in the same base image, as Apptainer would.
#   scripts/check_containers.sh [EXTRA]      EXTRA: a name of docs/install.md; left out: the base alone
# It runs where containers may not make namespaces. A local image of FROM's name is taken before one of a registry.
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-}
image=syntrans-check:${extra:-base}
work=$(mktemp -d)
containers=()
clean() {
  for container in "${containers[@]}"; do buildah rm "$container" > /dev/null; done
  rm -rf "$work"
}
trap clean EXIT
chmod 755 "$work"
printf 'robin\nblue jay\n' > "$work/birds.txt"

start() { container=$(buildah from --pull "$1") && containers+=("$container"); }
inside() { buildah run --isolation chroot --volume "$work:/data" "$@"; }
section() { awk -v name="%$1" '/^%/ { on = $1 == name; next } on' containers/syntrans.def | sed "s/{{ EXTRA }}/$extra/g"; }

buildah bud --isolation chroot --network host --build-arg EXTRA="$extra" -f containers/Dockerfile -t "$image" .
start "$image"
inside "$container" -- syntrans --version
inside "$container" -- syntrans classes check birds.txt
inside --user 4242 "$container" -- syntrans classes check birds.txt
[ "$(inside "$container" -- id -u)" = 1000 ]

start "$(awk '$1 == "From:" { print $2 }' containers/syntrans.def)"
while read -r from to; do
  # shellcheck disable=SC2086 # a pattern, as Apptainer takes it
  [ -z "$from" ] || buildah copy "$container" $from "$to" > /dev/null
done < <(section files)
for part in post test runscript; do section "$part" > "$work/$part"; done
inside "$container" -- /bin/sh -e /data/post
inside "$container" -- /bin/sh -e /data/test
inside --user 4242 "$container" -- /bin/sh /data/runscript classes check /data/birds.txt
echo "$image was built and used; syntrans.def's commands too"
