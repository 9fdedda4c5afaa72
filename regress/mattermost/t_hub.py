#!/usr/bin/python3
"""The surprises of a Mattermost server's WebSocket, one by one, at the
stand-in.  Time is moved, not slept away."""
import json
import socket
import sys

from trial import (away, eq, hello, lost, main, messages, online, post_of,
                   quiet, resume, test)
from ws import Refused

# Authentication.

@test()
def bad_token_gets_101_then_nothing(mm):
    ws = mm.websocket('x' * 26)
    eq(ws.status, 101)
    ws.action('ping')
    mm.wait('ws_frame')
    mm.advance(4.9)
    ws.sock.settimeout(0.05)
    try:
        ws.recv()
        raise AssertionError('something came')
    except socket.timeout:
        ws.sock.settimeout(10)
    mm.advance(0.2)
    lost(ws)


@test()
def cookie_wins_over_header(mm):
    a = mm.rest('GET', '/users/me', token='chatops',
                headers={'Cookie': 'a=b; MMAUTHTOKEN=' + 'x' * 26})
    eq(a.status, 401)
    a = mm.rest('GET', '/users/me', headers={
        'Authorization': 'bEARER ' + mm.bot['token']})
    eq((a.status, a.json['is_bot']), (200, True))


@test()
def an_origin_is_refused(mm):
    try:
        mm.websocket('chatops', headers=['Origin: http://evil.example'])
        raise AssertionError('101')
    except Refused as e:
        eq(e.status, 403)
        eq(e.body[:11], b'Forbidden\n{')


@test()
def a_token_in_the_address(mm):
    try:
        mm.websocket(None, '?access_token=' + mm.bot['token'])
        raise AssertionError('101')
    except Refused as e:
        eq(e.status, 401)


@test('--version', '11.6')
def binary_frames_11(mm):
    ws, _ = online(mm)
    ws.send_frame(2, b'{"seq":1,"action":"ping"}')
    lost(ws)


@test()
def binary_frames(mm):
    ws, _ = online(mm)
    ws.send_frame(2, b'{"seq":1,"action":"ping"}')
    eq(ws.reply(1)['status'], 'OK')


@test()
def unauthorized_for_all(mm):
    mm.set(unauthorized=True)
    a = mm.rest('GET', '/users/me', token='chatops')
    eq((a.status, a.json['id']),
       (401, 'api.context.session_expired.app_error'))
    mm.set(unauthorized=False)
    eq(mm.rest('GET', '/users/me', token='chatops').status, 200)


# Resume (reliable WebSockets).

@test()
def resume_replays_from_the_dead_queue(mm):
    ws, cid = online(mm)
    for i in range(3):
        mm.post_as('alice', 'operations', 'n%d' % i)
    eq(messages(ws, 3), [(2, 'n0'), (3, 'n1'), (4, 'n2')])
    away(mm, ws)
    mm.post_as('alice', 'operations', 'n3')
    ws = resume(mm, cid, 3)
    first = ws.recv()
    eq((first['event'], first['seq'], post_of(first)['message']),
       ('posted', 3, 'n1'))
    eq(messages(ws, 2), [(4, 'n2'), (6, 'n3')])     # 5: went offline
    eq(mm.conns()[0]['connection_id'], cid)


@test()
def resume_without_loss_has_no_hello(mm):
    ws, cid = online(mm)
    away(mm, ws)
    mm.post_as('alice', 'operations', 'meanwhile')
    ws = resume(mm, cid, 2)
    m = ws.recv()
    eq((m['event'], m['seq']), ('status_change', 2))
    eq(messages(ws, 1), [(3, 'meanwhile')])
    eq(ws.recv()['data']['status'], 'online')
    quiet(ws)


@test()
def resume_too_old_or_from_the_future(mm):
    for far in (False, True):
        ws, cid = online(mm)
        if not far:
            for i in range(130):
                mm.raw_post('alice', 'operations', 'x%d' % i)
            messages(ws, 130)
        away(mm, ws)
        ws = resume(mm, cid, 999 if far else 1)
        if hello(ws) == cid:
            raise AssertionError('the old id')
        away(mm, ws)


@test()
def resume_of_an_unknown_id(mm):
    ws = resume(mm, 'y' * 26, 7)
    if hello(ws) == 'y' * 26:
        raise AssertionError('the id was taken')
    ws = resume(mm, 'y' * 26, None)
    hello(ws)       # 5.37 lets the number be absent here


@test('--version', '11.6')
def resume_of_an_unknown_id_11(mm):
    hello(resume(mm, 'y' * 26, 7))
    lost(resume(mm, 'y' * 26, None))


@test()
def resume_with_bad_parameters(mm):
    ws, cid = online(mm)
    lost(resume(mm, 'short', 1))
    away(mm, ws)
    lost(resume(mm, cid, None))


@test()
def resume_with_garbage_for_a_number(mm):
    ws, cid = online(mm)
    away(mm, ws)
    lost(resume(mm, cid, 'two'))


