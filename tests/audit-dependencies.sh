#!/usr/bin/env bash
# Ask the public advisory database about every locked package. Known vulnerabilities fail; without a
# network, or where the database answers for none of them, one line says that nothing was audited
# (a failure with AUDIT=required, for machines that have a network). Usage: tests/audit-dependencies.sh DIRECTORY-OF-PIP-AUDIT
set -u
cd "$(dirname "$0")/.."
found="$(timeout 120 "$1/pip-audit" --disable-pip --require-hashes -r requirements.txt \
  --progress-spinner off --timeout 10 2>&1)"
code=$?
if grep -q '^Found [1-9]' <<<"$found"; then
    printf '%s\n' "$found"
    exit 1
fi
unknown="$(grep -c 'could not be audited' <<<"$found")"
all="$(grep -c '^[a-z].*==' requirements.txt)"
if [ "$code" -ne 0 ] || [ "$unknown" -ge "$all" ]; then
    echo "dependency audit: not done, the advisory database cannot be reached" >&2
    [ "${AUDIT:-}" != required ]
    exit
fi
echo "dependency audit: $((all - unknown)) of $all locked packages, no known vulnerability"
