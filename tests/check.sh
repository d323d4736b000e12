#!/bin/bash
# SPDX-License-Identifier: ISC
#
# make check: builds, then the unit tests, then the tests against the running
# programs. An ordinary user gets those that need no root, and a list of the
# others. Called by make, which sets MAKE and ODMR_BUILD; further arguments go
# to pytest.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export ODMR_BUILD
: "${MAKE:=make}" "${ODMR_BUILD:=$PWD/build}"
PYTHON=/usr/bin/python3

if [[ $(id -u) == 0 ]]; then
	tests/deps.sh test || exit 1
else
	tests/deps.sh test
fi
"$MAKE" --no-print-directory all unit || exit 1

failed=()
for source in tests/unit/test_*.c; do
	program=$ODMR_BUILD/unit/$(basename "$source" .c)
	echo "---- $program"
	"$program" || failed+=("$program")
done

# The same runs each time: what one machine has found is another one's too.
# "make property" takes new ones.
tests/property/property.py --seed 1 --seconds 60 || failed+=("the property test")

# -rfEs: at the end, what failed, and what was skipped and why. With CI=true only
# what tests/odmr/skips.py lists may be.
"$PYTHON" -m pytest -rfEs -p no:cacheprovider -n 4 --dist loadfile \
    tests "$@" || failed+=(pytest)

if ((${#failed[@]} > 0)); then
	echo "make check: FAILED: ${failed[*]}"
	exit 1
fi
echo "make check: passed ($ODMR_BUILD)"
