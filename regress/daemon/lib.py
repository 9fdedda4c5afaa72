"""What the tests of the whole daemon share.  Standard library only.

A Tally counts checks and prints the last line.  A Bot is a folder with a
configuration, an allowlist and scripts, and the daemon that runs on it.
Nothing here has a fixed name or port, and only processes that were started
here are ever ended.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CHATOPSD = os.path.join(TOP, "chatopsd", "chatopsd")
NETWORK = os.path.join(TOP, "chatopsd", "chatops-network")
CHATOPSCTL = os.path.join(TOP, "chatopsd", "chatopsctl")
IS_ROOT = os.geteuid() == 0
TOKEN = "x7token9of8the6bot5here432"
PROGRAMS = ("chatopsd/chatopsd", "chatopsd/chatopsctl",
            "chatopsd/chatops-network", "executor/chatops-executor",
            "auditd/chatops-auditd")
NAMES = ("chatopsd", "chatops-network", "chatops-executo", "chatops-auditd")


class Tally:
    """check() counts; done() prints the sum and ends the program."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, ok, what, detail=""):
        if ok:
            self.passed += 1
            return True
        self.failed += 1
        print("FAILED %s" % what)
        if detail:
            print("    " + str(detail).replace("\n", "\n    "))
        return False

    def skip(self, what, why):
        print("SKIP %s: %s" % (what, why))

    def done(self):
        print("%d passed, %d failed" % (self.passed, self.failed))
        sys.stdout.flush()
        sys.exit(1 if self.failed else 0)


def is_instrumented():
    """True when the programs were built for AddressSanitizer."""
    with open(CHATOPSD, "rb") as f:
        return b"__asan_init" in f.read()


def free_port():
    """A port of loopback on which nobody listens now."""
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, seconds=30.0, step=0.02):
    """True as soon as what() is true, False when the time is over."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


def process(pid):
    """(ppid, state, uids, command line) of a process, or None."""
    try:
        with open("/proc/%d/status" % pid) as f:
            status = dict(line.split(":", 1) for line in f if ":" in line)
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            cmd = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
    except (OSError, ValueError):
        return None
    return (int(status["PPid"]), status["State"].strip()[0],
            [int(u) for u in status["Uid"].split()], cmd.strip())


def children(pid):
    """pid -> command line of the living children of a process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            p = process(int(name))
            if p and p[0] == pid and p[1] != "Z":
                found[int(name)] = p[3]
    return found


class Bot:
    """A folder of its own; change config and allowlist, then write()."""

    def __init__(self, url=None, user=None):
        """user: a uid to run the daemon as (root only), else the caller."""
        self.user = user
        self.dir = tempfile.mkdtemp(prefix="chatops-test.",
                                    dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.dir, 0o755)
        self.proc = None
        self.log = None
        self.logpath = self.path("daemon.log")
        self.copy = None
        self.chatopsd, self.chatopsctl = CHATOPSD, CHATOPSCTL
        if user is not None:
            self.copy_programs()
        if url is None:
            url = "http://127.0.0.1:%d" % free_port()
        self.config = {
            "mattermost": {"url": url, "token": TOKEN, "team": "ops"},
            "paths": {
                "base": self.path("scripts"),
                "allowlist": self.path("script-allowlist.json"),
                "data": self.path("data"),
                "logs": self.path("logs"),
                "run": self.path("run"),
            },
        }
        if IS_ROOT and user is None:
            self.config["users"] = {
                "network": "64001", "executor": "64002",
                "runner": "64003", "audit": "64004",
            }
        self.allowlist = {"scripts": []}
        os.mkdir(self.path("scripts"))
        os.chmod(self.path("scripts"), 0o755)
        self.script("hello", "#!/bin/sh\necho hello\n")
        self.write()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def own(self, path):
        if self.user is not None:
            os.lchown(path, self.user, self.user)

    def put(self, name, text, mode=0o600):
        """A file of the folder; text is str or bytes."""
        path = self.path(name)
        data = text.encode() if isinstance(text, str) else text
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        self.own(path)
        return path

    def script(self, name, text, mode=0o755, **entry):
        """A script and its entry in the allowlist."""
        path = self.put(os.path.join("scripts", name + ".sh"), text, mode)
        e = {"name": name, "path": name + ".sh",
             "requiredPermission": "operator"}
        e.update(entry)
        self.allowlist["scripts"] = [
            s for s in self.allowlist["scripts"] if s["name"] != name] + [e]
        return path

    def write(self):
        self.conf = self.put("bot.config.json",
                             json.dumps(self.config, indent=1))
        self.put("script-allowlist.json",
                 json.dumps(self.allowlist, indent=1), 0o644)
        for p in (self.dir, self.path("scripts")):
            self.own(p)

    def copy_programs(self):
        """To where another user may come; the sources may be a folder that
        is closed to all but its owner."""
        self.copy = tempfile.mkdtemp(prefix="chatops-test.",
                                     dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.copy, 0o755)
        for name in PROGRAMS:
            to = os.path.join(self.copy, name)
            os.makedirs(os.path.dirname(to), 0o755, exist_ok=True)
            shutil.copy2(os.path.join(TOP, name), to)
            os.chmod(os.path.dirname(to), 0o755)
            os.chmod(to, 0o755)
        self.chatopsd = os.path.join(self.copy, PROGRAMS[0])
        self.chatopsctl = os.path.join(self.copy, PROGRAMS[1])

    def as_user(self):
        """Keyword arguments of subprocess for the user of this bot."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def run(self, *args, timeout=60):
        """chatopsd to its end: (status, stdout, stderr)."""
        p = subprocess.run([self.chatopsd, "-f", self.conf] + list(args),
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=timeout, **self.as_user())
        return (p.returncode, p.stdout.decode("utf-8", "replace"),
                p.stderr.decode("utf-8", "replace"))

    def ctl(self, *args, timeout=60):
        """chatopsctl: (status, stdout, stderr)."""
        p = subprocess.run([self.chatopsctl, "-f", self.conf] + list(args),
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=timeout, **self.as_user())
        return (p.returncode, p.stdout.decode("utf-8", "replace"),
                p.stderr.decode("utf-8", "replace"))

    def start(self, *args, wait="started: all processes are ready",
              timeout=60, wrap=()):
        """The daemon in the foreground; True when its log says wait.
        wrap: words in front of the command, which must exec it."""
        self.log = open(self.logpath, "ab")
        before = len(self.text())   # of an earlier start
        self.proc = subprocess.Popen(
            list(wrap) + [self.chatopsd, "-d", "-f", self.conf] + list(args),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            **self.as_user())
        if wait is None:
            return True
        wait_until(lambda: wait in self.text()[before:] or
                   self.proc.poll() is not None, timeout)
        return wait in self.text()[before:]

    def text(self):
        """What the daemon has logged."""
        try:
            with open(self.logpath, "rb") as f:
                return f.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def children(self):
        """role -> pid, by the process titles."""
        roles = {}
        for pid, cmd in children(self.proc.pid).items():
            roles[cmd.split(":")[-1].strip().split(" ")[0]] = pid
        return roles

    def stop(self, sig=signal.SIGTERM, timeout=40):
        """End the daemon; its exit status, negative after a signal."""
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            status = self.proc.wait(10)
        self.log.close()
        return status

    def close(self):
        """End what still runs and remove the folder."""
        if self.proc is not None and self.proc.poll() is None:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.copy is not None:
            shutil.rmtree(self.copy, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
