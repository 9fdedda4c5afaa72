#!/usr/bin/env python3
"""The network process, confined as it always is, against the stand-in
server: what goes on to the executor, what is done for it, and what a bad
server, a bad network or a bad certificate leads to."""
import concurrent.futures
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from lib import Tally
from netrig import LOOKUPS, NetRig, RESULTS, memfd
from standin import Standin

tally = Tally()
check = tally.check


def eq(got, want, what):
    return check(got == want, what, 'got %r, not %r' % (got, want))


def result(m):
    return RESULTS[m['result']], m['http']


def everyday(mm, net):
    state = net.state('connected')
    eq((state['bot_id'], state['bot_name'], state['max_post'],
        state['max_file']),
       (mm.bot['id'], 'chatops', 16383, 104857600), 'state when connected')
    p = mm.post_as('alice', 'operations', '!deploy "a b" ünï')
    c = net.wait('COMMAND')
    eq((c['post_id'], c['user_id'], c['channel_id'], c['channel_name'],
        c['text'], c['missed'], chr(c['channel_type'])),
       (p['id'], mm.user_id('alice'), mm.channels['operations'],
        'operations', '!deploy "a b" ünï', 0, 'O'), 'command')
    r = net.post(c['channel_id'], 'pong @all', root=c['post_id'])
    eq(result(r), ('ok', 201), 'post')
    made = mm.ok('GET', '/posts/' + r['id'], token='alice')
    eq((made['message'], made['root_id'], made['props'].get('unsafe_links')),
       ('pong @all', c['post_id'], 'true'), 'post as the server has it')
    eq(result(net.ask('PATCH', 'NET_RESULT', post_id=r['id'], text='done')),
       ('ok', 200), 'patch')
    made = mm.ok('GET', '/posts/' + r['id'], token='alice')
    eq((made['message'], made['props']),
       ('done', {'from_bot': 'true', 'unsafe_links': 'true'}),
       'post after the patch')
    for add in (1, 0, 0):
        eq(result(net.ask('REACT', 'NET_RESULT', post_id=p['id'],
                          emoji='white_check_mark', add=add)),
           ('ok', 200), 'react %d' % add)
    fd = memfd(b'line\n' * 50000)
    r = net.ask('UPLOAD', 'NET_RESULT', fd, channel_id=c['channel_id'],
                name='out put.txt', size=250000)
    os.close(fd)
    eq(result(r), ('ok', 201), 'upload')
    r2 = net.post(c['channel_id'], 'output', file=r['id'])
    eq(result(r2), ('ok', 201), 'post with the file')
    # a file attaches once; the server then leaves it off without an error
    r3 = net.post(c['channel_id'], 'again', file=r['id'])
    eq((result(r3), bool(r3['error'])), (('refused', 201), True),
       'file that was left off')
    mm.react_as('alice', p['id'], '+1')
    m = net.wait('REACTION')
    eq((m['post_id'], m['user_id'], m['emoji'], m['added']),
       (p['id'], mm.user_id('alice'), '+1', 1), 'reaction')
    mm.post_as('alice', mm.direct('alice', 'chatops'), 'help me')
    eq(net.wait('COMMAND')['text'], 'help me', 'direct message')


