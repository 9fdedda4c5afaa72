#!/usr/bin/env python3
"""Without -d: the starter ends when all are ready, lines go to the system
log, and the rc script starts, reloads and stops.  In a mount namespace of
its own, for /dev/log is a fixed name: needs root."""
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import Bot, wait_until

tally = lib.Tally()
RC = os.path.join(lib.TOP, "etc", "rc.d", "chatopsd.rc")
# A /dev of its own, with our socket as /dev/log.
DEV = """set -e
mount -t tmpfs -o mode=0755 none "$1/dev"
for n in null zero full random urandom; do
	: >"$1/dev/$n"
	mount --bind "/dev/$n" "$1/dev/$n"
done
ln -s /proc/self/fd "$1/dev/fd"
: >"$1/dev/log"
mount --bind "$1/syslog" "$1/dev/log"
mount --rbind "$1/dev" /dev
shift
exec "$@"
"""


class Syslog:
    """A datagram socket and what came."""

    def __init__(self, path):
        self.lines = []
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.s.bind(path)
        self.s.settimeout(0.2)
        self.over = False
        self.t = threading.Thread(target=self.read)
        self.t.start()

    def read(self):
        while not self.over:
            try:
                self.lines.append(self.s.recv(65536))
            except OSError:
                pass

    def has(self, text, seconds=10):
        return wait_until(lambda: any(text in line for line in
                                      list(self.lines)), seconds)

    def close(self):
        self.over = True
        self.t.join()
        self.s.close()


def inside(bot, *command, timeout=60, env=None):
    """A command in a mount namespace with our system log."""
    p = subprocess.run(["unshare", "-m", "sh", "-c", DEV, "sh", bot.dir] +
                       list(command), stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=timeout,
                       env=dict(os.environ, **(env or {})))
    return (p.returncode, p.stdout.decode("utf-8", "replace"),
            p.stderr.decode("utf-8", "replace"))


def pid_of(bot):
    try:
        with open(bot.path("run", "chatopsd.lock")) as f:
            return int(f.read())
    except (OSError, ValueError):
        return 0


def alive(pid):
    p = lib.process(pid)
    return p is not None and p[1] != "Z"


def end(pid):
    """What a failed check may have left; started by us, by its lock."""
    if pid and alive(pid):
        os.kill(pid, 15)
        wait_until(lambda: not alive(pid), 30)


def main():
    with Bot() as bot:
        os.mkdir(bot.path("dev"))
        log = Syslog(bot.path("syslog"))
        pid = 0
        try:
            status, out, err = inside(bot, "true")
            if status != 0:
                tally.skip("daemon", "no mount here: " + err.strip())
                return
            status, out, err = inside(bot, lib.CHATOPSD, "-f", bot.conf)
            pid = pid_of(bot)
            tally.check(status == 0, "the starter ends well", (out, err))
            tally.check(pid and alive(pid), "the daemon stays", pid)
            tally.check(lib.process(pid)[0] != os.getpid() and
                        os.getsid(pid) == pid, "in a session of its own")
            for fd in (0, 1):
                tally.check(os.readlink("/proc/%d/fd/%d" % (pid, fd)) ==
                            "/dev/null", "descriptor %d" % fd)
            tally.check("all processes are ready" in err,
                        "the start is seen on the terminal", err)
            tally.check(log.has(b"<29>chatopsd[%d]: chatopsd: parent: "
                                b"started: all processes are ready" % pid),
                        "and in the system log", log.lines)
            tally.check(log.has(b"]: network: not connected"),
                        "lines of the children", log.lines)
            status, out, err = inside(bot, lib.CHATOPSD, "-f", bot.conf)
            tally.check(status == 1 and "process %d" % pid in err,
                        "a second one", (status, err))

            env = {"CHATOPSD": lib.CHATOPSD, "CHATOPSD_CONFIG": bot.conf,
                   "CHATOPSD_LOCK": bot.path("run", "chatopsd.lock")}
            status, out, err = inside(bot, RC, "check", env=env)
            tally.check(status == 0 and str(pid) in out, "rc check",
                        (status, out, err))
            status, out, err = inside(bot, RC, "start", env=env)
            tally.check(status == 0 and "is running" in out and
                        pid_of(bot) == pid, "rc start of what runs",
                        (status, out, err))
            status, out, err = inside(bot, RC, "reload", env=env)
            tally.check(status == 0 and log.has(
                b"generation 2 of the allowlist is in force"), "rc reload",
                (status, out, err))
            status, out, err = inside(bot, RC, "restart", env=env)
            tally.check(status == 0 and not alive(pid) and
                        alive(pid_of(bot)) and pid_of(bot) != pid,
                        "rc restart", (status, out, err))
            pid = pid_of(bot)
            # A child that ends badly is an error there.
            network = [p for p, c in lib.children(pid).items()
                       if "network" in c][0]
            os.kill(network, 9)
            tally.check(wait_until(lambda: not alive(pid)),
                        "the daemon ends with its child")
            tally.check(log.has(b"network (process %d) killed by signal 9"
                                % network), "and says so", log.lines)
            status, out, err = inside(bot, RC, "check", env=env)
            tally.check(status == 3, "rc check of what is gone",
                        (status, out))
            status, out, err = inside(bot, RC, "stop", env=env)
            tally.check(status == 0, "rc stop of what is gone", err)
            status, out, err = inside(bot, RC, "start", env=env)
            pid = pid_of(bot)
            tally.check(status == 0 and alive(pid), "rc start", (out, err))
            status, out, err = inside(bot, RC, "stop", env=env)
            tally.check(status == 0 and not alive(pid), "rc stop", err)
            tally.check(log.has(b"parent: stopped"), "stopped", log.lines)
            status, out, err = inside(bot, RC, "configtest", env=env)
            tally.check(status == 0 and "configuration OK" in out,
                        "rc configtest", (out, err))

            # A start that fails is told to who started it.
            os.truncate(bot.path("logs", "script-executions.log"), 10)
            status, out, err = inside(bot, lib.CHATOPSD, "-f", bot.conf)
            tally.check(status == 1 and "audit" in err and
                        "script-executions.log" in err,
                        "a damaged log", (status, err))
            tally.check(all(b"\n" not in line and line.startswith(b"<")
                            for line in log.lines),
                        "each datagram is one line", log.lines)
        finally:
            end(pid_of(bot))
            log.close()


if lib.IS_ROOT:
    main()
else:
    tally.skip("daemon", "needs root")
tally.done()
