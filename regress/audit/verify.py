#!/usr/bin/env python3
"""An independent verifier of the audit log, standard library only.

Written from chatops-audit(5), shares no code with chatopsctl: it parses with
Python's json, spells every line again by itself, and has an Ed25519 of its
own (RFC 8032, section 5.1, the slow and short way).

usage: verify.py [--genesis HASH] [--anchor SEQ:HASH] [--log-key VKEY]
                 [--note FILE] FILE...
Prints the codes that it found and one line with the result; exits as
"chatopsctl audit verify" does.
"""
import base64
import calendar
import hashlib
import json
import re
import sys

P = 2 ** 255 - 19
Q = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, d - c, d + c, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(n, a):
    r = (0, 1, 1, 0)
    while n > 0:
        if n & 1:
            r = point_add(r, a)
        a = point_add(a, a)
        n >>= 1
    return r


def point_equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and \
        (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_read(s):
    """A point from its 32 bytes, canonical only; None when it is none."""
    y = int.from_bytes(s, 'little')
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * I % P
    if (x * x - x2) % P != 0:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    return point_read(y.to_bytes(32, 'little'))


G = base_point()
NEUTRAL = (0, 1, 1, 0)


def is_small_order(a):
    return point_equal(point_mul(8, a), NEUTRAL)


def key_is_valid(key):
    """On the curve, canonical, in the prime-order group, not small."""
    a = point_read(key)
    return a is not None and not is_small_order(a) and \
        point_equal(point_mul(Q, a), NEUTRAL)


def signature_is_valid(key, message, signature):
    a, r = point_read(key), point_read(signature[:32])
    s = int.from_bytes(signature[32:], 'little')
    if a is None or r is None or s >= Q or is_small_order(a) or \
            is_small_order(r):
        return False
    h = hashlib.sha512(signature[:32] + key + message).digest()
    h = int.from_bytes(h, 'little') % Q
    return point_equal(point_mul(s, G), point_add(r, point_mul(h, a)))


class Fault(Exception):
    """One finding about the form of a line: its code."""


ESCAPES = {'"': '\\"', '\\': '\\\\', '\b': '\\b', '\f': '\\f', '\n': '\\n',
           '\r': '\\r', '\t': '\\t'}


def spell_string(s):
    out = []
    for c in s:
        if c in ESCAPES:
            out.append(ESCAPES[c])
        elif c < ' ' or c == '\x7f':
            out.append('\\u%04x' % ord(c))
        else:
            out.append(c)
    return '"' + ''.join(out) + '"'


class Pairs(list):
    """An object as a list of pairs, so that nothing is lost."""


def spell(v):
    if v is None:
        return 'null'
    if v is True or v is False:
        return 'true' if v else 'false'
    if isinstance(v, int):
        return str(v)
    if isinstance(v, str):
        return spell_string(v)
    if isinstance(v, Pairs):
        return '{' + ','.join(spell_string(k) + ':' + spell(w)
                              for k, w in v) + '}'
    return '[' + ','.join(spell(w) for w in v) + ']'


def check_values(v, depth, top):
    """Bounds, surrogates, duplicate names of everything in v."""
    if depth > 16:
        raise Fault('FORMAT')
    if isinstance(v, bool) or v is None:
        return
    if isinstance(v, int) and abs(v) >= 2 ** 53:
        raise Fault('FORMAT')
    if isinstance(v, str):
        if '\0' in v or any(0xd800 <= ord(c) <= 0xdfff for c in v):
            raise Fault('FORMAT')
    if isinstance(v, Pairs):
        for k, w in v:
            check_values(k, depth, False)
            check_values(w, depth + (0 if top else 1), False)
    elif isinstance(v, list):
        for w in v:
            check_values(w, depth + 1, False)


def has_twice(v):
    if isinstance(v, Pairs):
        names = [k for k, _ in v]
        return len(set(names)) != len(names) or \
            any(has_twice(w) for _, w in v)
    return isinstance(v, list) and any(has_twice(w) for w in v)


def no_float(_):
    raise Fault('FORMAT')


MEMBERS = ['v', 'log', 'seq', 'timestamp', 'event', 'executionId',
           'scriptName', 'arguments', 'userId', 'channelId', 'success',
           'exitCode', 'durationMs', 'error', 'session', 'detail',
           'previousHash', 'publicKey', 'nextPublicKey', 'treeRoot',
           'signature']
PAIR = ['nextPublicKey', 'treeRoot']
EVENTS = ['genesis', 'session-start', 'session-end', 'intent', 'execution',
          'permission', 'denied', 'segment-start', 'prune', 'recovery',
          'log-key']
UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-'
                  r'[0-9a-f]{12}\Z')