def lookups(mm, net):
    net.state('connected')
    u = net.ask('LOOKUP_USER', 'USER', by_name=1, key='Alice')
    eq((u['status'], u['id'], u['flags']), (0, mm.user_id('alice'), 0),
       'user by name')
    eq(net.ask('LOOKUP_USER', 'USER', by_name=0,
               key=mm.bot['id'])['flags'], 2, 'a bot is one')
    mm.add_user('alice', delete_at=5)
    eq(net.ask('LOOKUP_USER', 'USER', by_name=0,
               key=mm.user_id('alice'))['flags'], 1, 'deactivated, at once')
    eq(LOOKUPS[net.ask('LOOKUP_USER', 'USER', by_name=1,
                       key='nobody')['status']], 'missing', 'no such user')
    c = net.ask('LOOKUP_CHANNEL', 'CHANNEL', name='operations')
    eq((c['status'], c['id'], c['name'], c['flags']),
       (0, mm.channels['operations'], 'operations', 0), 'channel by name')
    c = net.ask('LOOKUP_CHANNEL', 'CHANNEL', id=mm.channels['deployments'])
    eq((c['status'], chr(c['kind'])), (0, 'P'), 'channel by id')
    eq(LOOKUPS[net.ask('LOOKUP_CHANNEL', 'CHANNEL', team='other',
                       name='nothere')['status']], 'missing',
       'no such channel')
    ops = mm.channels['operations']
    eq(net.ask('LOOKUP_MEMBER', 'MEMBER', channel_id=ops,
               user_id=mm.user_id('bob'))['status'], 0, 'member')
    mm.member('operations', 'bob', add=False)
    eq(LOOKUPS[net.ask('LOOKUP_MEMBER', 'MEMBER', channel_id=ops,
                       user_id=mm.user_id('bob'))['status']], 'missing',
       'no longer a member')
    mm.fault('/api/v4/users/*', 1, status=500, body='{}')
    eq(net.ask('LOOKUP_USER', 'USER', by_name=1, key='bob')['status'], 0,
       'tried again after a 500')


def forged(mm, net):
    net.state('connected')
    for fields in (
            {'type': 'me'}, {'type': 'system_header_change'},
            {'edit_at': 5}, {'delete_at': 5}, {'remote_id': 'x' * 26},
            {'original_id': 'x' * 26}, {'create_at': -1},
            {'props': {'from_webhook': 'true'}},
            {'props': {'from_bot': 'true'}},
            {'props': {'from_plugin': 'true'}},
            {'props': {'from_oauth_app': 'true'}},
            {'props': {'override_username': 'sysadmin'}},
            {'props': {'attachments': [{'text': 'x'}]}}):
        mm.raw_post('alice', 'operations', '!forged', **fields)
    p = mm.post_as('alice', 'operations', 'chat')
    mm.patch_as('alice', p['id'], message='!edited')
    other = mm.direct('alice', 'bob')
    mm.raw_post('alice', other, '!not ours')
    mm.post_as('alice', 'operations', '!last')
    eq(net.wait('COMMAND')['text'], '!last', 'only the honest one')
    check(not net.seen or all(m['type'] != 'COMMAND' for m in net.seen),
          'no forged command', net.seen)
    check('is not taken as a command' in net.output(), 'said in the log')


def lost_and_resumed(mm, net):
    net.state('connected')
    for how in ('rst', 'fin', 'close'):
        begin = time.monotonic()
        mm.drop(how)
        mm.post_as('alice', 'operations', '!while ' + how)
        net.state('connected')
        check(time.monotonic() - begin < 5, 'back within 5 s after ' + how)
        c = net.wait('COMMAND')
        eq((c['text'], c['missed']), ('!while ' + how, 0),
           'resumed after ' + how)
    check(net.none('COMMAND'), 'and once only')


def half_open(mm, net):
    """The other end is gone and nobody says so."""
    net.state('connected')
    time.sleep(2.5)             # a PING was answered by then
    begin = time.monotonic()
    mm.drop('freeze')
    net.state('connected')
    check(time.monotonic() - begin < 5.5, 'back soon after a freeze',
          time.monotonic() - begin)
    mm.post_as('alice', 'operations', '!alive')
    eq(net.wait('COMMAND')['text'], '!alive', 'and alive')


def catch_up(mm, net):
    state = net.state('connected')
    p = mm.post_as('alice', 'operations', '!before')
    net.wait('COMMAND')
    mm.drop('fin')
    net.state('down')
    mm.restart()
    mm.post_as('alice', 'operations', '!missed 1')
    time.sleep(0.01)            # another millisecond: their order counts
    mm.post_as('alice', 'deployments', '!missed 2')
    mm.post_as('alice', 'operations', 'chat')
    net.state('connected')
    m = net.ask('CATCHUP', 'CAUGHT_UP', since=p['create_at'] - 1000)
    eq(m['complete'], 1, 'catch-up is complete')
    got = [net.wait('COMMAND') for _ in range(2)]
    eq([(c['text'], c['missed']) for c in got],
       [('!missed 1', 1), ('!missed 2', 1)], 'told as missed, in order')
    check(net.none('COMMAND'), 'what came live is not missed')
    check(state['skew'] < 2000, 'skew')
    mm.post_as('alice', 'operations', '!after')
    eq(net.wait('COMMAND')['missed'], 0, 'live again')


