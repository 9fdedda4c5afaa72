"""A stand-in server, the whole daemon, and a witness of what really ran.

    with Scene(tally) as s:
        s.up()
        s.ask("alice", "!ping", "pong")
        s.refused("bob", "!mark", "permission")

alice is admin, bob operator, carol and mallory nobody.  The script "mark"
writes its words into a FIFO that the test holds, so that a run is seen even
if nobody recorded or told it; s.ran() says how often.
"""
import json
import mmap
import os
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import standin
from lib import Bot, wait_until
from standin import Standin

MARK = '#!/bin/sh\necho "$0 $*" >marks\necho "ran $*"\n'
# A mount namespace of its own in which every program gets our clock.
CLOCK = """set -e
mkdir -p "$1"
mount -t tmpfs -o mode=0755 none "$1"
mkdir "$1/u" "$1/w"
cp "$2" "$1/u/jump.so"
chmod 755 "$1/u/jump.so"
echo /etc/jump.so >"$1/u/ld.so.preload"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/u,workdir=$1/w" none /etc
shift 2
exec "$@"
"""


class Quiet(lib.Tally):
    """Counts and says nothing: for expectations that must fail."""

    def check(self, ok, what, detail=""):
        self.passed += bool(ok)
        self.failed += not ok
        return bool(ok)


