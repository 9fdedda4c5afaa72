#!/bin/sh
# What a script can see of the machine.
echo "process $$"
echo "processes: $(ls /proc | grep -c '^[0-9]')"
echo "network: $(grep -c : /proc/net/dev) interface(s)"
echo "input: $(readlink /proc/self/fd/0)"
echo "environment:"
env | sort