def revoked(mm, net):
    net.state('connected')
    mm.add_user('chatops', delete_at=5)
    # the socket stays open; a 401 elsewhere makes us ask
    time.sleep(1.1)
    net.ask('LOOKUP_USER', 'USER', by_name=1, key='alice')
    m = net.state('refused')
    check('token' in m['why'], 'the reason', m)
    check('ALARM' in net.output(), 'an alarm in the log')


def bad_token(mm, net):
    m = net.state('refused')
    check('token' in m['why'], 'the reason', m)
    check('aaaaaaaaaaaaaaaaaaaaaaaaaa' not in net.output(),
          'the token is not in the log')


def database_down(mm, net):
    m = net.state('down')
    check('unhealthy' in m['why'], 'the database is blamed, not the token',
          m)


def too_many(mm, net):
    net.state('connected')
    mm.fault('/api/v4/posts*', 1, status=429, body='limit exceeded\n',
             type='text/plain', headers={'Retry-After': '1'})
    begin = time.monotonic()
    r = net.post(mm.channels['operations'], 'x')
    eq(result(r), ('ok', 201), 'posted after a 429')
    check(1 <= time.monotonic() - begin < 4, 'waited as told')


def lost_answers(mm, net):
    net.state('connected')
    ops = mm.channels['operations']
    for what in ({'lost': True}, {'cut': 40}):
        mark = mm.last()
        mm.fault('/api/v4/posts*', 1, **what)
        r = net.post(ops, 'once %s' % list(what))
        eq(result(r)[0], 'ok', 'posted, %r' % what)
        made = mm.log('post', after=mark, equal={'by': mm.bot['id']})
        eq(len(made), 1, 'once only, %r' % what)


def redirected(mm, net):
    net.state('connected')
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        port = s.getsockname()[1]
        mm.fault('/api/v4/posts*', 1,
                 redirect='http://127.0.0.1:%d/x' % port)
        r = net.post(mm.channels['operations'], 'x')
        eq(result(r), ('refused', 302), 'a redirect is an error')
        check(not select.select([s], [], [], 0.3)[0], 'nobody was asked')
    check('redirects to http://127.0.0.1:%d,' % port in net.output(),
          'the log names the origin')


def bad_frames(mm, net):
    net.state('connected')
    mm.post_as('alice', 'operations', '!1')
    net.wait('COMMAND')
    for frames in ([{'opcode': 2, 'payload': 'x'}],
                   [{'opcode': 1, 'payload': '{'}],
                   [{'opcode': 1, 'mask': True, 'payload': '{}'}],
                   [{'raw': '91017b'}],
                   [{'opcode': 9, 'payload': '', 'times': 100}]):
        mm.frames(*frames)
        net.state('down', 5)
        net.state('connected', 10)
    mm.post_as('alice', 'operations', '!2')
    eq(net.wait('COMMAND')['text'], '!2', 'alive after bad frames')


def big_frame(mm, net):
    net.state('connected')
    mm.post_as('alice', 'operations', '<' * 16383)
    mm.post_as('alice', 'operations', '!' + 'x' * 16382)
    mm.post_as('alice', 'operations', '!ok')
    texts = [net.wait('COMMAND')['text'] for _ in range(2)]
    eq([len(t) for t in texts], [16383, 3], 'big messages')


def stop(mm, net):
    net.state('connected')
    mm.fault('/api/v4/posts*', 1, delay_ms=500)
    n = net.send('POST', channel_id=mm.channels['operations'], text='bye')
    net.parent.send('STOP')
    eq(result(net.wait('NET_RESULT', n=n)), ('ok', 201),
       'a post under way is finished')
    eq(net.proc.wait(5), 0, 'orderly end')


def executor_gone(mm, net):
    net.state('connected')
    net.executor.sock.close()
    check(net.proc.wait(5) != 0, 'no half-alive daemon')
    check('executor: closed its channel' in net.output(), 'and says why')


def websocket_redirect(mm, net):
    check('redirects to https://evil.example,' in net.state('down')['why'],
          'a redirected WebSocket')
    net.state('connected')


