#!/bin/sh
# Prints each SQL file named as a C string: sql/state.sql becomes
# "static const char sql_state[]". As numbers, for ISO C promises no more than
# 4,095 characters to a string constant.
set -eu
for file in "$@"; do
	name=$(basename "$file" .sql | tr -c 'a-z0-9\n' _)
	printf 'static const char sql_%s[] = {\n' "$name"
	od -An -v -tu1 "$file" | sed -e 's/^ *//' -e 's/  */, /g' -e 's/$/,/'
	printf '0\n};\n'
done
