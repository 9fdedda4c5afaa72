#!/bin/sh
# echo TEXT: one argument is one argument, whatever is in it.
set -eu
printf '%s\n' "$1"
