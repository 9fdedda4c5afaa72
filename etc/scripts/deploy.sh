#!/bin/sh
# deploy SERVICE ENVIRONMENT [--dry-run]: an example that changes nothing.
set -eu

service=$1
environment=$2
mode=${3:-}

step() {
	printf '%s\n' "-> $1"
	[ "$mode" = --dry-run ] || sleep 1
}

echo "deploying $service to $environment for $CHATOPS_USERNAME" \
    "(job $CHATOPS_JOB)"
step "fetch the release of $service"
step "check its signature"
step "switch $environment over"
step "wait for health checks"
if [ "$mode" = --dry-run ]; then
	echo "dry run: nothing was changed"
else
	echo "$service is live in $environment"
fi
