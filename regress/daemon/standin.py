"""Starts the stand-in Mattermost server and steers it: standard library only.

    with Standin() as mm:
        mm.seed()
        mm.post_as('alice', 'operations', '!ping')
        mm.wait_post(channel='operations', match='pong')

Names of channels are those of the seed: operations, deployments, random and
other/operations; users: sysadmin alice bob carol mallory; the bot: chatops.
"""
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import urllib.parse

from ws import WebSocket

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, '..', 'mattermost', 'mattermost')


class Timeout(AssertionError):
    pass


class Answer:
    """status, headers (lower case, the last of equal ones), all (a list of
    every header), text, and json (None if the text is none)."""

    def __init__(self, r):
        self.status = r.status
        self.all = [(k.lower(), v) for k, v in r.getheaders()]
        self.headers = dict(self.all)
        self.bytes = r.read()
        self.text = self.bytes.decode('utf-8', 'replace')
        try:
            self.json = json.loads(self.text)
        except ValueError:
            self.json = None


class Standin:
    def __init__(self, *args, program=None, cafile=None):
        self.args, self.cafile = list(args), cafile
        self.program = program or os.environ.get('MATTERMOST', PROGRAM)
        self.proc, self.users, self.channels = None, {}, {}
        self.bot = self.conn = None
        self.sockets = []

    # Life.

    def start(self):
        self.proc = subprocess.Popen(
            [self.program, '-i'] + self.args, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, close_fds=True)
        found = {}
        for _ in range(2):
            line = self.proc.stdout.readline().decode().split()
            if len(line) != 2:
                self.proc.wait(10)
                raise RuntimeError('the stand-in did not start')
            found[line[0]] = line[1]
        self.url, self.control = found['listening'], found['control']
        self.port = urllib.parse.urlsplit(self.url).port
        return self

    def stop(self):
        """Returns the exit status (0 when all went well)."""
        if self.conn is not None:
            self.conn.close()
            self.conn = None
        while self.sockets:
            self.sockets.pop().close()
        if self.proc is None:
            return 0
        self.proc.stdin.close()
        try:
            status = self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            status = self.proc.wait(10)
        self.proc.stdout.close()
        self.proc = None
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # Control.

    def call(self, verb, timeout=30, **args):
        """A verb of the control interface; see mattermost/control.c."""
        u = urllib.parse.urlsplit(self.control)
        if self.conn is None:
            self.conn = http.client.HTTPConnection(u.hostname, u.port)
        self.conn.timeout = timeout
        if self.conn.sock is not None:
            self.conn.sock.settimeout(timeout)
        try:
            self.conn.request('POST', u.path + '/' + verb, json.dumps(args))
            r = self.conn.getresponse()
            body = json.loads(r.read())
        except BaseException:
            self.conn.close()
            self.conn = None
            raise
        if r.status != 200:
            raise RuntimeError('%s: %s' % (verb, body.get('error')))
        return body

    def seed(self):
        """Teams, users, channels and the bot; keeps and returns them."""
        s = self.call('seed')
        self.users, self.channels = s['users'], s['channels']
        self.bot, self.team, self.team2 = s['bot'], s['team'], s['team2']
        self.users['chatops'] = self.bot
        self.password = s['password']
        return s

    def user_id(self, name):
        return self.users[name]['id'] if name in self.users else name

    def channel_id(self, name):
        return self.channels.get(name, name)

    def add_user(self, name, teams=('ops',), channels=(), **flags):
        """Make or change a user: roles, is_bot, remote_id, delete_at,
        rename, nickname; event=True publishes it."""
        u = self.call('user', user=self.user_id(name), teams=list(teams),
                      **flags)
        self.users.setdefault(name, u)
        for c in channels:
            self.member(c, name)
        return u['id']

    def add_channel(self, name, members=(), team='ops', **flags):
        c = self.call('channel', channel=name, team=team, members=[
            self.user_id(m) for m in members], **flags)
        self.channels.setdefault(name, c['id'])
        return c['id']

    def member(self, channel, user, add=True, **flags):
        return self.call('member', channel=self.channel_id(channel),
                         user=self.user_id(user), add=add, **flags)

    def raw_post(self, user, channel, message, **fields):
        """A post with any field forged; see mattermost/control_post.c."""
        return self.call('post', user=self.user_id(user),
                         channel=self.channel_id(channel), message=message,
                         **fields)

    def event(self, name, data, **args):
        return self.call('event', event=name, data=data, **args)

    def raw_event(self, name, data, **args):
        """An event with its number whose data is that text, JSON or not."""
        return self.call('event', event=name, raw_data=data, **args)

    def listen(self, on=True):
        """Off: connections are refused, as while a server restarts."""
        return self.call('listen', on=on)

    def set(self, **options):
        return self.call('set', **options)

    def fault(self, path='*', count=1, **what):
        """The next count requests to path (with *) fail as told; see
        mattermost/fault.c.  Returns the rule's number."""
        return self.call('fault', path=path, count=count, **what)['id']

    def faults(self):
        return self.call('faults')

    def unfault(self):
        return self.call('unfault')

    def drop(self, how='fin', **which):
        """End WebSockets: how is fin, rst, freeze or close (code=…);
        which: user=, conn=, http=True.  Returns how many."""
        if 'user' in which:
            which['user'] = self.user_id(which['user'])
        return self.call('drop', how=how, **which)['dropped']

    def frames(self, *frames, **args):
        """Raw frames to the WebSockets; see mattermost/control_ws.c."""
        return self.call('frames', frames=list(frames), **args)['sockets']

    def conns(self):
        return self.call('conns')

    def advance(self, seconds, dates=True):
        """Timers and limits go on by that much; with dates so does what the
        server takes for now, as create_at shows it."""
        return self.call('advance', ms=int(seconds * 1000), dates=dates)

    def skew(self, seconds):
        """The server's dates are that far from the truth."""
        return self.call('skew', ms=int(seconds * 1000))

    def restart(self):
        return self.call('restart')

    # What happened.

    def log(self, kind=None, after=0, **f):
        if kind:
            f['kind'] = kind
        return self.call('log', after=after, **f)

    def last(self):
        """The number of the newest entry: give it as after=."""
        return self.call('set')['last']

    def wait(self, kind, timeout=10, after=0, **f):
        """The first entry of that kind after that number; equal={}, match={}
        and glob={} choose by member; see mattermost/record.c."""
        r = self.call('wait', timeout=timeout + 10, kind=kind, after=after,
                      timeout_ms=int(timeout * 1000), **f)
        if r.get('timeout'):
            raise Timeout('no %s %r within %g s' % (kind, f, timeout))
        return r

    def _wait_bot(self, kind, channel, match, root, timeout, after, more):
        equal = {'by': self.bot['id']}
        if channel is not None:
            equal['channel_id'] = self.channel_id(channel)
        if root is not None:
            equal['root_id'] = root
        equal.update(more)
        return self.wait(kind, timeout, after, equal=equal,
                         match={'message': match} if match else {})

    def wait_post(self, channel=None, match=None, root=None, timeout=10,
                  after=0, **equal):
        """A post of the bot; match: a POSIX extended regular expression."""
        return self._wait_bot('post', channel, match, root, timeout, after,
                              equal)

    def wait_patch(self, channel=None, match=None, root=None, timeout=10,
                   after=0, **equal):
        return self._wait_bot('patch', channel, match, root, timeout, after,
                              equal)

    def wait_text(self, match, timeout=10, after=0, **equal):
        """The bot said it in a post or in a patch, whichever is first."""
        want = dict(equal, by=self.bot['id'])
        for e in self.log(after=after, equal=want, match={'message': match}):
            return e
        return self.wait_any(('post', 'patch'), timeout, after, want,
                             {'message': match})

    def wait_any(self, kinds, timeout, after, equal, match):
        r = self.call('wait', timeout=timeout + 10, after=after,
                      timeout_ms=int(timeout * 1000), equal=equal,
                      match=dict(match, kind='^(%s)$' % '|'.join(kinds)))
        if r.get('timeout'):
            raise Timeout('no %s %r within %g s' % (kinds, match, timeout))
        return r

    def wait_reaction(self, post=None, emoji=None, timeout=10, after=0):
        equal = {'user_id': self.bot['id']}
        if post is not None:
            equal['post_id'] = post
        if emoji is not None:
            equal['emoji_name'] = emoji
        return self.wait('reaction_added', timeout, after, equal=equal)

    def wait_request(self, path, method=None, timeout=10, after=0):
        return self.wait('request', timeout, after, glob={'path': path},
                         equal={'method': method} if method else {})

    def wait_bot(self, timeout=10, after=0):
        """The bot's WebSocket is open and authenticated."""
        return self.wait('ws_open', timeout, after,
                         equal={'user_id': self.bot['id']})

    # REST, as a client.

    def rest(self, method, path, body=None, token=None, headers=None,
             timeout=10):
        """token: a user's name or a token.  body: JSON, bytes or None."""
        h = dict(headers or {})
        if token is not None:
            token = self.users.get(token, {}).get('token', token)
            h['Authorization'] = 'Bearer ' + token
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if self.url.startswith('https'):
            ctx = ssl.create_default_context(cafile=self.cafile)
            ctx.check_hostname = False
            c = http.client.HTTPSConnection('127.0.0.1', self.port,
                                            timeout=timeout, context=ctx)
        else:
            c = http.client.HTTPConnection('127.0.0.1', self.port,
                                           timeout=timeout)
        try:
            if not re.fullmatch('/hooks/[a-z0-9]{26}', path):
                path = '/api/v4' + path
            c.request(method, path, body, h)
            return Answer(c.getresponse())
        finally:
            c.close()

    def ok(self, method, path, body=None, token=None, **kw):
        """As rest, but returns the JSON and wants 200 or 201."""
        a = self.rest(method, path, body, token, **kw)
        if a.status not in (200, 201):
            raise AssertionError('%s %s: %d %s' % (method, path, a.status,
                                                   a.text[:300]))
        return a.json

    def post_as(self, user, channel, message, **fields):
        """Through the REST interface, as that user's client would."""
        return self.ok('POST', '/posts', dict(
            fields, channel_id=self.channel_id(channel), message=message),
            user)

    def patch_as(self, user, post, **fields):
        return self.ok('PUT', '/posts/%s/patch' % post, fields, user)

    def react_as(self, user, post, emoji):
        return self.ok('POST', '/reactions', {
            'user_id': self.user_id(user), 'post_id': post,
            'emoji_name': emoji}, user)

    def direct(self, a, b):
        """The id of the direct channel of two."""
        return self.ok('POST', '/channels/direct',
                       [self.user_id(a), self.user_id(b)], a)['id']

    def websocket(self, user=None, query='', **kw):
        token = self.users[user]['token'] if user in self.users else user
        ws = WebSocket(self.url + '/api/v4/websocket' + query, token=token,
                       cafile=self.cafile, **kw)
        self.sockets.append(ws)     # closed by stop() at the latest
        return ws


def is_id(s):
    return isinstance(s, str) and re.fullmatch('[a-z0-9]{26}', s) is not None


def unused_port():
    """A port where nothing listens, as far as can be known."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]
