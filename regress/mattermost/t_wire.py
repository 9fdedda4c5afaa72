#!/usr/bin/python3
"""The stand-in says what a real 5.37 server was recorded to say.

wire/rest.jsonl and wire/websocket.jsonl are recordings, trimmed: requests
with their answers, and frames with what caused them.  The requests are sent
again, in order, after the same seeding; every answer and every frame must
have the same members, types and values, where an id stands for the same
thing in both, a time is only zero or not, and a counter only a number.
At the end one difference is planted in every answer and every frame: each
must be found, or the comparison proves nothing.
"""
import copy
import json
import os
import re
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'daemon'))

from standin import Standin  # noqa: E402
from ws import Closed  # noqa: E402

TIMES = {'create_at', 'update_at', 'edit_at', 'delete_at', 'last_post_at',
         'last_viewed_at', 'last_update_at', 'last_password_update',
         'server_time'}
COUNTS = {'total_msg_count', 'total_msg_count_root', 'msg_count',
          'msg_count_root', 'mention_count', 'mention_count_root'}
FREE = {'request_id', 'invite_id', 'connection_id', 'SiteURL',
        'InstallationDate'}
ENCODED = {'post', 'reaction', 'mentions', 'channel'}
ID = re.compile('^[a-z0-9]{26}$')
# What the recording calls those whom the seed makes.
SEEDED = {
    'alice': 'qkunsho5678u5ftaiszddkttra', 'bob': '9ohte5mwwtbb7brt6jt8xx8eoc',
    'sysadmin': 'icejosrz9pgtpep8qbusm4jsnc',
    'mallory': '64ysr8mih7n3me3dyu1ru7nhah',
    'carol': 'adfs47akhtf7uco8kjzkd83imr',
    'chatops': 'kiksf7afotf93pzt1xpn8j9djh',
    'operations': 'twj1ccerk3gj38yti64z5yp68o',
    'deployments': 'cmn7p98yhjyguepeo437x6eqdh',
    'random': 'acp47e9x97ds983bahu3k15pue'}


class Ids:
    """Pairs of ids: recorded and of the stand-in, one to one."""

    def __init__(self):
        self.to, self.back = {}, {}

    def bind(self, rec, act):
        if rec not in self.to and act not in self.back:
            self.to[rec], self.back[act] = act, rec

    def learn(self, rec, act):
        if isinstance(rec, dict) and isinstance(act, dict):
            for k in rec:
                if k in act and k not in FREE:
                    self.learn(rec[k], act[k])
        elif isinstance(rec, list) and isinstance(act, list):
            if len(rec) == len(act):
                for r, a in zip(rec, act):
                    self.learn(r, a)
        elif isinstance(rec, str) and isinstance(act, str):
            if ID.match(rec) and ID.match(act):
                self.bind(rec, act)

    def names(self, s, back):
        table = self.back if back else self.to
        return re.sub('[a-z0-9]{26}', lambda m: table.get(m[0], m[0]), s)


def expand(v):
    """A long text is kept as what it repeats."""
    if isinstance(v, dict):
        if set(v) == {'repeat', 'count'}:
            return v['repeat'] * v['count']
        return {k: expand(x) for k, x in v.items()}
    if isinstance(v, list):
        return [expand(x) for x in v]
    return v


def canon_map(v, ids, key):
    """A map from ids of posts is what it maps to, in some order: the ids of
    the copies that an edit leaves are nowhere else."""
    if key == 'posts':
        return sorted((canon(x, ids) for x in v.values()),
                      key=lambda x: json.dumps(x, sort_keys=True))
    return {ids.names(k, True) if ids else k: canon(x, ids, k)
            for k, x in v.items()}


def canon_text(v, ids, key):
    if key in FREE:
        return 'some' if v else ''
    if key in ENCODED and v[:1] in ('[', '{'):
        inner = canon(expand(json.loads(v)), ids)
        return {'encoded': sorted(inner) if isinstance(inner, list)
                else inner}
    if ids:
        v = ids.names(v, True)
    if key in ('name', 'channel_name'):     # made of ids
        v = re.sub('^[0-9a-f]{40}$', 'sha1', v)
        v = '__'.join(sorted(v.split('__')))
    if key in ('id', 'original_id') and ID.match(v):
        return 'id'
    if key == 'server_version':
        v = re.sub('[0-9a-f]{32}', 'hash', v)
    return v


def canon(v, ids, key=''):
    """What is compared.  ids: how to name the stand-in's; None: recorded."""
    if isinstance(v, dict):
        return canon_map(v, ids, key)
    if isinstance(v, list):
        return ['id'] * len(v) if key == 'order' else [
            canon(x, ids, key) for x in v]
    if isinstance(v, str):
        return canon_text(v, ids, key)
    if isinstance(v, int) and not isinstance(v, bool):
        if key in TIMES:
            return 'time' if v > 1000 else v
        if key in COUNTS:
            return 'count'
    return v


