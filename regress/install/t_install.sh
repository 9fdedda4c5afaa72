#!/bin/sh
# make install DESTDIR=, its files and modes; uninstall leaves nothing; a
# second make has nothing to do; with every make that is here.
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0
# What the make that runs us passes on is not for these.
unset MAKEFLAGS MAKELEVEL MFLAGS MAKE DESTDIR PREFIX

if grep -q __asan_init chatopsd/chatopsd; then
	echo "SKIP install: this is a build for tests"
	echo "0 passed, 0 failed"
	exit 0
fi

ok() {
	passed=$((passed + 1))
}

not_ok() {
	failed=$((failed + 1))
	echo "FAILED $*"
}

check() {
	what=$1
	shift
	if "$@"; then ok; else not_ok "$what"; fi
}

mode_is() {
	[ -f "$2" ] && [ "$(stat -c %a "$2")" = "$1" ]
}

# A copy that is built already: other tests use the programs here.
src=$tmp/src
mkdir "$src"
cp -pR Makefile config.mk LICENSE ./*.md .ci .paths auditd chatopsd common \
    etc executor man "$src" 2>/dev/null
mkdir "$src/regress"
cp -p regress/Makefile "$src/regress"
cd "$src" || exit 1

try() {
	make=$1
	d=$tmp/$make
	$make -s all >"$tmp/log" 2>&1 || { not_ok "$make all"; cat "$tmp/log"; }
	find . -newer "$tmp/log" -type f >"$tmp/new"
	touch "$tmp/stamp"
	sleep 0.01
	$make all >"$tmp/log" 2>&1 || not_ok "second $make all"
	find . -newer "$tmp/stamp" -type f >"$tmp/new"
	check "second $make changes: $(cat "$tmp/new")" [ ! -s "$tmp/new" ]

	$make install DESTDIR="$d" >"$tmp/log" 2>&1 ||
	    { not_ok "$make install"; cat "$tmp/log"; }
	for f in sbin/chatopsd sbin/chatopsctl \
	    libexec/chatopsd/chatops-executor \
	    libexec/chatopsd/chatops-network \
	    libexec/chatopsd/chatops-auditd; do
		check "$make: $f" mode_is 755 "$d/usr/local/$f"
	done
	for f in man/man8/chatopsd.8 man/man8/chatopsctl.8; do
		check "$make: $f" mode_is 644 "$d/usr/local/share/$f"
	done
	unit=$d/usr/local/lib/systemd/system/chatopsd.service
	check "$make: unit" mode_is 644 "$unit"
	check "$make: unit has places" grep -q \
	    '^ExecStart=/usr/local/sbin/chatopsd -d -f /etc/chatopsd/' "$unit"
	check "$make: folder of the configuration" [ -d "$d/etc/chatopsd" ]
	check "$make: nothing has a place left open" \
	    sh -c "! grep -rq '@S[A-Z]*DIR@' '$d'"
	check "$make: nothing for others to write" \
	    [ -z "$(find "$d" ! -type l -perm /022)" ]
	# The config holds a token one day: its example is private already.
	c=$d/usr/local/share/chatopsd/bot.config.json
	[ ! -e "$c" ] || check "$make: example is private" mode_is 600 "$c"

	$make uninstall DESTDIR="$d" >"$tmp/log" 2>&1 ||
	    { not_ok "$make uninstall"; cat "$tmp/log"; }
	check "$make: uninstall leaves $(find "$d" -mindepth 1 2>/dev/null)" \
	    [ -z "$(find "$d" -mindepth 1 2>/dev/null)" ]
}

try make
if command -v bmake >/dev/null; then
	try bmake
else
	echo "SKIP bmake: not installed"
fi

# Another PREFIX: built anew for it, found there, and what is somebody
# else's stays.
d=$tmp/other
mkdir -p "$d/opt/c/share"
touch "$d/opt/c/share/theirs"
make install DESTDIR="$d" PREFIX=/opt/c SYSCONFDIR=/opt/c/etc \
    >"$tmp/log" 2>&1 || { not_ok "install elsewhere"; cat "$tmp/log"; }
check "program has its place" grep -q /opt/c/libexec/chatopsd \
    "$d/opt/c/sbin/chatopsd"
check "manual has its place" grep -q /opt/c/etc/bot.config.json \
    "$d/opt/c/share/man/man8/chatopsd.8"
make uninstall DESTDIR="$d" PREFIX=/opt/c SYSCONFDIR=/opt/c/etc \
    >"$tmp/log" 2>&1
check "their file stays" [ -e "$d/opt/c/share/theirs" ]
check "and nothing else" [ "$(find "$d" -type f | wc -l)" = 1 ]

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
