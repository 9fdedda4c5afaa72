#!/usr/bin/env python3
"""TLS: an own authority is enough, a certificate with anything wrong gets
not a byte, and so the token goes to nobody but the server."""
import os
import ssl
import subprocess
import sys
import tempfile
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from lib import wait_until
from scene import Clock, Scene, Trap, teeth

tally = lib.Tally()
BACK = 5        # seconds, after the connection was reset
CONF = """[ca]
default_ca = c
[c]
dir = %(dir)s
database = $dir/index
new_certs_dir = $dir
rand_serial = yes
default_md = sha256
policy = p
unique_subject = no
[p]
commonName = supplied
"""
GOOD = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n" \
    "extendedKeyUsage=serverAuth\n"
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
# name: (extensions, start, end, authority, digest)
HOSTILE = {
    "other address": (GOOD.replace("127.0.0.1", "127.0.0.2"),),
    "other name": ("subjectAltName=DNS:chat.example\n",),
    "wildcard": ("subjectAltName=DNS:*\n",),
    "address as a name": ("subjectAltName=DNS:127.0.0.1\n"
                          "basicConstraints=CA:FALSE\n",),
    "prefix": ("subjectAltName=DNS:127.0.0.1.example.com\n",),
    "expired": (GOOD, "20200101000000Z", "20210101000000Z"),
    "not yet valid": (GOOD, "20980101000000Z", "20990101000000Z"),
    "of an unknown authority": (GOOD, None, None, "other"),
    "of an authority that is none": (GOOD, None, None, "leaf"),
    "of an expired authority": (GOOD, None, None, "old"),
    "for clients only": (GOOD.replace("serverAuth", "clientAuth"),),
    "for mail only": (GOOD.replace("serverAuth", "emailProtection"),),
    "name constraint": (GOOD, None, None, "narrow"),
    "SHA-1": (GOOD, None, None, "ca", "sha1"),
    "critical extension": (GOOD + "1.2.3.4=critical,ASN1:NULL\n",),
}


class Pki:
    """Certificates of all kinds, by openssl(1)."""

    def __init__(self, folder):
        self.dir = folder
        self.put("conf", CONF % {"dir": folder})
        self.put("index", "")
        for name in ("ca", "other", "old", "narrow", "leaf", "key"):
            self.run("genpkey", "-algorithm", "EC", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-out", name + ".key")
        for name in ("ca", "other"):
            self.run("req", "-x509", "-new", "-key", name + ".key", "-days",
                     "2", "-subj", "/CN=" + name, "-out", name + ".pem")
        self.sign("old", CA, "20200101000000Z", "20210101000000Z")
        self.sign("narrow", CA + "nameConstraints=critical,excluded;IP:"
                  "127.0.0.0/255.0.0.0\n")
        self.sign("leaf", GOOD)

    def put(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, *args):
        subprocess.run(("openssl",) + args, cwd=self.dir, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)

    def sign(self, name, extensions, start=None, end=None, ca="ca",
             digest="sha256", key=None):
        """name.pem, with the chain of its authority behind it."""
        self.put("ext", extensions)
        key = key or name
        self.run("req", "-new", "-key", key + ".key", "-subj", "/CN=" +
                 name.replace(" ", "-"), "-out", "csr")
        when = ["-startdate", start, "-enddate", end] if start else \
            ["-days", "2"]
        self.run("ca", "-batch", "-config", "conf", "-extfile", "ext",
                 "-cert", ca + ".pem", "-keyfile", ca + ".key", "-md",
                 digest, "-in", "csr", "-out", name + ".pem", "-notext",
                 *when)
        if ca != "ca":
            with open(self.path(ca + ".pem")) as f:
                chain = f.read()
            with open(self.path(name + ".pem"), "a") as f:
                f.write(chain)
        return self.path(name + ".pem")

    def context(self, cert, key="key"):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.set_ciphers("ALL:@SECLEVEL=0")
        c.load_cert_chain(cert, self.path(key + ".key"))
        return c

    def contexts(self):
        """(name, context) of every hostile one."""
        for name, args in HOSTILE.items():
            args = list(args) + [None] * (3 - len(args)) + ["ca"][
                :len(args) < 4]
            try:
                yield name, self.context(self.sign(name, *args, key="key"))
            except (subprocess.CalledProcessError, ssl.SSLError) as e:
                tally.skip("TLS: " + name, "cannot be made here: %s" % e)
        self.run("req", "-x509", "-new", "-key", "key.key", "-days", "2",
                 "-subj", "/CN=127.0.0.1", "-addext",
                 "subjectAltName=IP:127.0.0.1", "-out", "self.pem")
        yield "self-signed", self.context(self.path("self.pem"))
        good = self.sign("good", GOOD, key="key")
        for name, version in (("TLS 1.1", ssl.TLSVersion.TLSv1_1),
                              ("TLS 1.0", ssl.TLSVersion.TLSv1)):
            c = self.context(good)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                c.minimum_version = ssl.TLSVersion.TLSv1
                c.maximum_version = version
            yield name, c
        yield "no TLS at all", None


def hostile_tls(folder):
    pki, trap = Pki(folder), Trap()
    token = "b9hostile8tls7token6probe5"
    bot = lib.Bot("https://127.0.0.1:%d" % trap.port)
    clock = Clock(bot)
    bot.config["mattermost"].update(token=token, caFile=pki.path("ca.pem"))
    bot.write()

    def attempt():
        """The daemon tries once more: what the trap got."""
        n = len(trap.got)
        if bot.proc is None or clock.wrap is None:
            if bot.proc is not None:
                bot.stop()
            bot.start(wrap=clock.wrap or ())
        clock.jump(310)
        if not wait_until(lambda: len(trap.got) > n, 10):
            return None
        time.sleep(0.05)
        return trap.got[-1]

    try:
        os.chmod(folder, 0o755)
        for name, trap.context in pki.contexts():
            data = attempt()
            if name == "no TLS at all":
                tally.check(data is not None and token.encode() not in data
                            and b"GET" not in data, "TLS: " + name, data)
                continue
            tally.check(data == b"", "TLS: %s: not a byte" % name, data)
        tally.check("certificate" in bot.text() and token not in bot.text(),
                    "it says why", bot.text()[-800:])
        # The right one gets it: so the others would have been seen.
        trap.context = pki.context(pki.path("good.pem"))
        data = attempt() or b""
        tally.check(b"Bearer " + token.encode() in data, "TLS: good", data)
        teeth(tally, "a token that is sent",
              lambda q: q.check(token.encode() not in data, "sent"))
    finally:
        bot.close()
        clock.close()
        trap.close()


def own_authority(folder):
    pki = Pki(folder)
    cert = pki.sign("server", GOOD, key="key")
    os.chmod(folder, 0o755)
    with Scene(tally, server=("-t", cert, "-k", pki.path("key.key")),
               cafile=pki.path("ca.pem")) as s:
        s.up()
        s.runs("bob", "!mark tls")
        after = s.mm.last()
        s.mm.drop("rst", user="chatops")
        s.mm.wait_bot(BACK, after)
        s.runs("bob", "!mark again")
        s.down()
        s.verify()


for fn in (hostile_tls, own_authority):
    with tempfile.TemporaryDirectory(prefix="chatops-test.") as d:
        fn(d)
tally.done()
