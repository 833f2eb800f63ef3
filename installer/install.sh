#!/bin/sh
# 离线安装或升级，只用本目录的文件。 Install or upgrade offline, from the files of this directory alone.
# usage: install.sh [PREFIX]   PREFIX/.venv is the program, /opt/patrol if left out; PYTHON names another python3
set -eu
prefix=${1:-/opt/patrol}
python=${PYTHON:-python3}
cd "$(dirname "$0")"
unset PYTHONPATH PYTHONHOME  # what is installed runs alone, whatever the shell has set
say() { case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in ''|C|C.*|POSIX|zh*) echo "$1" ;; *) echo "$2" ;; esac; }
fail() { say "$1" "$2" >&2; exit "$3"; }

sha256sum --quiet -c SHA256SUMS >&2 || fail \
  "文件损坏或不全，请重新拷贝整个目录。" "a file is damaged or missing: copy the whole directory again." 2
built_for=$(cat BUILT_FOR)
here=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-$(uname -m) || fail \
  "没有 $python：请安装 python3-venv。" "there is no $python: install python3-venv." 2
[ "$here" = "$built_for" ] || fail \
  "本包适用于 $built_for，本机为 $here：用环境变量 PYTHON 指定相符的 Python，或换用相符的包。" \
  "this package is for $built_for, this machine has $here: name a Python that fits with PYTHON=, or take the package that fits." 2

if [ ! -x "$prefix/.venv/bin/python" ]; then
  mkdir -p "$prefix"
  "$python" -m venv "$prefix/.venv" || fail \
    "建不了虚拟环境：请安装 python3-venv。" "no virtual environment could be made: install python3-venv." 1
fi
made_with=$("$prefix/.venv/bin/python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-$(uname -m)
[ "$made_with" = "$built_for" ] || fail \
  "$prefix/.venv 属于 $made_with：请先移走，再运行本脚本。" \
  "$prefix/.venv is of $made_with: move it away, then run this again." 2
PIP_CONFIG_FILE=/dev/null "$prefix/.venv/bin/python" -m pip install -q --disable-pip-version-check --isolated \
  --no-index --find-links wheels --require-hashes -r requirements.txt
"$prefix/.venv/bin/patrol" --version
rm -rf "$prefix/docs"
cp -R docs "$prefix/docs"
say "已装入 $prefix/.venv。权重与脚本：patrol models install --from $PWD/models，patrol assets install --from $PWD/assets。下一步见 docs/install.md 第 3 节；升级见 docs/upgrade.md。" \
  "installed in $prefix/.venv. Weights and scripts: patrol models install --from $PWD/models, patrol assets install --from $PWD/assets. Next: docs/install.md, section 3; after an upgrade docs/upgrade.md."
