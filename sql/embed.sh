#!/bin/sh
# Prints each SQL file named as a C string constant: sql/state.sql becomes
# "static const char sql_state[]".
set -eu
for file in "$@"; do
	name=$(basename "$file" .sql | tr -c 'a-z0-9\n' _)
	printf 'static const char sql_%s[] =\n' "$name"
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\t"/' -e 's/$/\\n"/' "$file"
	printf '\t;\n'
done