TIME = re.compile(r'(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z\Z',
                  re.ASCII)


def read_base64(s, size):
    try:
        data = base64.b64decode(s, validate=True)
    except ValueError:
        return None
    if len(data) != size or base64.b64encode(data).decode() != s:
        return None
    return data


def is_time(s):
    m = TIME.match(s)
    if not m:
        return False
    y, mo, d, h, mi, sec = (int(x) for x in m.groups())
    return 1970 <= y and 1 <= mo <= 12 and \
        1 <= d <= calendar.monthrange(y, mo)[1] and h < 24 and mi < 60 and \
        sec < 60


def is_origin(s):
    return 0 < len(s) <= 128 and \
        all(' ' < c < '\x7f' and c not in '+"\\' for c in s)


def check_types(o):
    """SCHEMA where a member has a wrong type, FORMAT where a wrong form."""
    def want(name, *types):
        v = o[name]
        ok = any(v is None if t is None else
                 isinstance(v, t) and (t is bool or not isinstance(v, bool))
                 for t in types)
        if not ok:
            raise Fault('SCHEMA')
    for name in ('log', 'timestamp', 'event', 'executionId', 'session',
                 'previousHash', 'publicKey', 'signature'):
        want(name, str)
    for name in ('scriptName', 'userId', 'channelId', 'error'):
        want(name, str, None)
    for name in ('v', 'seq'):
        want(name, int)
    for name in ('exitCode', 'durationMs'):
        want(name, int, None)
    for name in ('arguments', 'detail'):
        want(name, Pairs, None)
    want('success', bool, None)
    if o['v'] != 1 or o['event'] not in EVENTS:
        raise Fault('SCHEMA')
    for name in PAIR:
        if name in o:
            want(name, str)
            if read_base64(o[name], 32) is None:
                raise Fault('FORMAT')
    if o['seq'] < 0 or (o['durationMs'] or 0) < 0 or \
            not UUID.match(o['executionId']) or \
            not UUID.match(o['session']) or not is_time(o['timestamp']) or \
            not re.match(r'[0-9a-f]{64}\Z', o['previousHash']) or \
            read_base64(o['publicKey'], 32) is None or \
            read_base64(o['signature'], 64) is None:
        raise Fault('FORMAT')


def check_schema(o):
    run = o['event'] == 'execution'
    result = [o['scriptName'], o['success'], o['exitCode'], o['durationMs']]
    if not is_origin(o['log']) or (o['event'] == 'genesis' and o['seq'] != 0):
        raise Fault('SCHEMA')
    if run and (o['scriptName'] is None or o['success'] is None or
                o['arguments'] is None):
        raise Fault('SCHEMA')
    if not run and result != [None] * 4:
        raise Fault('SCHEMA')
    if o['event'] == 'intent' and (o['arguments'] is not None or
                                   o['detail'] is None):
        raise Fault('SCHEMA')


def parse(line):
    """The members of a line, or a Fault."""
    if not line or len(line) > 65536 or not line.startswith(b'{'):
        raise Fault('FORMAT')
    if any(c < 0x20 for c in line):
        raise Fault('FORMAT')
    try:
        pairs = json.loads(line.decode('utf-8'), object_pairs_hook=Pairs,
                           parse_float=no_float, parse_constant=no_float)
    except (ValueError, RecursionError):
        raise Fault('FORMAT') from None
    if not isinstance(pairs, Pairs):
        raise Fault('FORMAT')
    check_values(pairs, 0, True)
    if has_twice(pairs):
        raise Fault('DUP_KEY')
    o = dict(pairs)
    names = [m for m in MEMBERS if m not in PAIR]
    if any(m not in o for m in names) or any(k not in MEMBERS for k in o) or \
            (PAIR[0] in o) != (PAIR[1] in o):
        raise Fault('SCHEMA')
    check_types(o)
    check_schema(o)
    again = '{' + ','.join(spell_string(m) + ':' + spell(o[m])
                           for m in MEMBERS if m in o) + '}'
    if again.encode('utf-8') != line:
        raise Fault('NONCANONICAL')
    return o


def sha256(b):
    return hashlib.sha256(b).digest()


class Tree:
    """RFC 6962, section 2.1, by its frontier."""

    def __init__(self, size=0, roots=()):
        self.size, self.roots = size, list(roots)

    def add(self, leaf):
        h = sha256(b'\0' + leaf)
        n = self.size
        while n & 1:
            h = sha256(b'\1' + self.roots.pop() + h)
            n >>= 1
        self.roots.append(h)
        self.size += 1

    def root(self):
        if not self.roots:
            return sha256(b'')
        h = self.roots[-1]
        for r in reversed(self.roots[:-1]):
            h = sha256(b'\1' + r + h)
        return h


