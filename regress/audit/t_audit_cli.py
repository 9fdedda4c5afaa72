#!/usr/bin/env python3
"""chatopsctl audit: exit statuses, options, output; and the same verdicts as
an independent verifier (verify.py) on a log that is damaged at random."""
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import verify  # noqa: E402

CTL = os.path.join(HERE, '..', '..', 'chatopsd', 'chatopsctl')
VECTORS = os.path.join(HERE, 'vectors')
FIRST = os.path.join(VECTORS, 'script-executions.0000000000000000.log')
SECOND = os.path.join(VECTORS, 'script-executions.log')
NOTE = os.path.join(VECTORS, 'checkpoint')
with open(os.path.join(VECTORS, 'vectors.json'), encoding='utf-8') as f:
    KNOWN = json.load(f)
GENESIS = ['--genesis', KNOWN['genesis']]
ANCHOR = ['--anchor', KNOWN['anchor']]
KEY = ['--log-key', KNOWN['logKey']]
SEQ, HASH = KNOWN['anchor'].split(':')


def ctl(*args, conf=None):
    cmd = [CTL] + (['-f', conf] if conf else []) + ['audit'] + list(args)
    p = subprocess.run(cmd, stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=60, check=False)
    return p.returncode, p.stdout.decode('utf-8'), p.stderr.decode('utf-8')


def findings(*args, **kw):
    """Exit status, codes, the last object."""
    status, out, _ = ctl('verify', '--json', *args, **kw)
    rows = [json.loads(line) for line in out.splitlines()]
    return status, {r['code'] for r in rows[:-1]}, rows[-1]


TEMP = tempfile.gettempdir()


