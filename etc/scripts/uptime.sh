#!/bin/sh
# uptime: from /proc, which needs no other program.
set -eu
read -r up _ </proc/uptime
read -r one five fifteen _ </proc/loadavg
up=${up%.*}
echo "up $((up / 86400))d $((up % 86400 / 3600))h $((up % 3600 / 60))m," \
    "load $one $five $fifteen"
