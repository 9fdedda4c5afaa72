#!/usr/bin/env python3
"""Every layer refuses on its own: the answer, its reference number, the
line with that number, and nothing run."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import scene
import standin
from lib import IS_ROOT, wait_until
from scene import Clock, Scene, teeth

tally = lib.Tally()
# In a mount namespace: a small file system in place of a folder.
FULL = """set -e
cp -a "$1" "$2"
mount -t tmpfs -o "mode=$(stat -c %a "$2"),uid=$(stat -c %u "$2"),\
gid=$(stat -c %g "$2"),size=8m" none "$1"
cp -a "$2/." "$1/"
shift 2
exec "$@"
"""
PATTERNS = ("../x", "a/../../etc", "${HOME}", "$(id)", "a;b", "a&b", "a|b",
            "a`id`", "`")


def many_scripts(s):
    ch = s.mm.channels
    s.script("flagged", scene.MARK, requiredFlags=["deploy", "night"])
    s.script("boss", scene.MARK, requiredPermission="admin")
    s.script("off", scene.MARK, enabled=False)
    s.script("byid", scene.MARK, allowedChannels=[ch["deployments"]])
    s.script("byname", scene.MARK, allowedChannels=["deployments"])
    s.script("byteam", scene.MARK, allowedChannels=["other/operations"])
    s.script("nowhere", scene.MARK, allowedChannels=["no-such-channel"])
    s.script("args", scene.MARK, requiredPermission="user", arguments={
        "free": {"type": "string"},
        "word": {"type": "string", "regex": "[a-z]+", "length": 8},
        "count": {"type": "integer", "min": 1, "max": 10},
        "ratio": {"type": "number", "min": -1, "max": 1},
        "sure": {"type": "boolean"},
        "kind": {"type": "enum", "values": ["red", "green"],
                 "required": True},
        "any": {"type": "string", "regex": ".*"},
        "dash": {"type": "string", "allowLeadingDash": True}})
    s.script("secret", '#!/bin/sh\necho "got $1 and $1."\n',
             arguments={"pin": {"type": "string", "secret": True,
                                "required": True}})
    s.script("limited", scene.MARK, rateLimit={"count": 2, "per": "1h"})


def permission(s):
    s.refused("carol", "!hello", "permission", "needs the level operator")
    s.refused("bob", "!boss", "permission", "needs the level admin")
    s.refused("carol", "!run hello", "permission")
    for command in ("adduser @carol admin", "users", "ban @carol x 1h",
                    "reload", "audit", "chattr @bob +x", "deluser @alice",
                    "explain @alice mark", "unban @carol", "bans"):
        s.refused("bob", "!" + command, "permission", "needs the level admin")
    s.refused("carol", "!status", "permission")
    s.runs("alice", "!boss", "ran")
    s.runs("bob", "!hello", "hello")


def flags(s):
    s.refused("bob", "!flagged", "flags", "needs the flag deploy")
    s.ask("alice", "!chattr @bob +deploy", "Reference")
    s.refused("bob", "!flagged", "flags", "needs the flag night")
    s.ask("alice", "!chattr @bob +night", "Reference")
    s.runs("bob", "!flagged")
    s.ask("alice", "!chattr @bob -deploy", "Reference")
    s.refused("bob", "!flagged", "flags", "deploy")
    s.runs("alice", "!flagged")
    s.ask("alice", "!chattr @carol +deploy +night", "Reference")
    s.refused("carol", "!flagged", "permission")


def allowlist(s):
    s.refused("bob", "!frobnicate", "unknown-command", "there is no command")
    s.refused("bob", "!off", "disabled", "switched off")
    s.refused("alice", "!off", "disabled")
    said = s.refused("bob", "!helo", "unknown-command", "did you mean")
    tally.check("hello" in said or "help" in said, "it is near", said)
    # boss is for admins: bob is not told that it is there.
    said = s.refused("bob", "!bosss", "unknown-command")
    tally.check("did you mean" not in said, "nothing that he may not", said)
    s.refused("alice", "!bosss", "unknown-command", "did you mean boss")
    said = s.refused("carol", "!flaged", "unknown-command")
    tally.check("flagged" not in said, "nothing that she may not", said)
    s.refused("bob", "!run ping", "unknown-command")
    s.refused("bob", "!run", "arguments")
    s.refused("bob", "!hello.sh", "unknown-command")
    said = s.ask("carol", "!scripts", "Scripts that you may run")
    tally.check("mark" in said and "hello" not in said and
                "boss" not in said, "scripts of a nobody", said)
    said = s.ask("carol", "!help", "What you may run")
    tally.check("adduser" not in said and "flagged" not in said,
                "help of a nobody", said)
    s.refused("carol", "!help hello", "unknown-command")
    s.refused("carol", "!help adduser", "unknown-command")


def channels(s):
    for name in ("byid", "byname"):
        s.refused("bob", "!" + name, "channel", "may not be run in this")
        s.runs("bob", "!" + name, channel="deployments")
        s.refused("alice", "!" + name, "channel", channel="random")
    # The same name in another team is another channel.
    s.refused("bob", "!byteam", "channel")
    s.runs("bob", "!byteam", channel="other/operations")
    s.refused("bob", "!nowhere", "channel-unknown", "no-such-channel")
    direct = s.mm.direct("bob", "chatops")
    s.refused("bob", "byname", "channel", channel=direct)
    s.runs("bob", "mark x", channel=direct)
    said = s.ask("bob", "!scripts", "Scripts", channel="random")
    tally.check("byid" not in said and "hello" in said,
                "only what runs here is listed", said)


def arguments(s):
    def bad(words, match):
        said = s.refused("bob", "!args " + words, "arguments", match)
        tally.check("usage: " in said, "the usage is told: " + words, said)
        return said

    for p in PATTERNS:
        bad("kind=red free='%s'" % p, "free")
        # A pattern of the script's own does not let them through.
        bad("kind=red any='%s'" % p, "any")
    bad("kind=red word=ABC", "word")
    bad("kind=red word=abcdefghi", "word")
    bad("kind=red free='ünïcode'", "free")
    bad("kind=red free='" + "x" * 257 + "'", "free")
    for value in ("0", "11", "1.5", "x", "1e1", "", "99999999999999999999",
                  "0x1", "+1", "01"):
        bad("kind=red count='%s'" % value, "count")
    for value in ("-2", "1.01", "nan", "inf", "1,0"):
        bad("kind=red ratio=%s" % value, "ratio")
    for value in ("yes", "1", "TRUE", ""):
        bad("kind=red sure='%s'" % value, "sure")
    bad("kind=blue", "kind")
    bad("kind=Red", "kind")
    bad("kind=red free='-rf'", "free")
    bad("kind=red nope=1", "nope")
    bad("kind=red --nope 1", "nope")
    said = bad("kind=red wrod=abc", "wrod")
    tally.check("did you mean" in said and "word" in said, "near it", said)
    bad("kind=red kind=green", "kind")
    bad("kind=red --kind=green", "kind")
    bad("free=x", "kind")
    bad("a b 1 1 true red c d e", "")
    s.runs("bob", "!args kind=red free='a b' word=abc count=10 ratio=-0.5 "
           "sure=true dash=-x any='ü'", "ran a b abc 10 -0.5 true red ü -x")
    s.runs("bob", "!args x abc 1 1 false green y z",
           "ran x abc 1 1 false green y z")
    s.runs("bob", "!args --kind red --count=3 --sure", "ran   3  true red")
    s.refused("bob", "!ping x", "arguments", "fewer")
    s.refused("bob", "!hello x", "arguments")
    for text in ("!args 'kind=red", '!args "kind', "!args kind=red\\"):
        s.refused("bob", text, "words")
    for text in ("!mark a\u200bb", "!ma\u202erk", "!mark \u001b[31m",
                 "!mark a\nb", "!mark \u2066x", "!mark \ufeffx",
                 "!mark \u00adx", "!mark\u0085"):
        s.refused("bob", text, "text")


def secret(s):
    said = s.runs("bob", "!secret pin=hunter2hunter2", "got ")
    tally.check("hunter2" not in said and "got" in said, "masked", said)
    line = s.events("execution")[-1]
    tally.check("hunter2" not in json.dumps(s.log()) and
                line["arguments"]["pin"].startswith("hmac-sha256:"),
                "the log does not have it", line)
    s.refused("bob", "!secret pin=hunter2hunter2 pin=x", "arguments")
    s.refused("bob", "!secret hunter2hunter2 more", "arguments")
    tally.check("hunter2" not in json.dumps(s.log()),
                "nor of what was refused")


def age(s):
    now = int(time.time() * 1000)
    for off, text in ((-61000, "old"), (61000, "future"),
                      (-3600000, "an hour"), (3600000, "next hour")):
        post = s.mm.raw_post("bob", "operations", "!mark " + text,
                             create_at=now + off)["id"]
        s.refused("bob", "!mark " + text, "age", "60|1m", post=post)
    for off in (-50000, 50000):
        post = s.mm.raw_post("bob", "operations", "!mark near",
                             create_at=now + off)["id"]
        tally.check(s.answer(post, "ran near"), "within its time: %d" % off,
                    s.thread(post))


def script_rate(s):
    s.runs("bob", "!limited")
    s.runs("bob", "!limited")
    s.refused("bob", "!limited", "rate-script", "try again in")
    s.runs("alice", "!limited")


def output(s):
    s.script("noisy", "#!/bin/sh\n"
             "printf '@all @channel @here @bob\\n'\n"
             "printf '```\\n````text\\n~~~\\n'\n"
             "printf '\\033[31mred\\033[0m\\033]0;title\\007\\r\\n'\n"
             "printf 'bad\\377\\376utf\\200\\n'\n"
             "printf 'zero\\000\\xe2\\x80\\xaebidi\\n'\n")
    s.script("long", "#!/bin/sh\ni=0\nwhile [ $i -lt 400 ]; do\n"
             "echo \"line $i of what is long enough\"\ni=$((i+1))\ndone\n")
    s.script("loud", "#!/bin/sh\necho out\necho err >&2\nexit 3\n")
    s.bot.write()
    s.ask("alice", "!reload", "in force")
    after = s.mm.last()
    said = s.runs("bob", "!noisy", "@all")
    tally.check("\x1b" not in said and "\r" not in said and
                "\x07" not in said and "\x00" not in said and
                "\u202e" not in said, "no control characters", repr(said))
    tally.check("red" in said and "bad\ufffd" in said,
                "the text stays, invalid UTF-8 is replaced", repr(said))
    fence = said.split("\n")[1]
    tally.check(set(fence) == {"`"} and len(fence) >= 5 and
                said.rstrip("\n").split("\n")[-1] == fence and
                said.index("@all") > said.index(fence),
                "a fence that is longer than any inside", repr(said))
    # Mentions come by an edit, which notifies nobody.
    for e in s.mm.log("post", after, equal={"by": s.mm.bot["id"]}):
        tally.check("@" not in e["message"], "no mention in a new post", e)
    after = s.mm.last()
    said = s.runs("bob", "!long", r"\.\.\. \(truncated\)")
    tally.check(len(said) < 4800 and "line 0 " in said, "cut", len(said))
    e = s.mm.wait("post", 10, after, match={"message": "whole output"})
    tally.check(len(e["file_ids"]) == 1, "and attached", e)
    whole = s.mm.rest("GET", "/files/" + e["file_ids"][0], token="alice")
    tally.check(whole.status == 200 and whole.text ==
                "".join("line %d of what is long enough\n" % i
                        for i in range(400)), "the whole of it",
                whole.text[:200])
    said = s.ask("bob", "!loud", "exit status 3")
    tally.check("out\nerr" in said, "both streams, in order", said)
    line = s.events("execution")[-1]
    tally.check(line["success"] is False and line["exitCode"] == 3,
                "its line", line)


def policy_layers():
    with Scene(tally, limits={"messageAge": "60s"}) as s:
        many_scripts(s)
        s.up()
        for layer in (permission, flags, allowlist, channels, arguments,
                      secret, age, script_rate, output):
            layer(s)
        s.settle()
        # Every refusal said the truth; would a wrong one be seen?
        teeth(tally, "another reason", lambda q: retell(s, q, "flags"))
        s.down()
        s.verify()


def retell(s, q, reason):
    keep, s.t = s.t, q
    try:
        s.refused("carol", "!hello", reason)
    finally:
        s.t = keep


def bans():
    with Scene(tally) as s:
        clock = Clock(s.bot)
        s.up(wrap=clock.wrap or ())
        s.ask("alice", '!ban @carol "too loud" 2s', "banned until")
        s.refused("carol", "!help", "banned", "too loud|banned")
        post = s.say("carol", "!ping")
        tally.check(wait_until(lambda: any(
            e["detail"].get("postId") == post and
            e["detail"]["reason"] == "banned" for e in s.events("denied")),
            5), "each one is written", s.events("denied"))
        tally.check(not s.thread(post), "but told once", s.thread(post))
        time.sleep(2.1)
        s.ask("carol", "!ping", "pong")
        s.ask("alice", "!ban @carol again permanent", "for good")
        s.ask("alice", "!ban @mallory x 7d", "banned until")
        s.ask("alice", "!bans", "carol.*permanent")
        s.refused("mallory", "!whoami", "banned")
        s.refused("alice", "!ban @carol x 5y", "arguments")
        s.refused("alice", "!ban @carol x", "arguments")
        if clock.wrap:
            clock.jump(3601)
            s.well()
            s.refused("carol", "!ping", "banned")
            post = s.say("carol", "!mark x")
            s.settle()
            tally.check(not s.thread(post), "and once an hour",
                        s.thread(post))
        else:
            tally.skip("once an hour", clock.why)
        s.ask("alice", "!unban @carol", "not banned any more")
        s.runs("carol", "!mark free")
        clock.close()
        s.down()
        s.verify()


def rates():
    limits = {"userRate": {"count": 4, "per": "1h"},
              "globalRate": {"count": 9, "per": "1h"}}
    with Scene(tally, limits=limits) as s:
        s.up()
        for i in range(4):
            s.ask("carol", "!ping", "pong")
        s.refused("carol", "!ping", "rate-user", "from you")
        # What is refused so is not counted again, and folded in the end.
        for i in range(12):
            s.say("carol", "!ping %d" % i)
        s.ask("bob", "!ping", "pong")
        tally.check(wait_until(lambda: len([
            e for e in s.events("denied") if e["userId"] == s.uid("carol")])
            == 5, 5), "a flood is not written line by line",
            len(s.events("denied")))
        for i in range(3):
            s.ask("bob", "!ping", "pong")
        s.refused("bob", "!ping", "rate-user")
        s.ask("alice", "!ping", "pong")
        s.refused("alice", "!ping", "rate-global", "from everybody")
        s.refused("mallory", "!ping", "rate-global")
        s.down()
        folded = [e for e in s.events("denied") if e["detail"]["count"] > 1]
        tally.check(len(folded) == 1 and folded[0]["detail"]["count"] == 8
                    and folded[0]["userId"] == s.uid("carol"),
                    "what was counted is written at the end", folded)
        s.verify()
        # The limits survive a restart.
        s.up(admin=False)
        s.refused("carol", "!ping", "rate-user")
        s.down()


def audit_stopped():
    with Scene(tally) as s:
        s.up()
        s.runs("bob", "!mark before")
        pid = s.bot.children()["audit"]
        os.kill(pid, signal.SIGSTOP)
        try:
            ran = s.ran()
            posts = [s.say("bob", "!mark stopped%d" % i) for i in range(3)]
            nope = s.say("carol", "!hello")
            s.ask("alice", "!ping", "pong", "random")
            time.sleep(0.5)
            tally.check(s.ran() == ran, "nothing runs without an ACK")
            tally.check(not s.thread(nope), "nor is a refusal told")
        finally:
            os.kill(pid, signal.SIGCONT)
        for i, post in enumerate(posts):
            tally.check(s.answer(post, "exit status 0"), "then it runs",
                        s.thread(post))
        tally.check(s.answer(nope, "^Refused"), "and the refusal is told")
        tally.check(s.ran() == ran + 3, "each exactly once", s.ran())
        s.down()
        s.verify()


def audit_stopped_long():
    """An intent that took too long is void, and says so."""
    with Scene(tally) as s:
        clock = Clock(s.bot)
        if clock.wrap is None:
            tally.skip("stopped audit", clock.why)
            return
        s.up(wrap=clock.wrap)
        pid = s.bot.children()["audit"]
        os.kill(pid, signal.SIGSTOP)
        try:
            post = s.say("bob", "!mark late")
            s.ask("alice", "!ping", "pong", "random")
            clock.jump(31)
            tally.check(s.answer(post, "Nothing runs at the moment.*audit"),
                        "it is told", s.thread(post))
        finally:
            os.kill(pid, signal.SIGCONT)
        tally.check(s.answer(post, "not started.*too long"), "void",
                    s.thread(post))
        tally.check(b"late\n" not in s.seen and s.ran() in (0, 1),
                    "it never ran", s.seen)
        tally.check(wait_until(lambda: s.status("audit")[0] == "ok" or
                               "line" in s.status("audit")[1], 5),
                    "audit is well again", s.status("audit"))
        s.runs("bob", "!mark again")
        tally.check(b" late\n" not in s.seen, "and never does", s.seen)
        clock.close()
        s.down()
        s.verify()


def fill(path):
    """Fill a file system to the last byte: the file that does it."""
    name = path + "/filler"
    with open(name, "wb", buffering=0) as f:
        for size in (65536, 4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass
    return name


def full_disk(which):
    with Scene(tally) as s:
        s.bot.write()
        # The folders and the keys are made by a first run.
        s.up()
        s.down()
        s.verify()
        path = s.bot.path(which)
        copy = s.bot.path("copy")
        wrap = ["unshare", "-m", "sh", "-c", FULL, "sh", path, copy]
        s.up(wrap=wrap, admin=False)
        inside = "/proc/%d/root%s" % (s.bot.proc.pid, path)
        if which == "logs":
            s.logs = inside
        s.runs("bob", "!mark before")
        filler = fill(inside)
        posts = [s.say("bob", "!mark full%d" % i) for i in range(4)]
        told = wait_until(lambda: any("Nothing runs" in m or "Refused" in m
                                      for p in posts for m in s.thread(p)), 5)
        tally.check(told, "full %s: it is told" % which,
                    [s.thread(p) for p in posts])
        time.sleep(0.3)
        os.unlink(filler)
        if tally.check(s.bot.proc.poll() is None,
                       "full %s: it lives" % which, s.bot.text()[-1500:]):
            tally.check(wait_until(
                lambda: try_run(s), 8), "full %s: it recovers" % which,
                s.bot.text()[-1500:])
            s.ran()
            marks = s.seen.decode()
            log = s.log()
            intents = [e for e in log if e["event"] == "intent"]
            done = [e for e in log if e["event"] == "execution"]
            tally.check(len(intents) == len(done) and
                        sorted(e["executionId"] for e in intents) ==
                        sorted(e["executionId"] for e in done),
                        "full %s: no intent without its result" % which,
                        (len(intents), len(done)))
            started = [e for e in done if e["exitCode"] == 0]
            tally.check(len(started) == marks.count("\n"),
                        "full %s: what ran is what is recorded" % which,
                        (len(started), marks))
        status = s.bot.stop()
        tally.check(status == 0, "full %s: stop" % which,
                    (status, s.bot.text()[-1500:]))


def try_run(s):
    post = s.say("bob", "!mark after")
    try:
        s.mm.wait_any(("post", "patch"), 1.5, 0,
                      {"root_id": post, "by": s.mm.bot["id"]},
                      {"message": "exit status 0"})
        return True
    except standin.Timeout:
        return False


def token_refused():
    with Scene(tally) as s:
        clock = Clock(s.bot)
        good = s.mm.bot["token"]
        s.bot.config["mattermost"]["token"] = "x7token9of8the6bot5here432"
        s.bot.write()
        after = s.mm.last()
        ok = s.bot.start(wrap=clock.wrap or ())
        tally.check(ok and wait_until(lambda: "ALARM" in s.bot.text(), 10),
                    "401 at the start is an alarm", s.bot.text())
        tally.check("next try in 6" in s.bot.text(), "and a slow retry",
                    s.bot.text())
        time.sleep(1)
        tries = [e for e in s.mm.log("request", after)
                 if "/users/me" in e.get("path", "")]
        tally.check(0 < len(tries) <= 3, "few requests", tries)
        tally.check("x7token" not in s.bot.text(), "no token in the log")
        state, _ = s.status("network")
        tally.check("refused" in state, "status", state)
        s.down()
        s.bot.config["mattermost"]["token"] = good
        s.up(wrap=clock.wrap or ())
        # Revoked while connected: the socket stays, the ping fails.
        revoke(s, False)
        if clock.wrap:
            before = s.bot.text().count("ALARM")
            clock.jump(31)
            tally.check(wait_until(lambda: s.bot.text().count("ALARM") >
                                   before, 10), "revoked: alarm",
                        s.bot.text()[-800:])
            after = s.mm.last()
            post = s.say("bob", "!mark away")
            revoke(s, True)
            clock.jump(70)
            s.mm.wait_bot(10, after)
            # The server kept the event for this connection: it is resumed.
            tally.check(s.answer(post, "exit status 0") and
                        s.ran() == 1, "recovered, and run once",
                        s.thread(post))
            s.runs("bob", "!mark back")
        else:
            tally.skip("token", clock.why)
        tally.check(good not in s.bot.text(), "no token in the log")
        clock.close()
        s.down()
        s.verify()


def revoke(s, back):
    path = "/users/tokens/" + ("enable" if back else "disable")
    s.mm.ok("POST", path, {"token_id": s.mm.bot["token_id"]}, "sysadmin")


def full_logs():
    if IS_ROOT:
        full_disk("logs")
    else:
        tally.skip("full disk", "needs root")


def full_data():
    if IS_ROOT:
        full_disk("data")


def main():
    todo = [policy_layers, bans, rates, audit_stopped, audit_stopped_long,
            token_refused, full_logs, full_data]
    for fn in todo:
        if len(sys.argv) < 2 or fn.__name__ in sys.argv[1:]:
            fn()


main()
tally.done()