class Audit(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='auditcli', dir=TEMP)
        self.addCleanup(shutil.rmtree, self.dir)
        # where chatopsctl puts its copies: nobody else's are there
        os.environ['TMPDIR'] = self.dir

    def file(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, 'wb') as f:
            f.write(data)
        return path

    def read(self, *names):
        data = b''
        for n in names:
            with open(n, 'rb') as f:
                data += f.read()
        return data

    def database(self, *rows):
        path = os.path.join(self.dir, 'bot.db')
        db = sqlite3.connect(path)
        self.addCleanup(db.close)
        db.execute('PRAGMA locking_mode = EXCLUSIVE')
        db.execute('PRAGMA journal_mode = WAL')
        db.execute('CREATE TABLE audit_anchor (origin TEXT PRIMARY KEY, '
                   'seq INTEGER, line_hash BLOB)')
        db.executemany('INSERT INTO audit_anchor VALUES (?, ?, ?)', rows)
        db.commit()
        return path     # still open, and locked

    def test_expectations(self):
        want = {
            'verify with --genesis and --anchor':
                GENESIS + ANCHOR + [FIRST, SECOND],
            'with --log-key and --note checkpoint':
                KEY + ['--note', NOTE, SECOND, FIRST],
            'with --genesis alone': GENESIS + [FIRST, SECOND],
            'second file alone, nothing given': [SECOND],
        }
        self.assertEqual(set(want), set(KNOWN['expect']))
        for name, args in want.items():
            for fast in ([], ['--fast']):
                with self.subTest(name=name, fast=fast):
                    status, _, last = findings(*fast, *args)
                    self.assertEqual(status, KNOWN['expect'][name])
                    self.assertEqual(last['exit'], status)
        self.assertEqual(ctl('verify', *GENESIS, *ANCHOR, FIRST, SECOND)[0],
                         0)

    def test_json(self):
        status, codes, last = findings(*GENESIS, *ANCHOR, FIRST, SECOND)
        self.assertEqual((status, codes), (0, set()))
        self.assertEqual(last['result'], 'ok')
        self.assertEqual(last['lines'], KNOWN['lines'])
        self.assertEqual(last['root'], KNOWN['treeRoot'])
        self.assertEqual(last['head'], HASH)
        self.assertEqual(last['log'], KNOWN['origin'])
        self.assertEqual(last['anchoredBy'], ['anchor(15)'])
        bad = self.read(FIRST).replace(b'"exitCode":137', b'"exitCode":138')
        path = self.file('bad.log', bad)
        status, out, _ = ctl('verify', '--json', *GENESIS, path)
        row = json.loads(out.splitlines()[0])
        self.assertEqual(status, 1)
        self.assertEqual(row['code'], 'BAD_SIGNATURE')
        self.assertEqual((row['file'], row['line'], row['seq']),
                         (path, 10, 9))
        self.assertEqual(bad[row['offset']:row['offset'] + 5], b'{"v":')
        self.assertEqual(row['executionId'],
                         'e37cf3cc-d269-4468-912c-0c3e250ca913')

    def test_json_behind_and_before(self):
        for args in (['--json', 'verify', FIRST], ['verify', FIRST,
                                                   '--json']):
            p = subprocess.run([CTL] + (args[:1] + ['audit'] + args[1:]
                               if args[0] == '--json' else
                               ['audit'] + args),
                               capture_output=True, check=False, timeout=60)
            self.assertEqual(p.returncode, 5)
            for line in p.stdout.splitlines():
                json.loads(line)

    def test_notes(self):
        note = self.read(NOTE).decode()
        cases = [
            (note.replace('\n16\n', '\n15\n'), KEY, 'CHECKPOINT_SIGNATURE'),
            (note.replace('\n16\n', '\nx\n'), KEY, 'CHECKPOINT_UNTRUSTED'),
            (note, [], 'CHECKPOINT_UNTRUSTED'),
            (note.replace('— chatops', '— others'), KEY,
             'CHECKPOINT_UNTRUSTED'),
            ('', KEY, 'CHECKPOINT_UNTRUSTED'),
        ]
        for text, key, code in cases:
            path = self.file('note', text.encode())
            status, codes, _ = findings(*key, '--note', path, FIRST, SECOND)
            self.assertEqual((status, code in codes), (1, True), text)
        # a note of more lines than there are
        status, codes, _ = findings(*KEY, '--note', NOTE, FIRST)
        self.assertEqual((status, 'TRUNCATED' in codes), (1, True))

    def test_database(self):
        o = KNOWN['origin']
        files = [FIRST, SECOND]
        cases = [
            ((o, int(SEQ), bytes.fromhex(HASH)), 0, None),
            ((o, int(SEQ) + 1, bytes.fromhex(HASH)), 1, 'TRUNCATED'),
            ((o, int(SEQ), bytes(32)), 1, 'FORK'),
            ((o, int(SEQ) - 1, bytes(32)), 1, 'FORK'),
            (('other/audit/0', int(SEQ), bytes.fromhex(HASH)), 1,
             'WRONG_LOG'),
        ]
        for row, want, code in cases:
            path = self.database(row)
            status, codes, _ = findings('--db', path, *files)
            self.assertEqual((status, code is None or code in codes),
                             (want, True), row)
            os.unlink(path)
            for suffix in ('-wal', '-shm'):
                if os.path.exists(path + suffix):
                    os.unlink(path + suffix)
        # it knows several logs: the one that is verified counts
        path = self.database((o, int(SEQ), bytes.fromhex(HASH)),
                             ('newer/audit/0', 99, bytes(32)))
        status, _, last = findings('--db', path, *files)
        self.assertEqual((status, last['anchoredBy']), (0, ['db(15)']))
        os.unlink(path)
        os.unlink(path + '-wal')
        path = self.database((o, -1, b'x'))
        self.assertEqual(ctl('verify', '--db', path, *files)[0], 2)
        self.assertEqual(ctl('verify', '--db', self.dir + '/none',
                             *files)[0], 2)
        self.assertEqual(ctl('verify', '--db', self.file('x', b'x' * 5000),
                             *files)[0], 2)
        left = [n for n in os.listdir(self.dir)
                if n.startswith('chatopsctl.')]
        self.assertEqual(left, [])

    def test_configuration(self):
        logs = os.path.join(self.dir, 'logs')
        data = os.path.join(self.dir, 'data')
        os.mkdir(logs)
        os.mkdir(data)
        conf = self.file('bot.config.json', json.dumps({
            'mattermost': {'url': 'http://127.0.0.1:1', 'token': 'x' * 26},
            'paths': {'logs': logs, 'data': data,
                      'run': self.dir}}).encode())
        os.chmod(conf, 0o600)
        status, _, err = ctl('verify', conf=conf)
        self.assertEqual(status, 2, err)
        self.assertIn('no log yet', err)
        shutil.copy(FIRST, logs)
        shutil.copy(SECOND, logs)
        self.file('logs/script-executions.log.next', b'not a segment\n')
        status, _, last = findings(conf=conf)
        self.assertEqual((status, last['lines']), (5, 16))
        # what vouches for the log is found beside it
        shutil.copy(NOTE, logs)
        os.mkdir(os.path.join(logs, 'keys'))
        self.file('logs/keys/log.pub', KNOWN['logKey'].encode() + b'\n')
        status, _, last = findings(conf=conf)
        self.assertEqual((status, last['anchoredBy']), (0, ['note(16)']))
        os.unlink(os.path.join(logs, 'checkpoint'))
        shutil.move(self.database((KNOWN['origin'], int(SEQ),
                                   bytes.fromhex(HASH))), data)
        shutil.move(os.path.join(self.dir, 'bot.db-wal'), data)
        status, _, last = findings(conf=conf)
        self.assertEqual((status, last['anchoredBy']), (0, ['db(15)']))
        self.assertEqual(ctl('tail', '-n', '3', conf=conf)[0], 0)
        self.assertEqual(ctl('head', conf=conf)[0], 0)
        os.chmod(conf, 0o644)
        self.assertEqual(ctl('verify', conf=conf)[0], 2)

    def test_usage(self):
        for args in (
                ['verify', '--genesis', 'x', FIRST],
                ['verify', '--genesis', KNOWN['genesis'].upper(), FIRST],
                ['verify', '--anchor', '1', FIRST],
                ['verify', '--anchor', '-1:' + HASH, FIRST],
                ['verify', '--anchor', '1:' + HASH[:-1], FIRST],
                ['verify', '--log-key', 'x', FIRST],
                ['verify', '--log-key', KNOWN['logKey'] + 'A', FIRST],
                ['verify', '--note', '/nonexistent', FIRST],
                ['verify', '--policy', 'x', FIRST],
                ['verify', '--max-age', 'x', FIRST],
                ['verify', '--from', 'x', FIRST],
                ['verify', '-j', '65', FIRST],
                ['verify', '--nonsense', FIRST],
                ['verify', '/nonexistent'],
                ['verify', self.dir],
                ['tail', '-n', '0', FIRST],
                ['tail', '-n', '9999', FIRST],
                ['tail', FIRST, SECOND],
                ['tail', '/nonexistent'],
                ['head', self.file('empty', b'')],
                ['nonsense']):
            status, out, err = ctl(*args)
            self.assertEqual((status, out), (2, ''), (args, err))
            self.assertNotEqual(err, '', args)

    def test_age_and_from(self):
        args = GENESIS + ANCHOR + [FIRST, SECOND]
        status, codes, _ = findings('--max-age', '1s', *args)
        self.assertEqual((status, codes), (3, {'W_STALE'}))
        self.assertEqual(ctl('verify', '--max-age', '3650d', *args)[0], 0)
        _, _, last = findings('--from', '10', *args)
        self.assertEqual(last['signatures'], 6)
        for j in '1248':
            self.assertEqual(ctl('verify', '-j', j, *args)[0], 0)
        _, _, last = findings('--fast', *args)
        self.assertEqual(last['signatures'], 4)

    def test_terminal(self):
        path = self.file('a\x1b[31m\u202eb.log', b'{}\n')
        status, out, _ = ctl('verify', path)
        self.assertEqual(status, 1)
        self.assertIn('\\x1b[31m', out)
        for text in (out, ctl('tail', FIRST)[1]):
            for c in text:
                self.assertTrue(c == '\n' or ' ' <= c < '\x7f' or
                                c == '\u00e9', repr(c))

    def test_head_and_tail(self):
        status, out, _ = ctl('head', SECOND)
        self.assertEqual(status, 0)
        self.assertIn('anchor ' + KNOWN['anchor'], out)
        status, out, _ = ctl('head', '--json', SECOND)
        row = json.loads(out)
        self.assertEqual((row['seq'], row['hash']), (int(SEQ), HASH))
        lines = [x + '\n' for x in self.read(FIRST).decode().split('\n')[:-1]]
        for n in (1, 3, 10, 50):
            status, out, _ = ctl('tail', '--json', '-n', str(n), FIRST)
            self.assertEqual((status, out), (0, ''.join(lines[-n:])))
        torn = self.file('torn', self.read(FIRST) + b'{"v":1,"log"')
        status, out, _ = ctl('tail', '--json', '-n', '1', torn)
        self.assertEqual((status, out), (0, lines[-1]))

    def test_growing(self):
        """A log that is written to meanwhile: never a false alarm."""
        lines = [x + b'\n' for x in self.read(FIRST, SECOND).split(b'\n')]
        path = self.file('growing.log', lines[0])
        stop = threading.Event()

        def grow():
            with open(path, 'ab', buffering=0) as f:
                for line in lines[1:-1]:
                    f.write(line)
                    if stop.wait(0.02):
                        return
        thread = threading.Thread(target=grow)
        thread.start()
        try:
            for _ in range(12):
                self.assertEqual(ctl('verify', *GENESIS, path)[0], 3)
                self.assertEqual(ctl('head', path)[0], 0)
        finally:
            stop.set()
            thread.join()

    def mutate(self, data, r):
        """One damage to the bytes of the whole log."""
        lines = data.split(b'\n')
        i = r.randrange(len(lines) - 1)
        kind = r.randrange(9)
        if kind == 0:
            at = r.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << r.randrange(8)]) + \
                data[at + 1:]
        if kind == 1:
            return data[:r.randrange(len(data))]
        if kind == 2:
            del lines[i]
        elif kind == 3:
            lines.insert(r.randrange(len(lines)), lines[i])
        elif kind == 4:
            j = r.randrange(len(lines) - 1)
            lines[i], lines[j] = lines[j], lines[i]
        elif kind == 5:
            words = lines[i].split(b',')
            j, k = r.randrange(len(words)), r.randrange(len(words))
            words[j], words[k] = words[k], words[j]
            lines[i] = b','.join(words)
        elif kind == 6:
            at = r.randrange(len(lines[i]) + 1)
            lines[i] = lines[i][:at] + r.choice(
                [b' ', b'\t', b'0', b'\\', b'"', b'\\u0041', b'\xff', b'-0',
                 b'1.5', b'\r', b'\0', b'{}', b',"x":1']) + lines[i][at:]
        elif kind == 7:
            at = r.randrange(len(lines[i]))
            lines[i] = lines[i][:at] + lines[i][at + r.randrange(1, 9):]
        else:
            return data + r.choice([b'x', b'\0' * 99, b'\n', b'{}\n',
                                    lines[i], lines[i] + b'\n'])
        return b'\n'.join(lines)

    def test_differential(self):
        seed = int(os.environ.get('SEED', '20260824'))
        data = self.read(FIRST, SECOND)
        for n in range(30):
            r = random.Random(seed * 1000 + n)
            bad = self.mutate(data, r)
            if bad == data:
                continue
            path = self.file('log', bad)
            args = [] if n % 3 == 0 else GENESIS if n % 3 == 1 else \
                GENESIS + ANCHOR
            status, codes, _ = findings(*args, path)
            want, want_codes = verify.verify(
                [bad], genesis=KNOWN['genesis'] if n % 3 else None,
                anchors=[(int(SEQ), HASH)] if n % 3 == 2 else [])
            with self.subTest(replay='SEED=%d' % seed, n=n):
                self.assertEqual((status, codes), (want, want_codes))
                if n % 3 == 2 and not bad.startswith(data):
                    self.assertEqual(status, 1)


if __name__ == '__main__':
    runner = unittest.TextTestRunner(stream=sys.stderr, verbosity=0)
    result = runner.run(unittest.defaultTestLoader.loadTestsFromTestCase(
        Audit))
    bad = len(result.failures) + len(result.errors)
    print('%d passed, %d failed' % (max(0, result.testsRun - bad), bad))
    sys.exit(bad > 0)
