#!/usr/bin/env python3
"""Each system call with which the parent makes files, sockets and children
fails in turn.  It ends with 1 and says why, or goes on and stops in order;
it never hangs, and nobody is left behind."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import Bot, CHATOPSD

tally = lib.Tally()
CALLS = (("mkdirat", 4), ("fchmod", 4), ("fchown", 4), ("fchmodat", 1),
         ("flock", 1), ("ftruncate", 1), ("pwrite64", 6), ("unlinkat", 1),
         ("bind", 1), ("listen", 1), ("socketpair", 7), ("memfd_create", 5),
         ("clone", 4), ("epoll_create1", 1), ("seccomp", 3),
         ("landlock_create_ruleset", 1), ("chdir", 1), ("connect", 1))
ERRORS = ("EIO", "ENOSPC")


def mine(bot):
    """Processes that have this bot's folder in their command line."""
    found = []
    for name in os.listdir("/proc"):
        p = lib.process(int(name)) if name.isdigit() else None
        if p and p[1] != "Z" and bot.dir in p[3]:
            found.append((int(name), p[3]))
    return found


def one(call, when, error):
    """False when the call is not made that often."""
    what = "%s %d fails with %s" % (call, when, error)
    with Bot() as bot:
        trace = bot.path("trace")
        with open(bot.path("err"), "wb") as err:
            p = subprocess.Popen(
                ["strace", "-qq", "-o", trace, "-e", "trace=" + call, "-e",
                 "inject=%s:error=%s:when=%d" % (call, error, when),
                 CHATOPSD, "-d", "-f", bot.conf],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err)

        def text():
            with open(bot.path("err"), errors="replace") as f:
                return f.read()

        end = time.monotonic() + 20
        told = False
        while p.poll() is None and time.monotonic() < end:
            if not told and "all processes are ready" in text():
                for pid in lib.children(p.pid):
                    os.kill(pid, signal.SIGTERM)
                    told = True
            time.sleep(0.01)
        if not tally.check(p.poll() is not None, what + ": hangs", text()):
            for pid in lib.children(p.pid):
                os.kill(pid, signal.SIGKILL)
            p.wait()
            return True
        with open(trace, errors="replace") as f:
            injected = "INJECTED" in f.read()
        if not injected:
            return False
        tally.check(p.returncode in (0, 1), what + ": status",
                    (p.returncode, text()))
        tally.check(text().strip(), what + ": silent")
        tally.check(lib.wait_until(lambda: not mine(bot), 5),
                    what + ": somebody is left", mine(bot))
        return True


def can_trace():
    try:
        p = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"],
                           capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return p.returncode == 0


if can_trace():
    for n, (call, most) in enumerate(CALLS):
        for when in range(1, most + 1):
            if not one(call, when, ERRORS[(n + when) % 2]):
                break
else:
    tally.skip("failing system calls", "strace is not installed or may not")
tally.done()
