"""The network process alone: this plays its parent and the executor.

    with Standin() as mm, NetRig(mm) as net:
        net.state('connected')
        mm.post_as('alice', 'operations', '!ping')
        net.wait('COMMAND')

Standard library only.  Messages are dicts; the numbers of the types are
read from common/msg.h, the fields are those of common/msg_fields.c.
"""
import array
import json
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, '..', '..')
PROGRAM = os.path.join(TOP, 'chatopsd', 'chatops-network')
STATES = ('down', 'connecting', 'connected', 'refused')
RESULTS = ('ok', 'refused', 'failed')
LOOKUPS = ('ok', 'missing', 'failed')


def enum(name):
    """The members of an enum of msg.h, in order."""
    with open(os.path.join(TOP, 'common', 'msg.h')) as f:
        text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
    body = re.search(r'enum %s \{(.*?)\}' % name, text, re.S).group(1)
    return [w.strip() for w in body.split(',') if w.strip()]


TYPES = {n[4:]: i for i, n in enumerate(enum('msg_type'))}
NAMES = {i: n for n, i in TYPES.items()}
ROLES = {n[5:].lower(): i for i, n in enumerate(enum('role'))}
FILES = {n[5:]: i for i, n in enumerate(enum('file_kind'))}

# s: string, else a number as struct(3) has it
FIELDS = {
    'HELLO': 'build:s role:B', 'PEER': 'role:B', 'FILE': 'kind:B',
    'READY': 'reached:I landlock_abi:I note:s',
    'COMMAND': 'post_id:s root_id:s user_id:s channel_id:s team_id:s '
               'channel_name:s channel_type:B missed:B create_at:q '
               'received:q text:s',
    'REACTION': 'post_id:s user_id:s channel_id:s emoji:s added:B',
    'NET_STATE': 'state:B bot_id:s bot_name:s server_version:s max_post:I '
                 'max_file:Q skew:q rtt:I why:s',
    'CATCHUP': 'since:q', 'CAUGHT_UP': 'until:q posts:I complete:B',
    'LOOKUP_USER': 'by_name:B key:s',
    'USER': 'status:B id:s username:s flags:I',
    'LOOKUP_CHANNEL': 'id:s team:s name:s',
    'CHANNEL': 'status:B id:s team_id:s name:s kind:B flags:I',
    'LOOKUP_MEMBER': 'channel_id:s user_id:s', 'MEMBER': 'status:B guest:B',
    'POST': 'channel_id:s root_id:s file_id:s text:s',
    'PATCH': 'post_id:s text:s', 'REACT': 'post_id:s emoji:s add:B',
    'UPLOAD': 'channel_id:s name:s size:Q',
    'NET_RESULT': 'result:B http:H id:s error:s',
}


def encode(name, values):
    out = b''
    for f in FIELDS.get(name, '').split():
        key, kind = f.split(':')
        v = values.get(key, '' if kind == 's' else 0)
        if kind == 's':
            v = v.encode()
            out += struct.pack('>H', len(v)) + v
        else:
            out += struct.pack('>' + kind, v)
    return out


def decode(name, data):
    m = {}
    for f in FIELDS.get(name, '').split():
        key, kind = f.split(':')
        if kind == 's':
            n = struct.unpack_from('>H', data)[0]
            m[key], data = data[2:2 + n].decode(), data[2 + n:]
        else:
            n = struct.calcsize(kind)
            m[key], data = struct.unpack_from('>' + kind, data)[0], data[n:]
    if data:
        raise AssertionError('%s: %d bytes too many' % (name, len(data)))
    return m


class Channel:
    def __init__(self, sock):
        self.sock = sock

    def send(self, name, n=0, fd=None, /, **values):
        anc = []
        if fd is not None:
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array('i', [fd]))]
        self.sock.sendmsg([struct.pack('>HHI', TYPES[name], 0, n) +
                           encode(name, values)], anc)

    def recv(self, timeout):
        """A dict, with type and n (the request's number) besides the fields;
        None when it was closed."""
        if not select.select([self.sock], [], [], max(timeout, 0))[0]:
            raise TimeoutError('no message within %g s' % timeout)
        try:
            data = self.sock.recv(131072)
        except ConnectionResetError:
            return None
        if not data:
            return None
        t, _, i = struct.unpack_from('>HHI', data)
        return dict(decode(NAMES[t], data[8:]), type=NAMES[t], n=i)