SCENARIOS = [
    everyday, lookups, forged, lost_and_resumed, half_open, catch_up, revoked,
    too_many, lost_answers, redirected, bad_frames, big_frame, stop,
    executor_gone]


def run(scenario, before=None, server=(), **rig):
    try:
        with Standin(*server) as mm:
            mm.seed()
            if before:
                before(mm)
            with NetRig(mm, **rig) as net:
                scenario(mm, net)
                check(mm.bot['token'] not in net.output(),
                      scenario.__name__ + ': token in the log')
    except Exception as e:      # a scenario that breaks is one that failed
        check(False, scenario.__name__, '%s: %s' % (type(e).__name__, e))


# TLS

def certificate(folder):
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
         '/CN=localhost', '-addext',
         'subjectAltName=IP:127.0.0.1,DNS:chat.example',
         '-keyout', folder + '/key.pem', '-out', folder + '/cert.pem'],
        check=True, capture_output=True)
    with open(folder + '/cert.pem', 'rb') as f:
        return f.read()


def tls(folder):
    ca = certificate(folder)
    other = os.path.join(folder, 'other')
    os.mkdir(other)
    wrong_ca = certificate(other)
    cert = folder + '/cert.pem'
    with Standin('-t', cert, '-k', folder + '/key.pem', cafile=cert) as mm:
        mm.seed()
        named = 'https://chat.example:%d' % mm.port
        hosts = b'127.0.0.1 chat.example wrong.example\n'
        with NetRig(mm, ca=ca, url=named, hosts=hosts) as net:
            net.state('connected')
            mm.post_as('alice', 'operations', '!tls')
            c = net.wait('COMMAND')
            eq(result(net.post(c['channel_id'], 'pong')), ('ok', 201),
               'over TLS')
        for what, rig in (
                ('unknown authority', dict(ca=wrong_ca)),
                ('wrong name', dict(ca=ca, hosts=hosts, url=named.replace(
                    'chat', 'wrong')))):
            mark = mm.last()
            with NetRig(mm, **rig) as net:
                m = net.state('down')
                check('SSL' in m['why'], what + ': says so', m)
                entries = mm.log('request', after=mark)
                eq(len(entries), 0, what + ': nothing was sent')
                check(mm.bot['token'] not in net.output(),
                      what + ': token in the log')


class Dns:
    """Answers every question for an IPv4 address with 127.0.0.1, on port 53
    of a loopback address that nobody else uses."""

    def __init__(self):
        self.address = '127.%d.%d.53' % (os.getpid() // 250 % 250 + 1,
                                         os.getpid() % 250 + 1)
        self.asked = []
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((self.address, 53))
        self.s.settimeout(0.2)
        self.over = False
        self.t = threading.Thread(target=self.serve)
        self.t.start()

    def serve(self):
        while not self.over:
            try:
                q, peer = self.s.recvfrom(512)
            except OSError:
                continue
            end = q.index(b'\0', 12) + 5
            is_a = q[end - 4:end - 2] == b'\0\1'
            self.asked.append(q[12:end - 5])
            a = q[:2] + b'\x81\x80\0\1' + (b'\0\1' if is_a else
                                           b'\0\0') + b'\0\0\0\0'
            a += q[12:end]
            if is_a:
                a += b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1'
            self.s.sendto(a, peer)

    def close(self):
        self.over = True
        self.t.join()
        self.s.close()


def dns(folder):
    """Names are resolved under confinement, without the C library."""
    if os.geteuid() != 0:
        tally.skip('dns', 'a server on port 53 needs root')
        return
    ca = certificate(folder)
    cert = folder + '/cert.pem'
    server = Dns()
    try:
        with Standin('-t', cert, '-k', folder + '/key.pem',
                     cafile=cert) as mm:
            mm.seed()
            resolv = 'nameserver %s\n' % server.address
            with NetRig(mm, ca=ca, resolv=resolv.encode(),
                        url='https://chat.example:%d' % mm.port) as net:
                net.state('connected')
                eq(result(net.post(mm.channels['operations'], 'x')),
                   ('ok', 201), 'by a resolved name')
                check(server.asked and len(server.asked) <= 4,
                      'asked once', server.asked)
    finally:
        server.close()


