#!/usr/bin/env python3
"""Jobs of the whole daemon: order, queue, cancelling, time, output, progress,
delivery, stop and crash; what is told, recorded and stored agrees."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import wait_until
from scene import Clock, Scene, teeth

tally = lib.Tally()
# Says that it began, waits until the test lets it go, says that it ended.
GATE = """#!/bin/sh
echo "start $1" >marks
read -r x <"go.$1"
echo "end $1" >marks
echo "done $1 $x"
"""
WORD = {"word": {"type": "string", "required": True}}
KILLED = """#!/bin/sh
trap '' TERM
echo "start $1" >marks
sleep 86399 &
(trap '' TERM; sleep 86398) &
while :; do sleep 86397; done
"""


class Jobs(Scene):
    def __init__(self, **kw):
        super().__init__(tally, **kw)
        self.gates = {}
        self.clock = None
        many = {"max": 8, "queue": 8}
        self.script("gate", GATE, arguments=WORD, concurrency=many)
        self.script("agate", GATE, arguments=WORD, concurrency=many,
                    **{"async": True})
        self.script("narrow", GATE, arguments=WORD,
                    concurrency={"max": 1, "queue": 1}, **{"async": True})
        self.script("stubborn", KILLED, arguments=WORD, timeout="1h",
                    **{"async": True})
        self.script("short", KILLED, arguments=WORD, timeout=300,
                    **{"async": True})
        for name in "abcdefghijkl":
            path = os.path.join(self.bot.dir, "scripts", "go." + name)
            os.mkfifo(path)
            os.chmod(path, 0o666)
            self.gates[name] = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def __exit__(self, *why):
        for fd in self.gates.values():
            os.close(fd)
        if self.clock is not None:
            self.clock.close()
        super().__exit__(*why)

    def go(self, name, word="well"):
        os.write(self.gates[name], word.encode() + b"\n")

    def marked(self, text, seconds=8):
        """A script has written that line."""
        def seen():
            self.ran()
            return text.encode() in self.seen.split(b"\n")
        return wait_until(seen, seconds)

    def count(self, text):
        self.ran()
        return self.seen.split(b"\n").count(text.encode())

    def begin(self, user, text):
        """(post, number, status post) of a job that has begun."""
        post = self.say(user, text)
        e = self.answer(post, "^job [0-9]+ ")
        if not tally.check(e is not None, "begins: " + text,
                           self.thread(post)):
            return post, 0, ""
        return post, int(e["message"].split()[1]), e["post_id"]

    def line(self, number):
        """The execution line of a job."""
        found = [e for e in self.events("execution")
                 if e["detail"]["job"] == number]
        return found[0] if len(found) == 1 else {"detail": {}, "n": found}


def order(s):
    a, b = s.say("bob", "!gate a"), s.say("bob", "!gate b")
    c = s.say("alice", "!gate c")
    tally.check(s.marked("start a") and s.marked("start c"),
                "two users at once", s.seen)
    tally.check(s.answer(b, "queued"), "one user one by one", s.thread(b))
    s.settle()
    tally.check(not s.count("start b"), "it waits", s.seen)
    d, e = s.say("bob", "!agate d"), s.say("bob", "!agate e")
    tally.check(s.marked("start d") and s.marked("start e"),
                "async waits for nobody", s.seen)
    s.go("a")
    tally.check(s.marked("start b"), "the next one's turn", s.seen)
    for name, post in zip("bcde", (b, c, d, e)):
        s.go(name)
        tally.check(s.answer(post, "exit status 0.*done " + name),
                    "ends: " + name, s.thread(post))
    tally.check(s.answer(a, "exit status 0"), "ends: a")
    tally.check(s.mm.wait_reaction(a, "white_check_mark", 5), "its sign")


def queue(s):
    f, g = s.begin("bob", "!narrow f"), s.say("alice", "!narrow g")
    tally.check(s.marked("start f") and s.answer(g, "queued"), "queued")
    s.refused("bob", "!narrow h", "busy", "waiting already")
    tally.check(not s.count("start g"), "max 1")
    s.go("f")
    tally.check(s.marked("start g"), "then the next")
    s.go("g")
    tally.check(s.answer(g, "exit status 0"), "and ends")
    tally.check(s.answer(f[0], "exit status 0"), "as the first did")


def gone(word):
    """No process of a killed script is left."""
    def left():
        p = subprocess.run(["ps", "-eo", "args"], capture_output=True)
        return any(("sleep " + w).encode() in p.stdout
                   for w in word.split())
    return wait_until(lambda: not left(), 5)


def cancel(s):
    post, n, _ = s.begin("bob", "!stubborn x")
    tally.check(s.marked("start x"), "it runs")
    s.refused("carol", "!cancel %d" % n, "permission", "no job")
    s.refused("carol", "!cancel 4711", "arguments", "no job 4711")
    s.refused("bob", "!cancel x", "arguments")
    s.refused("bob", "!cancel -1", "arguments")
    s.refused("bob", "!cancel", "arguments", "usage")
    s.ask("bob", "!cancel %d" % n, "is being cancelled")
    tally.check(s.answer(post, "cancelled by bob"), "told", s.thread(post))
    tally.check(s.mm.wait_reaction(post, "stop_button", 5), "its sign")
    line = s.line(n)
    tally.check(line["detail"].get("how") == "cancelled" and
                line["detail"].get("cancelledBy") == s.uid("bob") and
                line["success"] is False and line["exitCode"] == 137,
                "its line", line)
    tally.check(gone("86399 86398 86397"), "the whole tree is dead")
    s.refused("bob", "!cancel %d" % n, "arguments", "has ended")
    # By an admin who did not start it, and while it waits.
    post, n, _ = s.begin("bob", "!narrow h")
    wait, m, _ = s.begin("bob", "!narrow i")
    tally.check(s.answer(wait, "queued"), "one waits")
    s.ask("alice", "!cancel #%d" % m, "is being cancelled")
    tally.check(s.answer(wait, "not run: cancelled by alice.*Reference"),
                "cancelled while it waits", s.thread(wait))
    tally.check([e["detail"]["reason"] for e in s.events("denied")
                 if e["detail"]["postId"] == wait] == ["cancelled"],
                "a refusal in the log")
    s.ask("alice", "!cancel %d" % n, "is being cancelled")
    tally.check(s.answer(post, "cancelled by alice"), "by an admin")
    tally.check(not s.count("start i"), "it never began")


def cancel_by_reaction(s):
    post, n, status = s.begin("bob", "!agate j")
    tally.check(s.marked("start j"), "it runs")
    for user in ("mallory", "alice", "carol"):
        s.mm.react_as(user, status, "stop_button")
    s.mm.react_as("bob", status, "tada")
    s.mm.react_as("bob", post, "stop_button")
    s.settle()
    s.ask("bob", "!job %d" % n, "running")
    s.mm.react_as("bob", status, "stop_button")
    tally.check(s.answer(post, "cancelled by"), "by its starter's reaction",
                s.thread(post))
    tally.check(s.line(n)["detail"].get("cancelledBy") == s.uid("bob"),
                "its line", s.line(n))


def timeouts(s):
    post, n, _ = s.begin("bob", "!short y")
    tally.check(s.answer(post, "killed after its time"), "told",
                s.thread(post))
    line = s.line(n)
    tally.check(line["detail"].get("how") == "timeout" and
                line["success"] is False and
                300 <= line["durationMs"] < 5000, "its line", line)
    tally.check(gone("86399 86398 86397"), "the whole tree is dead")


def exits(s):
    for code in (0, 1, 3, 126, 127, 255):
        post, n, _ = s.begin("bob", "!exit %d" % code)
        tally.check(s.answer(post, "exit status %d after" % code),
                    "exit %d" % code, s.thread(post))
        line = s.line(n)
        tally.check(line["exitCode"] == code and
                    line["success"] is (code == 0) and
                    (line["error"] is None) == (code == 0), "line of exit "
                    "%d" % code, line)
        tally.check(s.mm.wait_reaction(
            post, "x" if code else "white_check_mark", 5), "sign")
    for sig in (9, 15, 11):
        post, n, _ = s.begin("bob", "!signal %d" % sig)
        tally.check(s.answer(post, "ended by signal %d" % sig),
                    "signal %d" % sig, s.thread(post))
        line = s.line(n)
        tally.check(line["exitCode"] == 128 + sig and
                    line["detail"].get("signal") == sig, "its line", line)
    post, n, _ = s.begin("bob", "!broken")
    tally.check(s.answer(post, "not started"), "no interpreter",
                s.thread(post))
    line = s.line(n)
    tally.check(line["success"] is False and line["exitCode"] is None,
                "its line", line)


def exit_scripts(s):
    number = {"n": {"type": "integer", "required": True}}
    s.script("exit", '#!/bin/sh\nexit "$1"\n', arguments=number)
    s.script("signal", '#!/bin/sh\nsh -c "kill -$1 \\$PPID"\nsleep 5\n',
             arguments=number)
    s.script("broken", "#!/no/such/interpreter\n")
    s.script("steps", "#!/bin/sh\ni=0\nwhile [ $i -lt 32 ]; do\n"
             "echo \"step $i\"\nsleep 0.1\ni=$((i+1))\ndone\n")


def listing(s):
    post, n, _ = s.begin("bob", "!exit 3")
    tally.check(s.answer(post, "exit status 3"), "a job of bob")
    post, m, _ = s.begin("carol", "!mark hers")
    tally.check(s.answer(post, "ran hers"), "a job of carol")
    s.refused("carol", "!job %d" % n, "permission", "no job")
    s.refused("carol", "!output %d" % n, "permission", "no job")
    said = s.ask("carol", "!jobs", "mark")
    tally.check("exit" not in said.replace("exit status", ""), "her jobs",
                said)
    said = s.ask("carol", "!jobs all", "Jobs:.*mark")
    tally.check("gate" not in said, "only what she may run", said)
    said = s.ask("bob", "!jobs all", "gate")
    tally.check("mark" in said, "bob may see more", said)
    said = s.ask("bob", "!job %d" % n, "execution")
    tally.check(s.uid("bob") in said and "exit status 3" in said and
                s.line(n)["executionId"] in said and
                "line %d of the log" % s.line(n)["seq"] in said and
                "delivered: yes" in said, "all about it", said)
    said = s.ask("bob", "!output %d" % m, "ran hers")
    s.ask("alice", "!output %d" % n, "no output")
    s.refused("bob", "!output 4711", "arguments")
    s.refused("bob", "!jobs none", "arguments")


def progress(s):
    after = s.mm.last()
    post, n, status = s.begin("bob", "!steps")
    tally.check(s.answer(post, "exit status 0.*step 31"), "it ends",
                s.thread(post))
    edits = s.mm.log("patch", after, equal={"post_id": status})
    running = [e for e in edits if "running, " in e["message"]]
    tally.check(2 <= len(running) <= 4, "it is shown as it goes",
                [e["message"] for e in edits])
    gaps = [b["t"] - a["t"] for a, b in zip(running, running[1:])]
    tally.check(all(g > 900000 for g in gaps), "at most once a second", gaps)
    tally.check(running and "step " in running[-1]["message"],
                "with its last lines")
    posts = s.mm.log("post", after, equal={"root_id": post})
    tally.check(len(posts) == 1, "one post", posts)


def delivery(s):
    """A server that fails now and then, then always."""
    s.mm.fault("/api/v4/posts*", 3, method="PUT", status=500)
    s.mm.fault("/api/v4/posts", 1, skip=1, method="POST", status=503)
    post = s.say("bob", "!exit 0")
    tally.check(s.answer(post, "exit status 0", 15), "delivered in the end",
                s.thread(post))
    s.mm.unfault()
    if s.clock is None or s.clock.wrap is None:
        tally.skip("undelivered", "no mount namespace here")
        return
    s.mm.fault("/api/v4/posts*", 1000, method="PUT", status=500)
    post, n, _ = s.begin("bob", "!exit 0")
    tally.check(wait_until(lambda: s.line(n)["detail"].get("how"), 5),
                "recorded all the same")

    def failed():
        s.clock.jump(20)
        time.sleep(0.05)
        return "could not be delivered" in s.bot.text()
    tally.check(wait_until(failed, 12, 0.02), "given up in the end",
                s.bot.text()[-800:])
    s.mm.unfault()
    s.well()
    s.ask("bob", "!job %d" % n, "delivered: failed")
    s.ask("bob", "!jobs", "could not be delivered")
    tally.check("not delivered" in s.status("network")[1], "status",
                s.status("network"))
    s.ask("bob", "!output %d" % n, "exit status 0")


def stopping():
    limits = {"stopTimeout": 700, "cancelGrace": 300}
    with Jobs(limits=limits) as s:
        s.up()
        post, n, _ = s.begin("bob", "!stubborn z")
        tally.check(s.marked("start z"), "one that goes on")
        quick = s.begin("bob", "!agate k")
        tally.check(s.marked("start k"), "one that will end")
        wait = s.begin("bob", "!narrow l")
        more = s.say("bob", "!narrow a")
        tally.check(s.answer(more, "queued"), "one that waits")
        s.bot.proc.send_signal(signal.SIGTERM)
        s.go("k")
        s.go("l")
        s.down()
        tally.check(s.line(n)["detail"].get("how") == "shutdown",
                    "killed at the stop", s.line(n))
        for p in (quick, wait):
            tally.check(s.line(p[1])["success"] is True,
                        "what ends in time ends well", s.line(p[1]))
        tally.check(not s.count("start a"), "nothing new starts")
        tally.check(s.answer(post, "bot was stopped"), "told",
                    s.thread(post))
        tally.check(s.answer(more, "not run: the bot is being stopped"),
                    "who waited is told", s.thread(more))
        tally.check(gone("86399 86398 86397"), "nothing is left")
        books(s, tally)
        s.verify()


def crash():
    """Each process killed in turn, a job running and one waiting."""
    with Jobs() as s:
        s.up()
        for i, role in enumerate(("executor", "audit", "runner", "network",
                                  "parent")):
            name = "abcde"[i]
            s.seen = b""
            post, n, _ = s.begin("bob", "!narrow " + name)
            tally.check(s.marked("start " + name), "it runs")
            wait = s.say("bob", "!narrow k")
            tally.check(s.answer(wait, "queued"), "one waits")
            pid = s.bot.proc.pid if role == "parent" else \
                s.bot.children()[role]
            kids = s.bot.children()
            os.kill(pid, signal.SIGKILL)
            status = s.bot.proc.wait(15)
            tally.check(status != 0, role + " killed: the daemon ends",
                        status)
            tally.check(wait_until(lambda: all(
                lib.process(p) is None for p in kids.values()), 8),
                role + " killed: so do the others", kids)
            tally.check(not s.count("end " + name), "its script is dead")
            s.up(admin=False)
            tally.check(s.answer(post, "interrupted by restart"),
                        role + " killed: told", s.thread(post))
            tally.check(s.answer(wait, "not run: the bot was restarted"),
                        role + " killed: who waited is told",
                        s.thread(wait))
            line = s.line(n)
            tally.check(line["detail"].get("how") == "unknown" and
                        line["success"] is False and
                        line["exitCode"] is None,
                        role + " killed: its line", line)
            tally.check(s.count("start " + name) == 1 and
                        not s.count("start k"),
                        role + " killed: never run again", s.seen)
            # Whoever reads the FIFO now is a script that should not be.
            s.go(name)
            s.runs("bob", "!mark again")
            tally.check(not s.count("end " + name), "nor does it go on")
            s.verify()
            drain(s.gates[name])
        s.down()
        books(s, tally)
        s.verify()


def drain(fd):
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass


def books(s, tally, wrong=""):
    """Every job has its row, its intent and its one result."""
    log = s.log()
    ids = {}
    for e in log:
        if e["event"] in ("intent", "execution"):
            ids.setdefault(e["executionId"], []).append(e)
    for i, es in ids.items():
        tally.check([e["event"] for e in es] == ["intent", "execution"],
                    "one intent, one result", es)
    rows = s.rows("select id, execution_id, state, told, intent_seq, "
                  "result_seq, exit_code, script from jobs")
    ran = [r for r in rows if r[2] != "dropped"]
    tally.check(len(ran) == len(ids) + len(wrong), "as many rows as "
                "intents", (len(ran), len(ids)))
    for n, i, state, told, first, last, code, script in rows:
        tally.check(state in ("finished", "dropped") and told == 1,
                    "job %d is over and told" % n, (state, told))
        if state == "dropped":
            tally.check(log[last]["event"] == "denied" and
                        log[last]["detail"]["job"] == n,
                        "job %d: its refusal" % n, log[last])
            continue
        a, b = ids.get(i, [None, None])
        tally.check(a and a["seq"] == first and b["seq"] == last and
                    b["scriptName"] == script and
                    (b["exitCode"] if b["exitCode"] is not None else -1) ==
                    code, "job %d: row and lines" % n, (a, b, code))


def main():
    with Jobs() as s:
        exit_scripts(s)
        s.clock = Clock(s.bot)
        s.up(wrap=s.clock.wrap or ())
        for part in (order, queue, cancel, cancel_by_reaction, timeouts,
                     exits, listing, progress):
            part(s)
        s.down()
        books(s, tally)
        teeth(tally, "one row too many", lambda q: books(s, q, "x"))
        s.up(wrap=s.clock.wrap or (), admin=False)
        delivery(s)
        s.down()
        s.verify()


only = sys.argv[1:]
for fn in (main, stopping, crash):
    if not only or fn.__name__ in only:
        fn()
tally.done()