class Scene:
    def __init__(self, tally, limits=None, server=(), user=None, cafile=None,
                 **conf):
        self.t = tally
        self.mm = Standin(*server, cafile=cafile).start()
        self.mm.seed()
        self.bot = Bot(self.mm.url, user)
        self.bot.config["mattermost"]["token"] = self.mm.bot["token"]
        if cafile is not None:
            self.bot.config["mattermost"]["caFile"] = cafile
        self.bot.config["limits"] = {
            "userRate": {"count": 0, "per": "1m"},
            "globalRate": {"count": 0, "per": "1m"}, "cancelGrace": 500}
        self.bot.config["limits"].update(limits or {})
        self.bot.config.update(conf)
        self.fifo = os.path.join(self.bot.dir, "scripts", "marks")
        os.mkfifo(self.fifo)
        os.chmod(self.fifo, 0o666)
        self.marks = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.seen = b""
        self.logs = self.bot.path("logs")
        self.script("mark", MARK, requiredPermission="user", **{
            "arguments": {"word": {"type": "string"}},
            "concurrency": {"max": 8, "queue": 20}})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.bot.text()[-5000:])
        self.bot.close()
        self.mm.stop()
        os.close(self.marks)

    def script(self, name, text, **entry):
        self.bot.script(name, text, **entry)

    def up(self, wrap=(), args=(), admin=True, connect=True):
        """Started and connected, alice and bob in their places."""
        self.bot.write()
        after = self.mm.last()
        before = len(self.bot.text())   # of an earlier start
        ok = self.bot.start(*args, wrap=wrap)
        self.t.check(ok, "the daemon starts", self.bot.text())
        if not ok:
            raise RuntimeError("the daemon does not start")
        if connect:
            self.mm.wait_bot(60, after)
            self.t.check(wait_until(lambda: "executor: connected as chatops"
                                    in self.bot.text()[before:]),
                         "it is connected", self.bot.text()[before:])
        if admin:
            self.make_admin()
        return self

    def make_admin(self):
        self.ctl_ok("bootstrap-admin", self.uid("alice"), "alice")
        self.ctl_ok("users", "add", "@bob", "operator")

    def down(self, want=0, seconds=8):
        """Nothing keeps it: what may wait is 10 s and more."""
        begin = time.monotonic()
        status = self.bot.stop()
        took = time.monotonic() - begin
        self.t.check(took < seconds, "the stop takes %.1f s" % took,
                     self.bot.text()[-1500:])
        self.t.check(status == want, "the daemon stops well",
                     (status, self.bot.text()[-3000:]))

    def ctl_ok(self, *args):
        status, out, err = self.bot.ctl(*args)
        self.t.check(status == 0, "chatopsctl " + " ".join(args), (out, err))
        return out

    def uid(self, name):
        return self.mm.user_id(name)

    # What happened.

    def log(self):
        """The lines of the audit log."""
        path = self.logfile()
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            return []
        return [json.loads(x) for x in data.split(b"\n")[:-1]]

    def logfile(self):
        return os.path.join(self.logs, "script-executions.log")

    def events(self, event):
        return [e for e in self.log() if e["event"] == event]

    def ran(self):
        """How many scripts have marked the FIFO so far."""
        try:
            while True:
                self.seen += os.read(self.marks, 65536)
        except BlockingIOError:
            pass
        return self.seen.count(b"\n")

    def rows(self, sql):
        """Of the database; the daemon must have ended."""
        db = sqlite3.connect(self.bot.path("data", "bot.db"))
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def verify(self, what="the log verifies"):
        status, out, err = self.bot.ctl("audit", "verify")
        self.t.check(status == 0, what, (status, out, err))

    # Talking.

    def say(self, user, text, channel="operations", **fields):
        return self.mm.post_as(user, channel, text, **fields)["id"]

    def answer(self, post, match, timeout=30, after=0):
        """The first post or patch of the bot in that thread that matches
        the POSIX regular expression; None (and a failure) without."""
        try:
            return self.mm.wait_any(
                ("post", "patch"), timeout, after,
                {"root_id": post, "by": self.mm.bot["id"]},
                {"message": match})
        except standin.Timeout:
            return None

    def ask(self, user, text, match, channel="operations", timeout=30,
            **fields):
        """Say it and want that answer: its text."""
        post = self.say(user, text, channel, **fields)
        e = self.answer(post, match, timeout)
        self.t.check(e is not None, "%s: %s -> %s" % (user, text[:80], match),
                     self.thread(post))
        return e["message"] if e else ""

    def thread(self, post):
        """Everything that the bot said there."""
        return [e["message"] for e in self.mm.log(
            equal={"root_id": post, "by": self.mm.bot["id"]})]

    def refused(self, user, text, reason, match="", channel="operations",
                post=None, **fields):
        """Refused for that reason, told with the number of its line."""
        t = self.t
        before = len(self.events("intent"))
        if post is None:
            post = self.say(user, text, channel, **fields)
        what = "%s: %s: %s" % (reason, user, text[:60])
        e = self.answer(post, "^Refused: ")
        if not t.check(e is not None, what + ": told", self.thread(post)):
            return ""
        said = e["message"]
        m = re.search(r"\. Reference (\d+)\.$", said)
        if not t.check(m is not None, what + ": reference", said):
            return said
        lines = [x for x in self.log() if x["seq"] == int(m.group(1))]
        if not t.check(len(lines) == 1, what + ": its line", (said, lines)):
            return said
        line = lines[0]
        t.check(line["event"] == "denied" and
                line["detail"]["reason"] == reason and
                line["detail"]["postId"] == post and
                line["userId"] == self.uid(user) and
                line["channelId"] == self.mm.channel_id(channel) and
                line["success"] is None and line["exitCode"] is None,
                what + ": what its line says", (said, line))
        t.check(re.search(match, said, re.S), what + ": " + match, said)
        t.check(len(self.events("intent")) == before, what + ": no intent")
        try:
            self.mm.wait_reaction(post, "no_entry_sign", 30)
        except standin.Timeout:
            t.check(False, what + ": reaction")
        return said

    def runs(self, user, text, match="exit status 0", channel="operations",
             **fields):
        """It runs once, and the log has both of its lines."""
        before, marks = len(self.events("execution")), self.ran()
        said = self.ask(user, text, "exit status", channel, **fields)
        self.t.check(re.search(match, said, re.S), "%s: %s -> %s" % (
            user, text[:60], match), said)
        log = self.log()
        done = [e for e in log if e["event"] == "execution"]
        ids = [e["executionId"] for e in log if e["event"] == "intent"]
        self.t.check(len(done) == before + 1 and
                     done[-1]["executionId"] in ids and
                     done[-1]["userId"] == self.uid(user),
                     "recorded: " + text[:60], done[-1:])
        if "mark" in text:
            self.t.check(self.ran() == marks + 1, "ran once: " + text[:60])
        return said

    def status(self, part):
        """What chatopsctl says of a part: (state, detail)."""
        _, out, _ = self.bot.ctl("--json", "status")
        for line in out.splitlines():
            row = json.loads(line)
            if row.get("part") == part:
                return row.get("state"), row.get("detail", "")
        return None, out

    def settle(self):
        """It has worked through what came before, and is well."""
        return self.ask("alice", "!ping", "pong", "random")

    def well(self, seconds=10):
        """It answers again, after whatever happened; seconds it took."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if self.answer(self.say("alice", "!ping", "random"), "pong", 0.5):
                return time.monotonic() - begin
        self.t.check(False, "it answers again", self.bot.text()[-2000:])
        return seconds


class Clock:
    """The daemon's monotonic clock, to be put forward by jump(seconds).
    wrap is for Scene.up(), None where that cannot be done, and why says
    why not."""

    def __init__(self, bot):
        here = os.path.dirname(os.path.abspath(__file__))
        path, so = bot.put("jump", bytes(8), 0o644), bot.path("jump.so")
        self.f = open(path, "r+b")
        self.map = mmap.mmap(self.f.fileno(), 8)
        self.ns = 0
        wrap = ["unshare", "-m", "sh", "-c", CLOCK, "sh", bot.path("etc"), so]
        p = subprocess.run(
            ["cc", "-O1", "-fPIC", "-shared", "-D_GNU_SOURCE",
             '-DJUMP_FILE="%s"' % path, "-o", so,
             os.path.join(here, "jumpclock.c")],
            stdin=subprocess.DEVNULL, capture_output=True)
        ok = p.returncode == 0 and subprocess.run(
            wrap + ["true"], stdin=subprocess.DEVNULL,
            capture_output=True).returncode == 0
        self.wrap, self.why = wrap, ""
        if not ok:
            self.wrap, self.why = None, "no mount namespace here"
        elif lib.is_instrumented():
            self.wrap, self.why = None, "a sanitizer wants to be first"

    def jump(self, seconds):
        self.ns += int(seconds * 1e9)
        self.map[:] = struct.pack("=q", self.ns)

    def close(self):
        self.map.close()
        self.f.close()


class Trap:
    """A server of our own that keeps what it is sent; with TLS as told."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(0.2)
        self.port = self.sock.getsockname()[1]
        self.context, self.got, self.over = None, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over:
            try:
                c = self.sock.accept()[0]
            except OSError:
                continue
            self.got.append(self.serve(c))

    def serve(self, c):
        data = b""
        with c:
            c.settimeout(1)
            try:
                if self.context is not None:
                    c = self.context.wrap_socket(c, server_side=True)
                data = c.recv(65536)
            except OSError:
                pass
            finally:
                c.close()
        return data

    def close(self):
        self.over = True
        self.thread.join()
        self.sock.close()


def teeth(tally, what, fn):
    """fn(quiet) checks something that is wrong: it must fail."""
    q = Quiet()
    fn(q)
    tally.check(q.failed > 0, "can fail: " + what)