def memfd(data):
    fd = os.memfd_create('file')
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class NetRig:
    def __init__(self, standin=None, url=None, ws=None, token=None, ca=None,
                 hosts=None, resolv=None, conf=None, program=None):
        self.mm = standin
        self.url = url or standin.url
        self.ws = ws
        self.token = token or standin.bot['token']
        self.ca, self.hosts, self.resolv = ca, hosts, resolv
        self.conf, self.program = conf or {}, program or PROGRAM
        self.proc, self.seen, self.ids = None, [], 0

    def configuration(self):
        mattermost = {'url': self.url, 'team': 'ops'}
        if self.ws:
            mattermost['websocketUrl'] = self.ws
        c = {'mattermost': mattermost}
        c.update(self.conf)
        return json.dumps(c).encode()

    def start(self):
        mine, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        peer, theirpeer = socket.socketpair(socket.AF_UNIX,
                                            socket.SOCK_SEQPACKET)
        self.log = tempfile.TemporaryFile()

        def to_fd3():
            os.dup2(theirs.fileno(), 3)
        theirs.set_inheritable(True)
        self.proc = subprocess.Popen(
            [self.program, '-v', '-x', 'network'], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.log, env={},
            preexec_fn=to_fd3, pass_fds=(3, theirs.fileno()))
        theirs.close()
        self.parent, self.executor = Channel(mine), Channel(peer)
        hello = self.parent.recv(10)
        if hello is None:
            raise RuntimeError('it did not start: ' + self.output())
        self.parent.send('HELLO', build=hello['build'], role=ROLES['parent'])
        self.parent.send('PEER', 0, theirpeer.fileno(),
                         role=ROLES['executor'])
        theirpeer.close()
        files = {'CONF': self.configuration(),
                 'TOKEN': self.token.encode(), 'CA': self.ca,
                 'HOSTS': self.hosts, 'RESOLV': self.resolv}
        for kind, data in files.items():
            if data is not None:
                fd = memfd(data)
                self.parent.send('FILE', 0, fd, kind=FILES[kind])
                os.close(fd)
        self.parent.send('DONE')
        self.ready = self.parent.recv(10)
        return self

    def output(self):
        self.log.seek(0)
        return self.log.read().decode('utf-8', 'replace')

    def stop(self):
        """Orderly; the exit status."""
        if self.proc is None:
            return None
        try:
            self.parent.send('STOP')
        except OSError:
            pass
        try:
            status = self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            status = self.proc.wait(10)
        self.proc = None
        self.parent.sock.close()
        self.executor.sock.close()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.stop()
        if kind is not None:
            print(self.output()[-6000:])
        self.log.close()

    # Messages.

    def send(self, name, fd=None, /, **values):
        self.ids += 1
        self.executor.send(name, self.ids, fd, **values)
        return self.ids

    def wait(self, name, timeout=10, **equal):
        """The next message of that type (and those members); the others
        are kept in seen for later."""
        end = time.monotonic() + timeout

        def fits(m):
            return m['type'] == name and all(
                m.get(k) == v for k, v in equal.items())
        for i, m in enumerate(self.seen):
            if fits(m):
                return self.seen.pop(i)
        while True:
            try:
                m = self.executor.recv(end - time.monotonic())
            except TimeoutError:
                raise TimeoutError('no %s %r within %g s' %
                                   (name, equal, timeout)) from None
            if m is None:
                raise RuntimeError('it ended: ' + self.output()[-2000:])
            if fits(m):
                return m
            self.seen.append(m)

    def state(self, state, timeout=10):
        return self.wait('NET_STATE', timeout, state=STATES.index(state))

    def none(self, name, seconds=0.3):
        """True when no such message comes."""
        try:
            self.wait(name, seconds)
            return False
        except TimeoutError:
            return True

    def ask(self, name, answer, fd=None, /, **values):
        return self.wait(answer, 15, n=self.send(name, fd, **values))

    def post(self, channel, text, root='', file=''):
        return self.ask('POST', 'NET_RESULT', channel_id=channel, text=text,
                        root_id=root, file_id=file)