@test()
def resume_with_zero_loses_silently(mm):
    ws, cid = online(mm)
    mm.post_as('alice', 'operations', 'lost')
    messages(ws, 1)
    away(mm, ws)
    ws = resume(mm, cid, 0)
    m = ws.recv()
    eq((m['event'], m['seq']), ('status_change', 0))
    eq(mm.conns()[0]['connection_id'], cid)


@test()
def resume_while_half_open(mm):
    ws, cid = online(mm)
    mm.drop('freeze')
    mm.post_as('alice', 'operations', 'lost')
    new = resume(mm, cid, 2)
    if hello(new) == cid:
        raise AssertionError('it took the id over')
    eq(len(mm.conns()), 2)
    for _ in range(2):      # the live one answers, the dead one does not
        mm.advance(60)
        eq(new.recv_any(), (9, b''))
        new.send_frame(10)
        mm.wait('ws_frame', after=mm.last() - 1, equal={'opcode': 10})
    eq([c['has_socket'] for c in mm.conns()], [False, True])


@test()
def the_reaper_forgets(mm):
    ws, cid = online(mm)
    away(mm, ws)
    eq(len(mm.conns()), 1)
    mm.advance(660)
    eq(mm.conns(), [])
    if hello(resume(mm, cid, 2)) == cid:
        raise AssertionError('remembered')


@test('-s', 'reliable=0')
def reliable_off(mm):
    ws, cid = online(mm)
    eq(cid, '')
    away(mm, ws)
    eq(mm.conns(), [])


@test()
def restart_forgets(mm):
    ws, cid = online(mm)
    mm.restart()
    lost(ws)
    if hello(resume(mm, cid, 2)) == cid:
        raise AssertionError('remembered')


@test()
def more_than_256_while_away(mm):
    ws, cid = online(mm)
    away(mm, ws)
    for i in range(255):        # with status_change: 256
        mm.raw_post('alice', 'operations', 'x')
    eq(mm.conns()[0]['queue'], 256)
    mm.raw_post('alice', 'operations', 'one too many')
    eq(mm.conns(), [])


@test()
def a_slow_reader_is_closed_without_a_code(mm):
    ws = mm.websocket('chatops', rcvbuf=4096)
    big = '<' * 16383
    for i in range(320):
        mm.raw_post('alice', 'operations', big)
        if not mm.conns():
            break
    eq(mm.conns(), [])
    e = ws.end()
    eq((e.framed, e.code), (True, None))


@test()
def typing_is_dropped_early(mm):
    ws, cid = online(mm)
    away(mm, ws)
    for i in range(127):
        mm.raw_post('alice', 'operations', 'x')
    eq(mm.conns()[0]['queue'], 128)
    mm.ok('POST', '/users/me/typing', {
        'channel_id': mm.channels['operations']}, 'alice')
    eq(mm.conns()[0]['queue'], 128)


@test()
def two_sockets_of_one_token(mm):
    a, _ = online(mm)
    b = mm.websocket('chatops')
    hello(b)
    mm.post_as('alice', 'operations', 'twice')
    eq(messages(a, 1), [(2, 'twice')])
    eq(messages(b, 1), [(1, 'twice')])


# Keep-alive and frames.

@test()
def ping_every_60_pong_within_100(mm):
    ws, _ = online(mm)
    mm.advance(60)
    eq(ws.recv_any(), (9, b''))
    ws.send_frame(10)
    mm.wait('ws_frame', equal={'opcode': 10})
    mm.advance(60)
    eq(ws.recv_any(), (9, b''))
    quiet(ws)               # an action is no PONG
    mm.advance(39)
    quiet(ws)
    mm.advance(2)
    lost(ws)


@test()
def silence_on_order(mm):
    ws, _ = online(mm)
    ws.send_frame(9, b'abc')
    eq(ws.recv_any(), (10, b'abc'))
    mm.set(mute_pong=True, mute_reply=True, mute_ping=True)
    ws.send_frame(9, b'abc')
    ws.action('ping')
    mm.advance(61)
    mm.post_as('alice', 'operations', 'events still come')
    eq(messages(ws, 1)[0][1], 'events still come')
    mm.set(mute_pong=False)
    ws.send_frame(9, b'd')
    eq(ws.recv_any(), (10, b'd'))


@test()
def a_client_frame_above_8192(mm):
    ws, _ = online(mm)
    ws.send_frame(1, b' ' * (8192 - 31) + b'{"seq":1,"action":"ping"}')
    eq(ws.reply(1)['status'], 'OK')
    ws.send_frame(1, b'x' * 8193)
    eq(ws.end().code, 1009)


@test()
def a_client_frame_without_mask(mm):
    ws, _ = online(mm)
    ws.send_frame(1, b'{"seq":1,"action":"ping"}', mask=False)
    eq(ws.end().code, 1002)


@test()
def a_clean_close_is_echoed(mm):
    ws, _ = online(mm)
    ws.send_frame(8, b'\x03\xe8')
    eq(ws.end().code, 1000)