class Verifier:
    def __init__(self, genesis=None, anchors=(), notes=()):
        self.genesis, self.anchors, self.notes = genesis, anchors, notes
        self.codes = set()
        self.first = None       # seq of the first good line
        self.expected = 0
        self.lines = 0
        self.prev = None        # hash of the line before
        self.resync = False
        self.tree = None
        self.open, self.used = {}, set()
        self.anchored = 0
        self.highest = -1       # seq of a good line
        self.time = ''

    def find(self, code):
        self.codes.add(code)

    def begin(self, o, digest):
        self.first = self.expected = o['seq']
        self.log, self.session = o['log'], o['session']
        self.key = o['publicKey']
        if not key_is_valid(read_base64(self.key, 32)):
            self.find('KEY_INVALID')
        if o['seq'] != 0:
            if self.genesis or o['event'] != 'segment-start':
                self.find('HEAD_MISSING')
            return
        self.tree = Tree() if self.lines == 0 else None
        if o['event'] != 'genesis':
            self.find('GENESIS')
        if o['previousHash'] != '0' * 64:
            self.find('CHAIN_BREAK')
        if self.genesis and digest.hex() != self.genesis:
            self.find('GENESIS')

    def segment(self, o, before):
        d = dict(o['detail'] or ())
        roots = d.get('frontier')
        digest = d.get('previousSegmentSha256')
        if not isinstance(digest, str) or \
                not re.match(r'[0-9a-f]{64}\Z', digest):
            self.find('SCHEMA')
        elif before and before != digest:
            self.find('SEGMENT_HASH')
        if not isinstance(d.get('treeSize'), int) or \
                not isinstance(d.get('treeRoot'), str) or \
                not isinstance(roots, list):
            return self.find('SCHEMA')
        roots = [read_base64(r, 32) if isinstance(r, str) else None
                 for r in roots]
        if None in roots or read_base64(d['treeRoot'], 32) is None:
            return self.find('SCHEMA')
        said = Tree(d['treeSize'], roots)
        if d['treeSize'] != o['seq'] or \
                bin(d['treeSize']).count('1') != len(roots) or \
                said.root() != read_base64(d['treeRoot'], 32):
            return self.find('TREE_ROOT')
        if self.tree is not None:
            if said.size != self.tree.size or \
                    said.root() != self.tree.root():
                self.find('TREE_ROOT')
        elif self.lines == 0:
            self.tree = said

    def keys(self, line, o):
        if o['publicKey'] != self.key:
            return self.find('KEY_UNEXPECTED')
        if not signature_is_valid(read_base64(self.key, 32),
                                  line[:-104] + b'}',
                                  read_base64(o['signature'], 64)):
            self.find('BAD_SIGNATURE')
        if 'nextPublicKey' not in o:
            return
        if not key_is_valid(read_base64(o['nextPublicKey'], 32)):
            self.find('KEY_INVALID')
        if self.tree is not None and \
                self.tree.root() != read_base64(o['treeRoot'], 32):
            self.find('TREE_ROOT')
        self.key = o['nextPublicKey']

    def pairs(self, o):
        i = o['executionId']
        if o['event'] == 'intent':
            if i in self.used:
                self.find('ID_REUSED')
            self.used.add(i)
            self.open.setdefault(i, o['seq'])
        elif o['event'] == 'execution':
            if i in self.open:
                del self.open[i]
            elif i in self.used:
                self.find('ID_REUSED')
            elif self.first == 0:
                self.find('RESULT_WITHOUT_INTENT')

    def outside(self, o, digest):
        self.highest = max(self.highest, o['seq'])
        for seq, known in self.anchors:
            if seq != o['seq']:
                continue
            if known == digest.hex():
                self.anchored = max(self.anchored, seq + 1)
            else:
                self.find('FORK')
        for size, root in self.notes:
            if self.tree is None or size != self.tree.size:
                continue
            if root == self.tree.root():
                self.anchored = max(self.anchored, size)
            else:
                self.find('FORK')

    def line(self, line, before):
        digest = sha256(line)
        try:
            o = parse(line)
        except Fault as f:
            self.find(f.args[0])
            self.resync = True
            return self.end(digest, None)
        if self.first is None:
            self.begin(o, digest)
        if o['log'] != self.log:
            self.find('WRONG_LOG')
        if self.resync:
            self.expected = o['seq']
        self.resync = False
        if o['seq'] > self.expected:
            self.find('SEQ_GAP')
        elif o['seq'] < self.expected:
            self.find('SEQ_REPEAT')
        if self.prev is not None and o['previousHash'] != self.prev.hex():
            self.find('CHAIN_BREAK')
        if o['timestamp'] < self.time:
            self.find('W_CLOCK_BACK')
        self.time = o['timestamp']
        if o['event'] == 'segment-start':
            self.segment(o, before)
        self.keys(line, o)
        if o['event'] != 'session-start' and o['session'] != self.session:
            self.find('SESSION_UNANNOUNCED')
        self.session = o['session']
        self.pairs(o)
        self.expected = o['seq']
        self.end(digest, o)

    def end(self, digest, o):
        if self.tree is not None:
            self.tree.add(digest)
        self.prev = digest
        self.lines += 1
        if o is not None:
            self.outside(o, digest)
        self.expected += 1

    def result(self, torn):
        for seq, _ in self.anchors:
            if seq > self.highest:
                self.find('TRUNCATED')
        for size, _ in self.notes:
            if size > self.expected:
                self.find('TRUNCATED')
        if self.genesis and self.first is None:
            self.find('HEAD_MISSING')
        if self.open:
            self.find('W_DANGLING_INTENT')
        trusted = self.anchored > 0 or \
            bool(self.genesis and self.first == 0)
        if not trusted:
            self.find('START_UNTRUSTED')
        if self.anchored < self.expected:
            self.find('UNANCHORED_TAIL')
        if torn:
            self.find('TORN_TAIL')
        soft = {'W_CLOCK_BACK', 'W_DANGLING_INTENT', 'START_UNTRUSTED',
                'UNANCHORED_TAIL', 'TORN_TAIL'}
        if self.codes - soft:
            return 1
        if not trusted:
            return 5
        if torn:
            return 4
        return 3 if self.anchored < self.expected else 0


