#!/bin/sh
# A deployment that only pretends: it says what it would do, step by step.
set -eu
service=$1 environment=$2
echo "deploying $service to $environment"
for step in 'fetching release' 'checking signature' 'switching over'; do
	echo "  $step"
	sleep 1
done
echo "done; asked for by $CHATOPS_USERNAME in job $CHATOPS_JOB"
