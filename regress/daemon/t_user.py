#!/usr/bin/env python3
"""The same conversation where the daemon is started by an ordinary user: by
a number without a name where the suite runs as root, else by ourselves."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import IS_ROOT
from scene import Scene, teeth

tally = lib.Tally()
USER = 64999


def talk(s):
    s.ask("alice", "!ping", "pong")
    s.runs("bob", "!mark one", "ran one")
    s.runs("bob", "!sandbox", "pid [12]\\b")
    s.refused("carol", "!hello", "permission")
    s.refused("bob", "!helo", "unknown-command", "did you mean")
    s.refused("bob", "!mark 'a;b'", "arguments")
    s.ask("alice", "!ban @carol x 1h", "banned until")
    s.refused("carol", "!ping", "banned")
    s.ask("alice", "!unban @carol", "not banned")
    said = s.ask("alice", "!status", "executor")
    tally.check("connected" in said, "status", said)
    said = s.ask("bob", "!slow", "killed after its time", timeout=8)
    line = s.events("execution")[-1]
    tally.check(line["detail"]["how"] == "timeout", "a timeout", line)


def users(s, q, want):
    for role, pid in s.bot.children().items():
        uids = lib.process(pid)[2]
        q.check(uids == [want] * 4, "%s is of user %d" % (role, want), uids)


def main():
    user = USER if IS_ROOT else None
    with Scene(tally, user=user) as s:
        s.script("sandbox", "#!/bin/sh\necho \"pid $$\"\nid -u\n"
                 "cat /proc/self/status | grep NoNewPrivs\n")
        s.script("slow", "#!/bin/sh\nsleep 60\n", timeout=300)
        s.up()
        want = user if IS_ROOT else os.geteuid()
        users(s, tally, want)
        teeth(tally, "another user", lambda q: users(s, q, want + 1))
        talk(s)
        s.down()
        s.verify()
        # What it keeps is its user's alone.
        for name in ("data/bot.db", "logs/script-executions.log"):
            st = os.stat(s.bot.path(*name.split("/")))
            tally.check(st.st_uid == want and not st.st_mode & 0o077,
                        name, oct(st.st_mode))
        s.up(admin=False)
        s.runs("bob", "!mark two", "ran two")
        s.down()
        s.verify()


main()
tally.done()
