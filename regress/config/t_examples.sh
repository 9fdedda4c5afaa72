#!/bin/sh
# The examples in etc/: the scripts run, with the words that the allowlist
# there would give them, and do what they say.
set -u
cd "$(dirname "$0")/../../etc/scripts" || exit 2
CHATOPS_JOB=7 CHATOPS_USERNAME=alice
PATH=/usr/bin:/bin
export CHATOPS_JOB CHATOPS_USERNAME PATH
passed=0 failed=0

# what, exit status, pattern that the output has, command
check() {
	what=$1 status=$2 pattern=$3
	shift 3
	out=$("$@" 2>&1 </dev/null)
	got=$?
	if [ "$got" = "$status" ] && printf '%s\n' "$out" |
	    grep -q -e "$pattern"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED %s: status %s, output:\n%s\n' "$what" "$got" \
		    "$out"
	fi
}

check deploy 0 '^api-server is live in staging$' \
    ./deploy.sh api-server staging
check 'dry run' 0 '^dry run: nothing was changed$' \
    ./deploy.sh api-server staging --dry-run
check restart 0 '^web/3 is up$' \
    ./restart.sh --service=web --instance=3 --force=true
check 'unknown argument' 64 'unknown argument' ./restart.sh --x=1
# shellcheck disable=SC2016
check echo 0 '^-n \$HOME  \*$' ./echo.sh '-n $HOME  *'
check disk-usage 0 '%' ./disk-usage.sh
check uptime 0 '^up [0-9]*d [0-9]*h [0-9]*m, load ' ./uptime.sh
check count 0 '^2$' ./count.sh 2
for f in *.sh; do
	check "mode of $f" 0 '^-rwxr-xr-x' ls -l "$f"
	if ! grep -q "\"./scripts/$f\"" ../script-allowlist.json; then
		echo "FAILED $f is not in the allowlist"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
