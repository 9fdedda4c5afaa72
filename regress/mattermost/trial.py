"""What the tests of the stand-in share: each test gets a fresh server."""
import json
import os
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'daemon'))

from standin import Standin  # noqa: E402

TESTS = []


def test(*args):
    """A test gets a fresh, seeded server, started with these arguments;
    with None for arguments it starts its own."""
    def add(f):
        TESTS.append((f, args))
        return f
    return add


def eq(got, want):
    if got != want:
        raise AssertionError('%r, not %r' % (got, want))


def hello(ws):
    m = ws.recv()
    eq((m['event'], m['seq']), ('hello', 0))
    return m['data']['connection_id']


def post_of(m):
    return json.loads(m['data']['post'])


def messages(ws, n):
    """seq and message of the next n posted events."""
    out = []
    for _ in range(n):
        m = ws.event('posted')
        out.append((m['seq'], post_of(m)['message']))
    return out


def quiet(ws):
    """Nothing is on the way: the answer to a ping is the next message."""
    m = ws.ask('ping')
    eq(m['status'], 'OK')


def lost(ws):
    """The connection ends without a close frame."""
    e = ws.end()
    eq((e.framed, e.code), (False, None))


def online(mm, user='chatops'):
    ws = mm.websocket(user)
    cid = hello(ws)
    eq(ws.recv()['event'], 'status_change')
    return ws, cid


def resume(mm, cid, seq, user='chatops'):
    q = '?connection_id=%s' % cid
    if seq is not None:
        q += '&sequence_number=%s' % seq
    return mm.websocket(user, q)


def away(mm, ws, user='chatops'):
    """The socket ends and the server has noticed."""
    mark = mm.last()
    ws.close()
    mm.wait('ws_close', after=mark, equal={'user_id': mm.user_id(user)})


def run(f, args):
    if args == (None,):
        f()
        return
    with Standin(*args) as mm:
        mm.seed()
        f(mm)
        eq(mm.stop(), 0)


def main():
    """All tests, or those named; the exit status."""
    passed = failed = 0
    for f, args in TESTS:
        if len(sys.argv) > 1 and f.__name__ not in sys.argv[1:]:
            continue
        try:
            run(f, args)
            passed += 1
        except Exception:
            failed += 1
            print('%s:' % f.__name__)
            traceback.print_exc(limit=-4, file=sys.stdout)
    print('%d passed, %d failed' % (passed, failed))
    return failed != 0
