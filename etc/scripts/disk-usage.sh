#!/bin/sh
# disk-usage: the file systems that the script can see.
set -eu
df -h -x devtmpfs 2>/dev/null || df -h
