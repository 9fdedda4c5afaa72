#!/bin/sh
# restart --service=NAME --instance=N --force=true|false: an example of named
# arguments that changes nothing.
set -eu

for arg; do
	case $arg in
	--service=*)	service=${arg#*=} ;;
	--instance=*)	instance=${arg#*=} ;;
	--force=*)	force=${arg#*=} ;;
	*)		echo "unknown argument" >&2; exit 64 ;;
	esac
done

echo "restarting $service, instance $instance"
[ "$force" = true ] || echo "waiting for open requests"
sleep 1
echo "$service/$instance is up"
