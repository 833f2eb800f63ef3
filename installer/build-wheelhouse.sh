#!/bin/sh
# Collect what a machine without internet needs, for the Python and the processor of this one:
# locked wheels, the project's own, weight files, map scripts, documents, an install script.
# usage: build-wheelhouse.sh PYTHON MODELS ASSETS OUT   writes OUT/patrol-VERSION-….tar.gz
set -eu
python=$1 models=$2 assets=$3 out=$4
version=$("$python" -c 'import patrol; print(patrol.__version__)')
tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-$(uname -m)
name=patrol-$version-$tag
rm -rf "$out/$name"
mkdir -p "$out/$name/wheels"
# Wheels alone: a machine without internet has no compiler either.
"$python" -m pip download -q --disable-pip-version-check --only-binary :all: --require-hashes \
  -r requirements.txt -d "$out/$name/wheels"
"$python" -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps \
  -w "$out/$name/wheels" .
cp requirements.txt "$out/$name/requirements.txt"
own=$(cd "$out/$name/wheels" && sha256sum patrol-*.whl | cut -d' ' -f1)
printf 'patrol[all]==%s --hash=sha256:%s\n' "$version" "$own" >> "$out/$name/requirements.txt"
printf '%s\n' "$tag" > "$out/$name/BUILT_FOR"
cp -RL "$models" "$out/$name/models"
[ ! -d "$assets" ] || cp -RL "$assets" "$out/$name/assets"
cp -R docs "$out/$name/docs"
cp LICENSE README.md README.zh-CN.md CHANGELOG.md "$out/$name/"
install -m 755 installer/install.sh "$out/$name/install.sh"
(cd "$out/$name" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs -d '\n' sha256sum > SHA256SUMS)
tar -C "$out" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"
(cd "$out" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
