#!/usr/bin/env python3
"""Everything that chatopsd refuses to start with: each refusal names cause,
place and remedy, and nothing was made or started."""
import fcntl
import hashlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import Bot, IS_ROOT

tally = lib.Tally()


def refused(what, bot, *texts, n=True, args=("-d",)):
    """A start and a -n both end with 1 and say all of these."""
    ways = [args] + ([("-n",)] if n else [])
    for way in ways:
        status, out, err = bot.run(*way)
        name = "%s (%s)" % (what, " ".join(way))
        tally.check(status == 1, name + ": status", (status, out, err))
        for t in texts:
            tally.check(t in err, "%s: does not say %r" % (name, t), err)
        tally.check("configuration OK" not in out, name + ": OK", out)
        tally.check("fatal: out" not in err and "Sanitizer" not in err,
                    name + ": broke", err)


def fresh(what, *texts, n=True, args=("-d",)):
    """A decorator: the function spoils a bot, which is then refused."""
    def wrap(f):
        with Bot() as bot:
            f(bot)
            refused(what, bot, *texts, n=n, args=args)
    return wrap


def good():
    with Bot() as bot:
        before = sorted(os.listdir(bot.dir))
        status, out, err = bot.run("-n")
        tally.check(status == 0 and out == "configuration OK\n",
                    "-n of a good configuration", (status, out, err))
        tally.check(sorted(os.listdir(bot.dir)) == before,
                    "-n made something", os.listdir(bot.dir))
        bot.script("any", "#!/bin/sh\n", requiredPermission="user")
        bot.write()
        status, out, err = bot.run("-n")
        tally.check(status == 0 and "warning" in err and "any" in err,
                    "-n warns of what everybody may run", err)


def modes():
    @fresh("configuration readable by others", "bot.config.json",
           "mode 0644", "remedy: chmod go= ")
    def _(bot):
        os.chmod(bot.conf, 0o644)

    @fresh("token file readable by others", "token", "0640")
    def _(bot):
        del bot.config["mattermost"]["token"]
        bot.config["mattermost"]["tokenFile"] = bot.put("token", lib.TOKEN,
                                                        0o640)
        bot.write()

    @fresh("configuration is a symbolic link", "symbolic link")
    def _(bot):
        os.rename(bot.conf, bot.path("real"))
        os.symlink("real", bot.conf)

    @fresh("script writable by others",
           "script-allowlist.json:", "scripts[0].path", "mode 0777",
           "remedy: chmod go-w ")
    def _(bot):
        os.chmod(bot.path("scripts", "hello.sh"), 0o777)

    @fresh("script not executable", "not executable", "remedy: chmod u+x ")
    def _(bot):
        os.chmod(bot.path("scripts", "hello.sh"), 0o644)

    @fresh("folder of scripts writable by others", "scripts",
           "remedy: chmod go-w ")
    def _(bot):
        os.chmod(bot.path("scripts"), 0o775)

    @fresh("allowlist writable by others", "script-allowlist.json",
           "mode 0666", "remedy: chmod go-w ")
    def _(bot):
        os.chmod(bot.path("script-allowlist.json"), 0o666)

    @fresh("data folder that lets others in", "bot.config.json:",
           "paths.data", "mode is 0755", "remedy: chmod 0700 ")
    def _(bot):
        os.mkdir(bot.path("data"))
        os.chmod(bot.path("data"), 0o755)
        if IS_ROOT:
            os.chown(bot.path("data"), 64002, 64002)

    @fresh("run folder writable by others", "paths.run",
           "remedy: chmod 0755 ")
    def _(bot):
        os.mkdir(bot.path("run"))
        os.chmod(bot.path("run"), 0o777)

    @fresh("logs are a symbolic link", "paths.logs", "symbolic link")
    def _(bot):
        os.mkdir(bot.path("elsewhere"))
        os.symlink("elsewhere", bot.path("logs"))


