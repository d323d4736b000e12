#!/bin/bash
# SPDX-License-Identifier: ISC
#
# make demo: installs what is missing, builds, and shows the whole path once;
# see demo.py.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ $(id -u) != 0 ]]; then
	echo "make demo: needs root, to run two private mail servers" >&2
	exit 77
fi
export ODMR_BUILD=${ODMR_BUILD:-$PWD/build}
tests/deps.sh demo
"${MAKE:-make}" --no-print-directory all
exec /usr/bin/python3 tests/demo.py