def first_seq(data):
    try:
        return parse(data.split(b'\n', 1)[0])['seq'] if b'\n' in data else \
            1 << 64
    except Fault:
        return 1 << 64


def verify(files, **known):
    """Exit status and codes for the contents of the files of one log."""
    v = Verifier(**known)
    torn, before = False, None
    files = sorted(files, key=first_seq)
    for n, data in enumerate(files):
        lines = data.split(b'\n')
        for i, line in enumerate(lines[:-1]):
            v.line(line, before if i == 0 else None)
        if lines[-1]:
            if n + 1 == len(files):
                torn = True
            else:
                v.find('SEGMENT_TORN')
        before = hashlib.sha256(data).hexdigest()
    status = v.result(torn)
    return status, v.codes


def read_note(text, vkey):
    """(origin, size, root) of a checkpoint signed by that key, or a code."""
    name, ident, key = vkey.split('+', 2)
    key = base64.b64decode(key)
    if key[0] != 1 or hashlib.sha256(
            name.encode() + b'\n' + key).hexdigest()[:8] != ident:
        raise ValueError('no verifier key')
    body, _, signatures = text.partition('\n\n')
    body += '\n'
    for line in signatures.splitlines():
        dash, who, sig = line.split(' ')
        sig = base64.b64decode(sig)
        if dash != '\u2014' or who != name or sig[:4].hex() != ident:
            continue
        if not signature_is_valid(key[1:], body.encode(), sig[4:]):
            return 'CHECKPOINT_SIGNATURE'
        origin, size, root = body.splitlines()[:3]
        if origin != name:
            return 'CHECKPOINT_UNTRUSTED'
        return origin, int(size), base64.b64decode(root)
    return 'CHECKPOINT_UNTRUSTED'


def main(argv):
    genesis, anchors, notes, vkey, names = None, [], [], None, []
    args = iter(argv)
    for a in args:
        if a == '--genesis':
            genesis = next(args)
        elif a == '--anchor':
            seq, _, digest = next(args).partition(':')
            anchors.append((int(seq), digest))
        elif a == '--log-key':
            vkey = next(args)
        elif a == '--note':
            notes.append(next(args))
        else:
            names.append(a)
    if not names:
        print(__doc__, file=sys.stderr)
        return 2
    read, extra = [], set()
    for n in notes:
        with open(n, encoding='utf-8') as f:
            got = read_note(f.read(), vkey)
        if isinstance(got, str):
            extra.add(got)
        else:
            read.append(got[1:])
    files = []
    for n in names:
        with open(n, 'rb') as f:
            files.append(f.read())
    status, codes = verify(files, genesis=genesis, anchors=anchors,
                           notes=read)
    for c in sorted(codes | extra):
        print(c)
    status = 1 if extra else status
    print('RESULT exit=%d' % status)
    return status


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
