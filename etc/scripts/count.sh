#!/bin/sh
# count TO: a line each second.
set -eu
i=1
while [ "$i" -le "$1" ]; do
	echo "$i"
	[ "$i" -eq "$1" ] || sleep 1
	i=$((i + 1))
done