def kept():
    """What a folder must not have in the place of the file that is kept."""
    def folder(bot, name, user):
        os.mkdir(bot.path(name), 0o700)
        if IS_ROOT:
            os.chown(bot.path(name), user, user)
        return bot.path(name)

    def fifo(path):
        os.mkfifo(path, 0o600)

    def link(path):
        with open(path + ".real", "w"):
            pass
        os.symlink(os.path.basename(path) + ".real", path)

    def readonly(path):
        with open(path, "w"):
            pass
        os.chmod(path, 0o400)

    for name, file, user in (("data", "bot.db", 64002),
                             ("logs", "script-executions.log", 64004)):
        for make, text in ((fifo, "no regular file"), (link, "symbolic link"),
                           (os.mkdir, "no regular file"),
                           (readonly, "may not write it")):
            @fresh("%s is %s" % (file, text), "bot.config.json:",
                   "paths.%s: " % name, file, text, "remedy: ")
            def _(bot):
                make(os.path.join(folder(bot, name, user), file))

    @fresh("no allowlist", "bot.config.json:", "paths.allowlist: ",
           "No such file or directory")
    def _(bot):
        os.unlink(bot.path("script-allowlist.json"))


def owners():
    if not IS_ROOT:
        tally.skip("owners and users", "needs root")
        return

    @fresh("missing user", "users.network", "no user _nosuchuser",
           "remedy: useradd --system", "_nosuchuser")
    def _(bot):
        bot.config["users"]["network"] = "_nosuchuser"
        bot.write()

    @fresh("user is root", "users.runner", "root")
    def _(bot):
        bot.config["users"]["runner"] = "root"
        bot.write()

    @fresh("two processes, one user", "users", "network and audit",
           "a user of its own")
    def _(bot):
        bot.config["users"]["audit"] = "64001"
        bot.write()

    @fresh("script of somebody else", "scripts[0].path",
           "belongs to user 64003", "remedy: chown 0 ")
    def _(bot):
        os.chown(bot.path("scripts", "hello.sh"), 64003, 64003)

    @fresh("configuration of somebody else", "belongs to user 64003")
    def _(bot):
        os.chown(bot.conf, 64003, 64003)

    @fresh("data folder of somebody else", "paths.data",
           "belongs to user 64003, not to 64002", "remedy: chown 64002 ")
    def _(bot):
        os.mkdir(bot.path("data"), 0o700)
        os.chown(bot.path("data"), 64003, 64003)


def contents():
    @fresh("unknown member", "bot.config.json:", "frobnicate")
    def _(bot):
        bot.config["frobnicate"] = 1
        bot.write()

    @fresh("unknown member of a script", "script-allowlist.json:",
           "scripts[0]", "colour")
    def _(bot):
        bot.script("hello", "#!/bin/sh\n", colour="blue")
        bot.write()

    @fresh("duplicate key", "bot.config.json:2:", "duplicate")
    def _(bot):
        bot.put("bot.config.json", '{"commandPrefix": "!",\n'
                '"commandPrefix": "?", "mattermost": {}}')

    @fresh("duplicate key in the allowlist", "script-allowlist.json:2:",
           "duplicate")
    def _(bot):
        bot.put("script-allowlist.json", '{"scripts": [],\n"scripts": []}',
                0o644)

    @fresh("plain http to another host", "bot.config.json:",
           "mattermost.url")
    def _(bot):
        bot.config["mattermost"]["url"] = "http://mattermost.example.com"
        bot.write()

    @fresh("script is missing", "scripts[0].path", "No such file")
    def _(bot):
        os.unlink(bot.path("scripts", "hello.sh"))

    @fresh("digest differs", "scripts[0].sha256", hashlib.sha256(
        b"#!/bin/sh\n").hexdigest())
    def _(bot):
        bot.script("hello", "#!/bin/sh\n", sha256="0" * 64)
        bot.write()

    @fresh("allowlist is missing", "script-allowlist.json", "No such file")
    def _(bot):
        os.unlink(bot.path("script-allowlist.json"))

    for name, data in (("empty", b""), ("no JSON", b"\0\1\2\xff{{{"),
                       ("deep", b"[" * 100000), ("cut", b'{"scripts": ['),
                       ("not UTF-8", b'{"\xff": 1}')):
        for file in ("bot.config.json", "script-allowlist.json"):
            @fresh("%s %s" % (name, file), file)
            def _(bot):
                bot.put(file, data)


