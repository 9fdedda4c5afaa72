#!/usr/bin/env python3
"""The whole daemon and its log: verified while it runs, after each process
was killed, after somebody had his hands in it; and the same by a verifier
that is not ours."""
import json
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', 'daemon')]
sys.dont_write_bytecode = True
import lib  # noqa: E402
import verify  # noqa: E402
from lib import wait_until  # noqa: E402
from scene import Scene  # noqa: E402

tally = lib.Tally()


def status_of(s, *args):
    return s.bot.ctl('audit', 'verify', *args)[0]


def settled(s, want, what):
    """What is acknowledged reaches the database a moment later."""
    ok = wait_until(lambda: status_of(s) == want, 10, 0.1)
    tally.check(ok, what, s.bot.ctl('audit', 'verify'))


def head(s):
    out = s.ctl_ok('audit', 'head', '--json')
    return json.loads(out) if out else {}


def next_session(s):
    """Up again; the detail of the session-start that this made."""
    before = len(s.events('session-start'))
    s.up(admin=False)
    wait_until(lambda: len(s.events('session-start')) > before, 20)
    return s.events('session-start')[-1]['detail']


def second_opinion(s, what):
    with open(s.logfile(), 'rb') as f:
        data = f.read()
    first = verify.sha256(data.split(b'\n', 1)[0]).hex()
    h = head(s)
    status, codes = verify.verify([data], genesis=first,
                                  anchors=[(h['seq'], h['hash'])])
    tally.check((status, codes) == (0, set()), what, (status, codes))


def lines_say_what_happened(s):
    s.runs('alice', '!mark word=hello')
    s.refused('carol', '!users', 'permission')
    intents = s.events('intent')
    runs = s.events('execution')
    tally.check(len(intents) == len(runs) == 1, 'one run is two lines',
                (intents, runs))
    i, e = intents[0], runs[0]
    tally.check(i['executionId'] == e['executionId'] and
                i['seq'] < e['seq'], 'the intent comes first', (i, e))
    tally.check(i['detail']['scriptName'] == e['scriptName'] == 'mark' and
                i['detail']['arguments'] == e['arguments'] ==
                {'word': 'hello'}, 'both name script and arguments', (i, e))
    tally.check(e['userId'] == s.uid('alice') and e['success'] is True and
                e['exitCode'] == 0 and e['error'] is None,
                'the result is recorded', e)
    denied = s.events('denied')
    tally.check(denied[-1]['userId'] == s.uid('carol'),
                'who was refused is recorded', denied)
    for line in s.log():
        if line['event'] != 'execution':
            tally.check(all(line[m] is None for m in
                            ('scriptName', 'arguments', 'success',
                             'exitCode', 'durationMs')),
                        'only a run has a result', line)


def killed(s):
    """The log after SIGKILL of each process; nothing is lost or forged."""
    for role in ('audit', 'executor', 'network', 'runner'):
        s.runs('alice', '!mark word=%s' % role)
        before = s.log()
        os.kill(s.bot.children()[role], signal.SIGKILL)
        tally.check(s.bot.stop() != 0, 'the daemon ends with ' + role)
        tally.check(status_of(s) in (0, 3), 'verifies after kill of ' + role,
                    s.bot.ctl('audit', 'verify'))
        tally.check(s.log()[:len(before)] == before,
                    'no line changed by kill of ' + role)
        # the others may still end in order
        ended = s.log()[-1]['event'] == 'session-end'
        tally.check(role != 'audit' or not ended, 'who is dead writes nothing')
        start = next_session(s)
        tally.check(start['previous'] == ('clean' if ended else 'unclean') and
                    start['tornBytes'] == 0, 'the next session says so',
                    (ended, start))
        settled(s, 0, 'verifies and is anchored again after ' + role)


def starts(s):
    """Does it start?  Only what it says now counts."""
    before = len(s.bot.text())
    s.bot.start(wait=None)
    wait_until(lambda: s.bot.proc.poll() is not None or
               'all processes are ready' in s.bot.text()[before:], 20)
    ready = 'all processes are ready' in s.bot.text()[before:]
    s.bot.stop()
    return ready, s.bot.text()[before:]


def tampered(s):
    """A stopped log under foreign hands: verify sees it, so does a start."""
    path = s.logfile()
    with open(path, 'rb') as f:
        good = f.read()
    lines = good.split(b'\n')[:-1]
    cases = (
        ('its last line cut off', b'\n'.join(lines[:-1]) + b'\n', 1),
        ('its last byte cut off', good[:-1], 1),
        ('a changed last line', good.replace(b'"reason":"stop"',
                                             b'"reason":"stay"'), 1),
        ('a changed line in its middle',
         good.replace(b'"word":"hello"', b'"word":"jello"', 1), 1),
        ('emptied', b'', 1),
    )
    for what, data, want in cases:
        with open(path, 'wb') as f:
            f.write(data)
        tally.check(status_of(s) == want, 'verify: ' + what,
                    s.bot.ctl('audit', 'verify'))
        ready, text = starts(s)
        tally.check(not ready, 'no start with the log ' + what, text)
        tally.check('script-executions.log: ' in text, 'it is said why',
                    text)
        with open(path, 'rb') as f:
            tally.check(f.read() == data, 'and nothing was changed: ' + what)
    with open(path, 'wb') as f:
        f.write(good + b'{"v":1,"log":"half a line')
    tally.check(status_of(s) == 4, 'verify: half a line at the end',
                s.bot.ctl('audit', 'verify'))
    start = next_session(s)
    tally.check(start['tornBytes'] == 25, 'it was moved away', start)
    with open(os.path.join(s.logs, 'quarantine', start['quarantine']),
              'rb') as f:
        torn = f.read()
    tally.check(torn == b'{"v":1,"log":"half a line' and
                verify.sha256(torn).hex() == start['tornSha256'],
                'and is kept', torn)
    settled(s, 0, 'verifies again')


def keep(s):
    """The log and its state as they are now."""
    files = {}
    for path in (s.logfile(), os.path.join(s.logs, 'keys', 'audit.state')):
        with open(path, 'rb') as f:
            files[path] = f.read()
    return files


def put_back(files):
    for path, data in files.items():
        with open(path, 'r+b') as f:
            f.truncate(0)
            f.write(data)


def exchanged(s):
    """An older log with its state: however often it is tried."""
    old = keep(s)
    s.up(admin=False)
    s.runs('alice', '!mark word=kept')
    s.down()
    new = keep(s)
    put_back(old)
    lines = len(s.log())
    for i in range(6):
        ready, text = starts(s)
        tally.check(not ready and 'it was cut or replaced' in text,
                    'no start %d with an older log' % i, text)
    tally.check(len(s.log()) >= lines + 6, 'though the starts made lines')
    put_back(new)


with Scene(tally) as s:
    s.up()
    settled(s, 0, 'a log at rest is vouched for to its end')
    lines_say_what_happened(s)
    settled(s, 0, 'verifies while it runs')
    second_opinion(s, 'somebody else says the same')
    out = s.ctl_ok('audit', 'tail', '-n', '3')
    tally.check(out.count('\n') == 3, 'tail shows so many lines', out)
    killed(s)
    s.down()
    tally.check(status_of(s) == 0, 'verifies after the stop',
                s.bot.ctl('audit', 'verify'))
    second_opinion(s, 'somebody else says so too')
    tampered(s)
    s.down()
    exchanged(s)
    tally.check(status_of(s) == 0, 'verifies at the end')
    tally.check(status_of(s, '--fast') == 0, 'also in fast mode')
sys.exit(tally.done())
