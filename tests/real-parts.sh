#!/usr/bin/env bash
# Make sure that the Debian packages in debian-packages.txt are there: installed when root,
# named when not. With CI=true a missing one is a failure; otherwise the tests that need it skip.
set -eu
list="$(dirname "$0")/debian-packages.txt"
missing=()
while read -r package; do
    [ -z "$package" ] || [ "${package#\#}" != "$package" ] && continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done < "$list"
[ "${#missing[@]}" -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
echo "missing for the tests: apt-get install ${missing[*]}" >&2
[ "${CI:-}" = "true" ] && exit 1
exit 0
