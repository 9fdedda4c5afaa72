#!/usr/bin/env python3
"""The processes of a running daemon: users, confinement, reload, stop, and
the death of each; chatopsctl without anybody there and with one that lies.
No server is needed: the daemon goes on trying to reach one."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import Bot, IS_ROOT, wait_until

tally = lib.Tally()
ROLES = {"audit": 64004, "runner": 64003, "executor": 64002,
         "network": 64001}
ADMIN = "abcdefghijklmnopqrstuvwxyz"


def gone(pids):
    return wait_until(lambda: all(lib.process(p) is None or
                                  lib.process(p)[1] == "Z" for p in pids), 10)


def start(bot, what):
    ok = bot.start("-v")
    tally.check(ok, what + ": starts", bot.text())
    return ok


def names_and_users(bot, what):
    roles = bot.children()
    tally.check(sorted(roles) == sorted(ROLES), what + ": processes", roles)
    for role, pid in roles.items():
        uids = lib.process(pid)[2]
        want = bot.user if bot.user is not None else \
            ROLES[role] if IS_ROOT else os.geteuid()
        tally.check(uids == [want] * 4, "%s: user of %s" % (what, role),
                    uids)
        with open("/proc/%d/status" % pid) as f:
            status = f.read()
        tally.check("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status,
                    "%s: %s is confined" % (what, role), status)
        groups = [g for g in status.split("Groups:")[1].split("\n")[0].split()
                  if int(g) != want]
        tally.check(not groups or not IS_ROOT,
                    "%s: groups of %s" % (what, role), groups)
        # Not dumpable: not even the same user may look into it.
        try:
            with open("/proc/%d/environ" % pid, "rb") as f:
                env = f.read().strip(b"\0")
            tally.check(IS_ROOT and b"=" not in env,
                        "%s: environment of %s" % (what, role), env)
        except PermissionError:
            tally.check(not IS_ROOT, "%s: environment" % what)


def token_is_nowhere(bot, what):
    """Not in arguments, environment, log, or on disk beside its file."""
    token = lib.TOKEN.encode()
    tally.check(token.decode() not in bot.text(), what + ": token in the log")
    for root, _, files in os.walk(bot.dir):
        for f in files:
            path = os.path.join(root, f)
            if path == bot.conf or not os.path.isfile(path):
                continue
            with open(path, "rb") as fh:
                tally.check(token not in fh.read(),
                            what + ": token in " + path)


def holds(pid, needle):
    """How often that is in the memory of a process; root only."""
    count = 0
    step = 1 << 24
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            part = line.split()
            low, high = [int(x, 16) for x in part[0].split("-")]
            if "r" not in part[1] or "[v" in line:
                continue
            try:
                for at in range(low, high, step):
                    mem.seek(at)
                    count += mem.read(min(
                        step + len(needle) - 1, high - at)).count(needle)
            except (OSError, OverflowError):
                pass
    return count


def token_is_wiped(bot, what):
    """In the memory of the network process alone."""
    if not IS_ROOT:
        return
    if lib.is_instrumented():
        tally.skip("memory", "instrumented code leaves copies")
        return
    pids = dict(bot.children(), parent=bot.proc.pid)
    try:
        where = {r: holds(p, lib.TOKEN.encode()) for r, p in pids.items()}
    except PermissionError as e:
        tally.skip("memory", e)
        return
    tally.check(where.pop("network") >= 1, what + ": network has the token")
    tally.check(not any(where.values()), what + ": token in memory", where)


def second_instance(bot):
    status, _, err = bot.run("-d")
    tally.check(status == 1 and "running already as process %d" %
                bot.proc.pid in err, "second instance", err)
    tally.check(bot.proc.poll() is None and bot.ctl("users", "list")[0] == 0,
                "the first one goes on", bot.text())


def control(bot):
    sock = os.stat(bot.path("run", "control.sock"))
    tally.check(sock.st_mode & 0o7777 in (0o600, 0o660), "mode of the socket",
                oct(sock.st_mode))
    status, out, err = bot.ctl("status")
    tally.check(status == 1 and "network" in out and "down" in out,
                "status without a server", (status, out, err))
    status, out, err = bot.ctl("--json", "status")
    parts = [json.loads(line)["part"] for line in out.splitlines()]
    tally.check("executor" in parts and "audit" in parts, "status --json",
                out)
    status, out, err = bot.ctl("bootstrap-admin", ADMIN, "@alice")
    tally.check(status == 0, "bootstrap-admin", (out, err))
    status, out, err = bot.ctl("bootstrap-admin", ADMIN[::-1], "mallory")
    tally.check(status == 1 and err.count("\n") >= 1, "a second one",
                (status, out, err))
    status, out, err = bot.ctl("users", "list")
    tally.check(status == 0 and ADMIN in out and "mallory" not in out and
                out.splitlines()[0].split()[:3] == ["id", "username",
                                                    "level"],
                "users list", out)
    for args in (["frobnicate"], ["users"], ["cancel"], ["users", "add"],
                 ["cancel", "x"], []):
        status, out, err = bot.ctl(*args)
        tally.check(status == 2 and err, "usage of %s" % args, (status, err))
    status, out, err = bot.ctl("cancel", "77")
    tally.check(status == 1 and "77" in err, "cancel of no job", err)


def too_many(bot):
    """Connections that say nothing: one more is turned away, and told."""
    idle = []
    for _ in range(4):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(bot.path("run", "control.sock"))
        idle.append(s)
    for _ in range(3):
        status, out, err = bot.ctl("status")
        tally.check(status == 1 and "at most 4 of one user and 16 in all" in
                    err, "too many connections", (status, out, err))
    tally.check(wait_until(lambda: "turned away" in bot.text()),
                "too many: the log says so", bot.text())
    tally.check(bot.text().count("turned away") == 1, "too many: once",
                bot.text())
    for s in idle:
        s.close()
    tally.check(wait_until(lambda: "executor" in bot.ctl("status")[1]),
                "too many: and then again")


def reload(bot):
    bot.script("second", "#!/bin/sh\n")
    bot.write()
    status, out, err = bot.ctl("--json", "reload")
    tally.check(status == 0 and json.loads(out)["generation"] == 2 and
                json.loads(out)["scripts"] == 2, "reload", (out, err))
    bot.put("script-allowlist.json", '{"scripts": [\n}', 0o644)
    status, out, err = bot.ctl("reload")
    tally.check(status == 1 and "script-allowlist.json:2:" in err,
                "reload of a broken one", (status, err))
    os.chmod(bot.path("script-allowlist.json"), 0o666)
    status, out, err = bot.ctl("reload")
    tally.check(status == 1 and "chmod go-w" in err,
                "reload of one that others may write", (status, err))
    bot.write()
    os.rename(bot.path("script-allowlist.json"), bot.path("new"))
    os.rename(bot.path("new"), bot.path("script-allowlist.json"))
    before = bot.text().count("is in force")
    bot.proc.send_signal(signal.SIGHUP)
    tally.check(wait_until(lambda: bot.text().count("is in force") ==
                           before + 1), "SIGHUP", bot.text())
    status, out, err = bot.ctl("--json", "reload")
    tally.check(status == 0, "and again", err)


def whole_life(user=None):
    what = "as root" if IS_ROOT and user is None else "as a user"
    with Bot(user=user) as bot:
        if not start(bot, what):
            return
        names_and_users(bot, what)
        token_is_wiped(bot, what)
        second_instance(bot)
        control(bot)
        reload(bot)
        pids = list(bot.children().values())
        status = bot.stop()
        tally.check(status == 0, what + ": stop", (status, bot.text()))
        tally.check(gone(pids), what + ": everybody is gone", pids)
        tally.check("fatal" not in bot.text() and
                    "WARNING" not in bot.text(), what + ": quiet",
                    bot.text())
        tally.check(not os.path.exists(bot.path("run", "control.sock")),
                    what + ": socket is gone")
        status, out, err = bot.ctl("audit", "verify")
        tally.check(status == 0 and "RESULT ok" in out, what + ": log",
                    (status, out, err))
        token_is_nowhere(bot, what)
        status, out, err = bot.ctl("status")
        tally.check(status == 1 and "not running" in err and
                    "control.sock" in err, what + ": nobody there", err)
        status, out, err = bot.ctl("bootstrap-admin", ADMIN[::-1], "eve")
        tally.check(status == 1 and "@alice" in err,
                    what + ": there is an admin already", (status, err))


def connections():
    with Bot() as bot:
        if start(bot, "connections"):
            too_many(bot)
            bot.stop()


def deaths():
    """kill -9 of each: everybody ends, status 1, the name is in the log;
    the next start works."""
    with Bot() as bot:
        for role in ROLES:
            if not start(bot, "before killing " + role):
                return
            pids = bot.children()
            os.kill(pids[role], signal.SIGKILL)
            try:
                status = bot.proc.wait(15)
            except subprocess.TimeoutExpired:
                status = None
            text = bot.text()
            tally.check(status == 1, "death of %s: status" % role,
                        (status, text))
            tally.check("%s (process %d) killed by signal 9" %
                        (role, pids[role]) in text,
                        "death of %s is named" % role, text)
            tally.check(gone(pids.values()),
                        "death of %s: all are gone" % role, pids)
            os.unlink(bot.logpath)
        # The parent itself: nobody outlives it.
        if start(bot, "before killing the parent"):
            pids = list(bot.children().values())
            bot.proc.kill()
            bot.proc.wait(10)
            tally.check(gone(pids), "death of the parent: all are gone")


def stop_early():
    """SIGTERM at any moment of the start is an end, never a hang."""
    for ms in (0, 5, 20, 60):
        with Bot() as bot:
            bot.start(wait=None)
            time.sleep(ms / 1000)
            status = bot.stop(timeout=20)
            tally.check(status is not None and status != -signal.SIGKILL,
                        "SIGTERM after %d ms" % ms, (status, bot.text()))


def offline_admin():
    with Bot() as bot:
        status, out, err = bot.ctl("bootstrap-admin", ADMIN, "alice")
        tally.check(status == 0 and "@alice" in out, "first admin, offline",
                    (out, err))
        st = os.stat(bot.path("data", "bot.db"))
        tally.check(st.st_mode & 0o077 == 0 and
                    st.st_uid == (64002 if IS_ROOT else os.geteuid()),
                    "owner and mode of the database", st)
        status, out, err = bot.ctl("bootstrap-admin", "short", "alice")
        tally.check(status == 2, "no id", err)
        if start(bot, "with an admin made before"):
            status, out, err = bot.ctl("--json", "users", "list")
            tally.check(json.loads(out)["level"] == "admin",
                        "the daemon has the admin", out)
            bot.stop()
        # It is signed at the next start, and once.
        for n in (1, 2):
            status, out, err = bot.ctl("audit", "verify")
            tally.check(status == 0 and "RESULT ok" in out,
                        "log after start %d" % n, (out, err))
            with open(bot.path("logs", "script-executions.log")) as f:
                lines = [json.loads(line) for line in f]
            made = [e["detail"] for e in lines
                    if e["event"] == "permission"]
            tally.check(len(made) == 1 and made[0]["subject"] == ADMIN and
                        made[0]["by"].startswith("uid "),
                        "first admin in the log, start %d" % n, made)
            if n == 1 and start(bot, "once more"):
                bot.stop()


def notify():
    """sd_notify(3) on a socket of ours."""
    with Bot() as bot:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(bot.path("notify"))
        s.settimeout(15)
        os.environ["NOTIFY_SOCKET"] = bot.path("notify")
        os.environ["WATCHDOG_USEC"] = "400000"
        try:
            start(bot, "with a service manager")
        finally:
            del os.environ["NOTIFY_SOCKET"]
            del os.environ["WATCHDOG_USEC"]
        got = []

        def expect(what):
            try:
                while what not in "\n".join(got):
                    got.append(s.recv(4096).decode())
            except OSError:
                pass
            tally.check(what in "\n".join(got), "notified: " + what, got)

        expect("READY=1")
        expect("WATCHDOG=1")
        bot.proc.send_signal(signal.SIGHUP)
        expect("RELOADING=1\nMONOTONIC_USEC=")
        bot.proc.send_signal(signal.SIGTERM)
        expect("STOPPING=1")
        bot.stop()
        s.close()


def packet(kind, payload=b"", ident=0, flags=0):
    return struct.pack(">HHI", kind, flags, ident) + payload


def liar(bot, behave):
    """chatopsctl against a socket that answers as behave(conn) does."""
    path = bot.path("run", "control.sock")
    if os.path.exists(path):
        os.unlink(path)
    os.makedirs(bot.path("run"), 0o755, exist_ok=True)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind(path)
    s.listen(1)
    s.settimeout(10)

    def serve():
        try:
            conn, _ = s.accept()
            with conn:
                conn.settimeout(5)
                behave(conn)
        except OSError:
            pass

    t = threading.Thread(target=serve)
    t.start()
    result = bot.ctl("status")
    t.join(15)
    s.close()
    return result


def hostile_daemon():
    """Garbage in place of a daemon is an error message and no more."""
    with Bot() as bot:
        def hello_then(*packets):
            def behave(conn):
                hello = conn.recv(1000)
                conn.send(hello)
                conn.recv(100000)
                for p in packets:
                    conn.send(p)
            return behave

        def types():
            """The numbers of CTL_HELLO and so CTL_ROW and CTL_END."""
            seen = []
            liar(bot, lambda c: seen.append(
                struct.unpack(">H", c.recv(1000)[:2])[0]))
            return seen[0] + 2, seen[0] + 3

        row, end = types()
        text = b"\x1b]0;owned\x07"
        cases = {
            "closes at once": lambda c: None,
            "garbage": lambda c: (c.recv(1000), c.send(os.urandom(200))),
            "no header": lambda c: (c.recv(1000), c.send(b"x")),
            "closes after the greeting": hello_then(),
            "a row that is no text": hello_then(
                packet(row, os.urandom(100), 1)),
            "an end that is cut": hello_then(packet(end, b"\0", 1)),
            "an exit status of 77": hello_then(
                packet(end, b"\x4d\0\0", 1)),
            "a packet that is too long": hello_then(
                packet(row, b"x" * 90000, 1)),
        }
        for what, behave in cases.items():
            status, out, err = liar(bot, behave)
            tally.check(status == 1 and err.startswith("chatopsctl: "),
                        "hostile daemon: " + what, (status, out, err))
            tally.check("\x1b" not in out + err and "Sanitizer" not in err,
                        "hostile daemon: %s: clean" % what, (out, err))
        j = b'{"a": "' + b"\\u001b]0;owned\\u0007" + b'"}'
        for what, data in (("no JSON", b"{{{{"), ("no object", b"[1,2]"),
                           ("deep", b"[" * 2000), ("escapes", j),
                           ("escape in the error", None)):
            if data is None:
                sent = [packet(end, b"\1" + struct.pack(
                    ">H", len(text)) + text, 1)]
            else:
                sent = [packet(row, struct.pack(">H", len(data)) + data, 1),
                        packet(end, b"\0\0\0", 1)]
            status, out, err = liar(bot, hello_then(*sent))
            tally.check(status in (0, 1) and "\x1b" not in out + err and
                        "\x07" not in out + err and "Sanitizer" not in err,
                        "hostile rows: " + what, (status, out, err))


whole_life()
if IS_ROOT:
    whole_life(user=64010)
else:
    tally.skip("as root", "needs root")
connections()
deaths()
stop_early()
offline_admin()
notify()
hostile_daemon()
tally.done()