def differences(rec, act, at=''):
    """Members, types and values that are not the same, as lines."""
    if type(rec) is not type(act):
        return ['%s: %s, not %s' % (at, type(act).__name__,
                                    type(rec).__name__)]
    if isinstance(rec, dict):
        out = ['%s.%s: missing' % (at, k) for k in rec if k not in act]
        out += ['%s.%s: too much' % (at, k) for k in act if k not in rec]
        for k in rec:
            if k in act:
                out += differences(rec[k], act[k], at + '.' + k)
        return out
    if isinstance(rec, list):
        if len(rec) != len(act):
            return ['%s: %d, not %d' % (at, len(act), len(rec))]
        return [d for i, (r, a) in enumerate(zip(rec, act))
                for d in differences(r, a, '%s[%d]' % (at, i))]
    return [] if rec == act else ['%s: %r, not %r' % (at, act, rec)]


class Wire:
    def __init__(self, mm):
        self.mm, self.ids = mm, Ids()
        self.pairs = []         # (what, recorded, got)
        with open(os.path.join(HERE, 'wire', 'rest.jsonl')) as f:
            self.rest = [expand(json.loads(x)) for x in f]
        with open(os.path.join(HERE, 'wire', 'websocket.jsonl')) as f:
            self.frames = [json.loads(x) for x in f]

    def recorded(self, conn):
        return [f for f in self.frames if f.get('conn') == conn]

    def seed(self):
        """As the recorded server was when the recording began."""
        mm = self.mm
        mm.seed()
        for name, rec in SEEDED.items():
            thing = mm.users.get(name) or {'id': mm.channels.get(name)}
            self.ids.bind(rec, thing['id'])
        self.ids.bind('c1eyrwyh4bgtup9hhzt4q33how', mm.team)
        self.ids.bind('37fzxp3pnfdqtyh5royur7fwdw', mm.team2)
        self.token = mm.bot['token']
        mm.add_channel(mm.channels['random'], type='P')
        g = mm.ok('POST', '/channels/group', [
            mm.user_id(n) for n in ('alice', 'bob', 'chatops')], 'alice')
        for c in (mm.direct('alice', 'chatops'), g['id'], 'random'):
            mm.post_as('alice', c, 'hello')
        for n in ('alice', 'sysadmin'):
            u = mm.user_id(n)
            mm.ok('PUT', '/users/%s/status' % u,
                  {'user_id': u, 'status': 'online'}, n)

    # WebSocket.

    def read(self, ws, n):
        """n frames as the recording has them; the end is one too."""
        got = []
        try:
            for _ in range(n):
                op, data = ws.recv_any()
                if op == 1:
                    got.append({'opcode': op,
                                'newline': data.endswith(b'\n'),
                                'json': json.loads(data)})
                else:
                    got.append({'opcode': op, 'hex': data.hex()})
        except Closed as e:
            assert not e.framed, 'a close frame'
            got.append({'closed': True})
        return got

    def compare(self, conn, got, want):
        for i, (w, g) in enumerate(zip(want, got)):
            w = {k: v for k, v in w.items() if k != 'conn'}
            self.ids.learn(w.get('json', {}).get('data'),
                           g.get('json', {}).get('data'))
            for k in ENCODED:
                r = w.get('json', {}).get('data', {}).get(k)
                a = g.get('json', {}).get('data', {}).get(k)
                if r and a and r[0] == '{' == a[0]:
                    self.ids.learn(json.loads(r), json.loads(a))
            self.pairs.append(('%s frame %d' % (conn, i), w, g))
        if len(want) != len(got):
            self.pairs.append(('%s: number of frames' % conn,
                               {'n': len(want)}, {'n': len(got)}))

    def shake(self, conn, ws, want):
        h = want[0]['handshake']
        got = {'status': ws.status, 'headers': {
            k: v for k, v in ws.headers.items() if k in h['headers']}}
        self.pairs.append((conn + ' handshake', h, got))
        return want[1:]

    def begin(self):
        """The connections before the one that stays."""
        mm = self.mm
        want = self.recorded('header')
        h = mm.websocket('chatops')
        want = self.shake('header', h, want)
        got = self.read(h, 2)
        c = mm.websocket()
        cwant = self.shake('challenge', c, self.recorded('challenge'))
        c.action('authentication_challenge', token=self.token)
        self.compare('challenge', self.read(c, 2), cwant[:2])
        for conn in ('badtoken', 'noauth'):
            ws = mm.websocket()
            w = self.shake(conn, ws, self.recorded(conn))
            if conn == 'badtoken':
                ws.action('authentication_challenge', token='x' * 26)
            else:
                mm.advance(5)
            self.compare(conn, self.read(ws, 1), w)
            ws.close()
        for m in ({'seq': 2, 'action': 'get_statuses'},
                  {'seq': 3, 'action': 'user_typing', 'data': {
                      'channel_id': mm.channels['operations'],
                      'parent_id': ''}},
                  {'seq': 4, 'action': 'no_such_action'},
                  {'seq': 5, 'action': 'ping'}, {'action': 'ping'}):
            h.send(m)
            got += self.read(h, 1)
        h.send_frame(1, b'this is not json')
        got += self.read(h, 1)
        self.compare('header', got, want)
        mark = mm.last()
        h.close()
        c.close()
        mm.wait('ws_close', after=mark)

    # REST.

    def one(self, e, started):
        path = self.ids.names(e['path'], False)
        path = re.sub('since=[0-9]+', 'since=%d' % started, path)
        body = json.loads(self.ids.names(json.dumps(e['body']), False))
        if e.get('raw') is not None:
            body = e['raw'].encode()
        if isinstance(body, dict) and 'token_id' in body:
            body['token_id'] = self.mm.bot['token_id']
        a = self.mm.rest(e['method'], path.replace('/api/v4', '', 1), body,
                         e['as'])
        got = {'status': a.status, 'headers': {
            k: a.headers.get(k.lower()) for k in e['headers']}}
        want = {k: e[k] for k in ('status', 'headers')}
        if 'json' in e:
            want['json'], got['json'] = e['json'], a.json
            self.ids.learn(e['json'], a.json)
        else:
            want['text'], got['text'] = e['text'], a.text
        self.pairs.append((e['note'], want, got))

    def replay(self):
        mm = self.mm
        self.begin()
        want = self.recorded('main')
        main = mm.websocket('chatops')
        want = self.shake('main', main, want)
        started = self.now()
        # The recording's since list begins after its first 11 s.
        mm.advance(1)
        events = [f for f in want if f.get('opcode') == 1]
        for e in self.rest:
            self.one(e, started)
            mm.advance(0.01)
        # A socket that pings last has all that went before.
        main.send({'seq': 1, 'action': 'get_statuses'})
        got = []
        while not got or 'event' in got[-1].get('json', {}):
            got += self.read(main, 1)
            if 'closed' in got[-1]:
                break
        self.compare('main', got[:-1], events)
        mm.ok('POST', '/users/tokens/disable',
              {'token_id': mm.bot['token_id']}, 'sysadmin')
        ws = mm.websocket()
        w = self.shake('disabled', ws, self.recorded('disabled'))
        ws.action('authentication_challenge', token=self.token)
        self.compare('disabled', self.read(ws, 1), w)
        mm.ok('POST', '/users/tokens/enable',
              {'token_id': mm.bot['token_id']}, 'sysadmin')
        ws.close()
        self.idle()
        mm.advance(60)
        pings = [f for f in want if f.get('opcode') == 9]
        self.compare('main', self.read(main, 1), pings)
        main.close()

    def idle(self):
        ws = self.mm.websocket('chatops')
        want = self.shake('idle', ws, self.recorded('idle'))
        self.compare('idle', self.read(ws, 1), want[:1])
        ws.close()

    def now(self):
        return self.mm.call('advance', ms=1)['now']

    def check(self, rec, got):
        return differences(canon(rec, None), canon(got, self.ids))


