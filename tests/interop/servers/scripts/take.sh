#!/bin/sh
# SPDX-License-Identifier: ISC
#
# take.sh SPOOL [--] RECIPIENT...: a delivery agent that keeps its standard
# input.
set -e
spool=$1
shift
[ "$1" != -- ] || shift
name=$(mktemp "$spool/XXXXXXXXXX")
cat >"$name.eml"
printf '%s\n' "$@" >"$name.new"
mv "$name.new" "$name.to"
rm "$name"
