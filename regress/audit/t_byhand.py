#!/usr/bin/env python3
"""chatops-audit(5): the commands of EXAMPLES and VERIFY BY HAND, taken from
the page as they stand and run on the model's log; and its codes are ours."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '..', '..')
PAGE = os.path.join(TOP, 'man', 'chatops-audit.5')
VECTORS = os.path.join(HERE, 'vectors')
KEY = ('chatops.example/audit/7f3a+a3bb8a4e+'
       'AQzwwUsv9kYhQj6PJhquacodNSy8rAwM7Oa639QLJch9')
ROOT = 'AfQwS/GQ+4I+LdT9NfOAdMvCWnMC9/rRjVX4t79x3zc='
GOOD = 'Signature Verified Successfully'

with open(PAGE, encoding='utf-8') as f:
    TEXT = f.read()


def blocks(section):
    """The literal blocks of a section, as a reader would paste them."""
    body = TEXT.split('.Sh ' + section + '\n')[1].split('\n.Sh ')[0]
    found = re.findall(r'\.Bd -literal[^\n]*\n(.*?)\n\.Ed', body, re.S)
    return [b.replace('\\e', '\\') for b in found]


class ByHand(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='byhand')
        self.addCleanup(shutil.rmtree, self.dir)
        for name in os.listdir(VECTORS):
            shutil.copy(os.path.join(VECTORS, name), self.dir)
        with open(os.path.join(self.dir, 'log.pub'), 'w',
                  encoding='ascii') as f:
            f.write(KEY + '\n')

    def sh(self, *parts):
        p = subprocess.run(['sh', '-e', '-u', '-c', '\n'.join(parts)],
                           cwd=self.dir, stdin=subprocess.DEVNULL,
                           capture_output=True, timeout=60, check=False)
        return p.returncode, (p.stdout + p.stderr).decode('utf-8')

    def test_blocks(self):
        self.assertEqual(len(blocks('EXAMPLES')), 5)
        self.assertEqual(len(blocks('VERIFY BY HAND')), 5)

    def test_signature(self):
        names, signature = blocks('VERIFY BY HAND')[:2]
        for n in range(1, 7):
            names_n = names.replace('N=4', 'N=%d' % n)
            status, out = self.sh(names_n, signature)
            self.assertEqual((status, GOOD in out), (0, True), out)
        self.change('"durationMs":12', '"durationMs":13')
        status, out = self.sh(names.replace('N=4', 'N=3'), signature)
        self.assertNotEqual(status, 0)
        self.assertNotIn(GOOD, out)

    def change(self, old, new):
        path = os.path.join(self.dir, 'script-executions.log')
        with open(path, encoding='utf-8') as f:
            data = f.read()
        self.assertIn(old, data)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(data.replace(old, new, 1))

    def test_chain(self):
        names, signature, chain = blocks('VERIFY BY HAND')[:3]
        status, out = self.sh(names, signature, chain)
        self.assertEqual(status, 0)
        a, b = out.split()[-2:]
        self.assertEqual((a, len(a)), (b, 64))

    def test_all_lines(self):
        whole = blocks('VERIFY BY HAND')[3]
        self.assertEqual(self.sh(whole), (0, '16\n' + ROOT + '\n'))
        self.change('"durationMs":12', '"durationMs":13')
        status, out = self.sh(whole)
        self.assertNotEqual(status, 0)
        self.assertIn('does not follow', out)

    def test_checkpoint(self):
        note = blocks('VERIFY BY HAND')[4]
        status, out = self.sh(note)
        self.assertEqual((status, GOOD in out), (0, True), out)
        path = os.path.join(self.dir, 'checkpoint')
        with open(path, encoding='utf-8') as f:
            text = f.read()
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text.replace('\n16\n', '\n15\n'))
        self.assertNotEqual(self.sh(note)[0], 0)

    def test_recipes(self):
        whole, failed, day, count, user = blocks('EXAMPLES')
        status, out = self.sh(whole)
        self.assertEqual((status, out.count('\n')), (0, 16))
        self.sh(whole + ' >all', 'mv all script-executions.log',
                'rm script-executions.0*')
        status, out = self.sh(failed)
        self.assertEqual((status, out.count('"seq"')), (0, 1))
        status, out = self.sh(day)
        self.assertEqual(status, 0, out)
        status, out = self.sh(count)
        self.assertEqual(status, 0)
        self.assertEqual(sorted(out.split()),
                         sorted('11 null 4 deploy 1 restart'.split()))
        status, out = self.sh(user)
        self.assertEqual((status, out.count('"seq"')), (0, 1))

    def test_codes(self):
        """Every code that the verifier has is on the page."""
        with open(os.path.join(TOP, 'common', 'verify_codes.c'),
                  encoding='utf-8') as f:
            codes = re.findall(r'\[V_\w+\] =\s+"(\w+)"', f.read())
        self.assertGreater(len(codes), 25)
        for c in codes:
            self.assertRegex(TEXT, r'\b%s\b' % c)


if __name__ == '__main__':
    for tool in ('jq', 'openssl'):
        if shutil.which(tool) is None:
            print('SKIP commands of chatops-audit(5): there is no ' + tool)
            print('0 passed, 0 failed')
            sys.exit(0)
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(ByHand))
    bad = len(result.failures) + len(result.errors)
    print('%d passed, %d failed' % (max(0, result.testsRun - bad), bad))
    sys.exit(bad > 0)