def old_tls(folder):
    """A server that speaks nothing above TLS 1.1 hears no token."""
    heard = []
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()

        def serve():
            s.settimeout(5)
            try:
                c = s.accept()[0]
                c.settimeout(2)
                hello = c.recv(4096)
                heard.append(hello)
                # alert: protocol_version
                c.sendall(b'\x15\x03\x01\x00\x02\x02\x46')
                heard.append(c.recv(4096))
                c.close()
            except OSError:
                pass
        t = threading.Thread(target=serve)
        t.start()
        ca = certificate(folder)
        with NetRig(None, url='https://127.0.0.1:%d' % s.getsockname()[1],
                    token='abcdefghijklmnopqrstuvwxyz', ca=ca) as net:
            net.state('down')
        t.join()
    # supported_versions (43) offers 1.3 and 1.2 only
    check(heard and b'\x00\x2b\x00\x05\x04\x03\x04\x03\x03' in heard[0],
          'TLS 1.2 and 1.3 only')
    check(all(b'abcdefghijkl' not in h for h in heard), 'no token in clear')


def start_refused(_):
    """What cannot be right is refused at the start, with the reason."""
    for rig, why in (
            (dict(url='http://192.0.2.1'), 'url'),
            (dict(url='https://192.0.2.1', ca=b'no certificate'),
             'caFile holds no certificate'),
            (dict(url='http://127.0.0.1:1', token='two words'), 'token'),
            (dict(url='http://127.0.0.1:1', token='x\r\nX-Evil: 1'),
             'token'),
            (dict(url='http://127.0.0.1:1', token='\n'), 'token')):
        kw = dict(token='abcdefghijklmnopqrstuvwxyz')
        kw.update(rig)
        net = NetRig(None, **kw)
        try:
            net.start()
            check(net.ready is None, 'refused: %r' % rig, net.ready)
            net.proc.wait(5)
            check(re.search('fatal: .*' + why, net.output()) is not None,
                  'reason for %r' % rig, net.output())
            if len(kw['token']) > 5:
                check(kw['token'] not in net.output(),
                      'the token is not in the log')
        finally:
            net.stop()
            net.log.close()


def alone(f):
    folder = tempfile.mkdtemp()
    try:
        f(folder)
    except Exception as e:
        check(False, f.__name__, '%s: %s' % (type(e).__name__, e))
    finally:
        shutil.rmtree(folder)


JOBS = {s.__name__: lambda s=s: run(s) for s in SCENARIOS}
JOBS.update({f.__name__: lambda f=f: alone(f)
             for f in (tls, dns, old_tls, start_refused)})
JOBS.update({s.__name__ + '_newer': lambda s=s: run(
    s, server=('--version', '11.6')) for s in (
        everyday, forged, lost_and_resumed, catch_up)})
JOBS['bad_token'] = lambda: run(bad_token, token='a' * 26)
JOBS['database_down'] = lambda: run(database_down, lambda mm: (
    mm.fault('/api/v4/users/me', 5, status=401, body='{}'),
    mm.fault('/api/v4/system/ping*', 5, status=500,
             body='{"status":"UNHEALTHY"}')))
JOBS['websocket_redirect'] = lambda: run(websocket_redirect, lambda mm: (
    mm.fault('/api/v4/websocket*', 1, redirect='https://evil.example/ws')))


def apart(name):
    """In a process of its own: they wait more than they work."""
    p = subprocess.run([sys.executable, os.path.abspath(__file__), name],
                       stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=120, check=False)
    out = p.stdout.decode('utf-8', 'replace')
    m = re.search(r'(\d+) passed, (\d+) failed\n$', out)
    return name, out + p.stderr.decode('utf-8', 'replace'), m


def main():
    if len(sys.argv) > 1:
        for name in sys.argv[1:]:
            JOBS[name]()
        tally.done()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, out, m in pool.map(apart, JOBS):
            if m is None:
                check(False, name, out)
                continue
            sys.stdout.write(''.join(line for line in out.splitlines(True)
                                     if line.startswith('SKIP')))
            tally.passed += int(m.group(1))
            tally.failed += int(m.group(2))
            if int(m.group(2)):
                print(out)
    tally.done()


if __name__ == '__main__':
    main()
