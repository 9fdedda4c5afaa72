#!/bin/sh
# Runs into its timeout, and would rather not end.
trap '' TERM
echo "sleeping"
sleep 60 &
wait
sleep 60