def several():
    with Bot() as bot:
        os.chmod(bot.path("scripts", "hello.sh"), 0o777)
        bot.script("second", "#!/bin/sh\n", 0o644)
        bot.write()
        os.mkdir(bot.path("run"))
        os.chmod(bot.path("run"), 0o777)
        refused("several at once", bot, "scripts[0].path",
                "scripts[1].path", "paths.run")


def places():
    with Bot() as bot:
        os.mkdir(bot.path("run"), 0o755)
        with open(bot.path("run", "chatopsd.lock"), "w") as lock:
            lock.write("%d\n" % os.getpid())
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            refused("second instance", bot, "running already as process %d"
                    % os.getpid(), "chatopsd.lock", "remedy: stop it",
                    n=False)
            tally.check(not os.path.exists(bot.path("data")),
                        "the second instance made something")
    with Bot() as bot:
        os.mkdir(bot.path("run"), 0o755)
        bot.put("run/control.sock", "")
        refused("socket's name is taken", bot, "control.sock",
                "in the way", "remedy: remove it", n=False)


def usage():
    for args in (["-q"], ["-n", "extra"], ["-f"], ["-x", "network"]):
        p = subprocess.run([lib.CHATOPSD] + args, capture_output=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        tally.check(p.returncode == 2 and b"usage:" in p.stderr,
                    "usage of %s" % args, p.stderr)
    p = subprocess.run([lib.NETWORK, "-x", "network"], capture_output=True,
                       stdin=subprocess.DEVNULL, timeout=60)
    tally.check(p.returncode == 1 and b"started by chatopsd" in p.stderr,
                "a child by hand", p.stderr)
    with Bot() as bot:
        bot.conf = bot.path("missing", "x")
        status, out, err = bot.run("-n")
        tally.check(status == 1 and "No such file" in err,
                    "no configuration", err)


def full_disk():
    if not IS_ROOT:
        tally.skip("full disk", "needs root to mount one")
        return
    with Bot() as bot:
        for name, text in (("run", "No space left"),
                           ("logs", "KiB are left")):
            os.makedirs(bot.path(name), 0o755, exist_ok=True)
            opts = {"run": "mode=0755", "logs": "mode=0700,uid=64004"}[name]
            p = subprocess.run(
                ["unshare", "-m", "sh", "-c",
                 "mount -t tmpfs -o size=64k,%s none %s && "
                 "{ cat /dev/zero >%s/fill; } 2>/dev/null; "
                 "exec %s -d -f %s" % (opts, bot.path(name), bot.path(name),
                                       lib.CHATOPSD, bot.conf)],
                capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
            if b"mount:" in p.stderr or b"unshare:" in p.stderr:
                tally.skip("full disk", "no mount here")
                return
            err = p.stderr.decode("utf-8", "replace")
            tally.check(p.returncode == 1 and text in err and
                        bot.path(name) in err and "make room" in err,
                        "full disk of %s" % name, err)
            os.rmdir(bot.path(name))


def ordinary_user():
    if not IS_ROOT:
        return      # everything above was that
    with Bot(user=64010) as bot:
        status, out, err = bot.run("-n")
        tally.check(status == 0 and out == "configuration OK\n",
                    "-n as an ordinary user", err)
        os.chown(bot.path("scripts", "hello.sh"), 64011, 64011)
        refused("script of another user", bot, "belongs to user 64011",
                "remedy: chown 64010 ")


def no_system_log():
    if os.path.exists("/dev/log"):
        tally.skip("no system log", "this machine has one")
        return
    with Bot() as bot:
        refused("no system log", bot, "/dev/log", "-d", n=False, args=())


for f in (good, modes, kept, owners, contents, several, places, usage,
          full_disk, ordinary_user, no_system_log):
    f()
tally.done()
