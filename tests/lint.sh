#!/bin/bash
# SPDX-License-Identifier: ISC
#
# make lint: formatter, analysers, shell scripts and manual pages. Says which
# of them complained; each runs whatever the others found. Called by make,
# which sets CC and the CPPFLAGS that the analysers need.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
mapfile -t sources < <(find lib odmrd milter odmrctl etrn-trigger tests -name '*.c' | sort)
mapfile -t programs < <(find lib odmrd milter odmrctl etrn-trigger -name '*.c' | sort)
mapfile -t headers < <(find lib odmrd milter odmrctl etrn-trigger tests -name '*.h' | sort)
mapfile -t scripts < <(find tests sql .ci postfix-conf debian -name '*.sh' \
    -o -name '*.bash' -o -path .ci/run -o -path 'debian/*.p*[mt]' | sort)
cppflags=()
# Quoted as for a shell.
eval "cppflags=(${CPPFLAGS:-})"
# Without the checks that dislike what C is: strcpy after a check of the length,
# two integers side by side, int arithmetic; one that finds va_list uninitialised
# after va_start, and one that misses that a signal is waited for.
tidy=('-*' 'bugprone-*' 'clang-analyzer-*'
    '-bugprone-assignment-in-if-condition'
    '-bugprone-bad-signal-to-kill-thread'
    '-bugprone-branch-clone'
    '-bugprone-easily-swappable-parameters'
    '-bugprone-implicit-widening-of-multiplication-result'
    '-bugprone-narrowing-conversions'
    '-bugprone-not-null-terminated-result'
    '-bugprone-reserved-identifier'
    '-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
    '-clang-analyzer-security.insecureAPI.strcpy'
    '-clang-analyzer-valist.Uninitialized')
queue_h=$(echo '#include <sys/queue.h>' |
    "${CC:-cc}" "${cppflags[@]}" -E -x c - |
    sed -n 's/^# 1 "\(.*queue\.h\)".*/\1/p' | head -n 1)
failed=()

check() { # name command...
	local name=$1
	shift
	echo "---- $name"
	"$@" || failed+=("$name")
}

headers_compile_alone() {
	local header status=0
	for header in "${headers[@]}"; do
		"${CC:-cc}" -std=c11 "${cppflags[@]}" -fsyntax-only -x c "$header" ||
		    status=1
	done
	return $status
}

# The names that the settings table knows are those of its NAMED() and FIXED()
# lines.
settings_are_documented() {
	local name status=0
	while read -r name; do
		grep -q "^\.It .*\b$name\b" man/odmr.conf.5 && continue
		echo "man/odmr.conf.5: no .It for $name"
		status=1
	done < <(sed -n 's/^\t{ [A-Z]*(\([a-z0-9_]*\)[,)].*/\1/p' lib/*.c)
	return $status
}

check clang-format clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"
check "headers compile alone" headers_compile_alone
# It knows the C library by itself, but not the macros of sys/queue.h. It does
# not see that their loops set the variable, nor that fatal() never returns.
check cppcheck cppcheck --quiet --error-exitcode=1 --suppress=uninitvar \
    --suppress=nullPointerRedundantCheck \
    --enable=warning,portability,performance -I. -D_GNU_SOURCE \
    "-DCONFDIR=\"/etc/odmr\"" "-DODMR_VERSION=\"0\"" "--include=$queue_h" "${programs[@]}"
check clang-tidy clang-tidy --quiet --warnings-as-errors='*' \
    --checks="$(IFS=,; echo "${tidy[*]}")" "${sources[@]}" \
    -- -std=c11 "${cppflags[@]}"
check shellcheck shellcheck "${scripts[@]}"
check mandoc mandoc -Tlint -Wwarning man/*.[1-8]
check "settings in odmr.conf.5" settings_are_documented
check "no include goes up" tests/storeys.py
check "seeded faults fit the code" tests/property/seeded.py --match

if ((${#failed[@]} > 0)); then
	printf 'make lint: FAILED:'
	printf ' %s;' "${failed[@]}"
	echo
	exit 1
fi
echo "make lint: passed"