@test()
def raw_frames(mm):
    ws, _ = online(mm)
    eq(mm.frames({'opcode': 1, 'fin': False, 'text': '{"a"'},
                 {'opcode': 0, 'fin': False, 'times': 500},
                 {'opcode': 9, 'text': 'p'},
                 {'opcode': 0, 'text': ':1}'}), 1)
    eq(ws.frame(), (0, 0, 1, b'{"a"'))
    for _ in range(500):
        eq(ws.frame(), (0, 0, 0, b''))
    eq(ws.frame(), (1, 0, 9, b'p'))
    eq(ws.frame(), (1, 0, 0, b':1}'))
    mm.frames({'mask': True, 'text': 'masked', 'rsv': 4})
    eq(ws.frame(), (1, 4, 1, b'masked'))
    mm.frames({'repeat': '[', 'count': 100000})
    eq(ws.frame()[3], b'[' * 100000)
    mm.frames({'hex': 'fffe', 'length': 1 << 40}, slow_us=200)
    eq(ws._take(12)[:2], b'\x81\x7f')
    mm.frames({'raw': '8a00'}, cut=1)
    eq(ws._take(1), b'\x8a')
    lost(ws)


@test()
def sockets_end_in_all_ways(mm):
    for how in ('fin', 'rst', 'close', 'code'):
        ws = mm.websocket('chatops')
        hello(ws)
        if how == 'code':
            eq(mm.drop('close', code=1001), 1)
        else:
            eq(mm.drop(how, user='chatops'), 1)
        e = ws.end()
        eq((e.reset, e.framed, e.code), (
            how == 'rst', how in ('close', 'code'),
            1001 if how == 'code' else None))


# Revocation.

@test()
def a_disabled_token_still_hears(mm):
    ws, _ = online(mm)
    mm.ok('POST', '/users/tokens/disable',
          {'token_id': mm.bot['token_id']}, 'sysadmin')
    eq(mm.rest('GET', '/users/me', token='chatops').status, 401)
    mm.post_as('alice', 'operations', 'heard')
    eq(messages(ws, 1)[0][1], 'heard')
    e = ws.ask('ping')['error']
    eq((e['id'], e['status_code']),
       ('api.context.invalid_token.error', 401))
    if mm.bot['token'] not in e['message']:
        raise AssertionError('the token is not in the message')
    mm.ok('POST', '/channels/%s/members' % mm.add_channel('new', ['alice']),
          {'user_id': mm.bot['id']}, 'sysadmin')
    mm.post_as('alice', 'operations', 'not heard')
    e = ws.ask('ping')['error']
    eq(e['id'], 'api.web_socket_router.not_authenticated.app_error')


@test('--version', '11.6')
def a_disabled_token_hears_nothing_11(mm):
    ws, _ = online(mm)
    mm.ok('POST', '/users/tokens/revoke',
          {'token_id': mm.bot['token_id']}, 'sysadmin')
    mm.post_as('alice', 'operations', 'not heard')
    eq(ws.ask('ping')['error']['status_code'], 401)


@test()
def a_disabled_bot_and_a_new_challenge(mm):
    ws, _ = online(mm)
    mm.ok('POST', '/bots/%s/disable' % mm.bot['id'], None, 'sysadmin')
    m = ws.recv()
    eq((m['event'], m['data']['status']), ('status_change', 'offline'))
    mm.post_as('alice', 'operations', 'not heard')
    eq(ws.ask('ping')['error']['status_code'], 401)
    mm.ok('POST', '/bots/%s/enable' % mm.bot['id'], None, 'sysadmin')
    n = ws.action('authentication_challenge', token=mm.bot['token'])
    m = ws.recv()
    eq((m['event'], m['seq']), ('hello', 3))
    eq(ws.reply(n)['status'], 'OK')


@test()
def the_bot_goes_with_its_owner(mm):
    mm.add_user('other', roles='system_user system_admin')
    mm.ok('PUT', '/users/%s/active' % mm.user_id('sysadmin'),
          {'active': False}, 'other')
    eq(mm.rest('GET', '/users/me', token='chatops').status, 401)
    u = mm.ok('GET', '/users/' + mm.bot['id'], None, 'other')
    if u['delete_at'] == 0:
        raise AssertionError('still active')


@test()
def database_down(mm):
    ws, _ = online(mm)
    eq(mm.rest('GET', '/users/me', token='alice').status, 200)
    mm.set(db_down=True)
    eq(ws.ask('ping')['status'], 'OK')
    eq(mm.rest('GET', '/users/me', token='alice').status, 500)
    eq(mm.rest('GET', '/users/me', token='bob').status, 401)
    eq(mm.rest('GET', '/system/ping').json['status'], 'OK')
    a = mm.rest('GET', '/system/ping?get_server_status=true')
    eq((a.status, a.json['status']), (500, 'UNHEALTHY'))
    mm.set(db_down=False)
    eq(mm.rest('GET', '/users/me', token='bob').status, 200)


sys.exit(main())