def plant(v):
    """The same with one difference: a member gone, or another value."""
    v = copy.deepcopy(v)
    j = v.get('json')
    if isinstance(j, dict) and j:
        data = j.get('data')
        if isinstance(data, dict) and 'post' in data:
            p = json.loads(data['post'])
            p['reply_count'] = str(p['reply_count'])
            data['post'] = json.dumps(p)
        else:
            del j[sorted(j)[0]]
    elif isinstance(j, list):
        j.append({})
    elif 'headers' in v and v['headers']:
        v['headers'] = {}
    elif 'n' in v:
        v['n'] += 1
    elif 'hex' in v:
        v['hex'] += '00'
    elif 'closed' in v:
        v['closed'] = None
    else:
        v['status'] += 1
    return v


def main():
    passed = failed = 0
    with Standin() as mm:
        w = Wire(mm)
        w.seed()
        try:
            w.replay()
        except Exception:
            traceback.print_exc()
            failed += 1
        if mm.stop() != 0:
            print('the stand-in ended badly')
            failed += 1
    for what, rec, got in w.pairs:
        d = w.check(rec, got)
        if d:
            failed += 1
            print('%s:' % what)
            for line in d[:12]:
                print('\t' + line[:300])
        elif not w.check(rec, plant(got)):
            failed += 1
            print('%s: a planted difference was not seen' % what)
        else:
            passed += 1
    print('%d passed, %d failed' % (passed, failed))
    return failed != 0


sys.exit(main())
