#!/usr/bin/python3
"""The surprises of a Mattermost server's REST interface, one by one, at the
stand-in; and the faults that a test can order."""
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from trial import eq, main, messages, online, post_of, quiet, test
from standin import Standin, Timeout, is_id
from ws import Refused

# Posts.

@test()
def pending_ids(mm):
    p = mm.post_as('alice', 'operations', 'one', pending_post_id='k')
    eq(p['pending_post_id'], 'k')
    q = mm.post_as('alice', 'operations', 'two', pending_post_id='k')
    eq((q['id'], q['message']), (p['id'], 'one'))
    mm.add_channel('secret', ['alice'], type='P')
    s = mm.post_as('alice', 'secret', 'hidden', pending_post_id='s')
    q = mm.post_as('chatops', 'operations', 'mine', pending_post_id='s')
    eq((q['id'], q['message']), (s['id'], 'hidden'))
    mm.advance(31)
    q = mm.post_as('alice', 'operations', 'two', pending_post_id='k')
    eq(q['message'], 'two')
    a = mm.rest('POST', '/posts', {
        'channel_id': mm.channels['operations'], 'message': 'x' * 16384,
        'pending_post_id': 'f'}, 'alice')
    eq(a.status, 400)
    q = mm.post_as('alice', 'operations', 'again', pending_post_id='f')
    eq(q['message'], 'again')


@test('--version', '11.6')
def pending_ids_11(mm):
    mm.add_channel('secret', ['alice'], type='P')
    mm.post_as('alice', 'secret', 'hidden', pending_post_id='s')
    q = mm.post_as('chatops', 'operations', 'mine', pending_post_id='s')
    eq(q['message'], 'mine')


@test('-s', 'delay_create=300')
def pending_still_running(mm):
    out = []
    t = threading.Thread(target=lambda: out.append(
        mm.post_as('alice', 'operations', 'slow', pending_post_id='k')))
    t.start()
    mm.wait_request('/api/v4/posts')
    a = mm.rest('POST', '/posts', {
        'channel_id': mm.channels['operations'], 'message': 'x',
        'pending_post_id': 'k'}, 'alice')
    eq((a.status, a.json['id']),
       (500, 'api.post.deduplicate_create_post.pending'))
    t.join(10)
    eq(out[0]['message'], 'slow')


@test()
def since_gives_the_oldest_thousand(mm):
    c = mm.channels['operations']
    for i in range(1010):
        mm.raw_post('alice', 'operations', str(i), event=False,
                    create_at=1000000 + i)
    r = mm.ok('GET', '/channels/%s/posts?since=1000000' % c, None, 'chatops')
    eq((len(r['order']), r['next_post_id'], r['prev_post_id']),
       (1000, '', ''))
    eq(r['posts'][r['order'][0]]['message'], '1000')
    r = mm.ok('GET', '/channels/%s/posts?per_page=999' % c, None, 'chatops')
    eq(len(r['order']), 200)
    eq(r['posts'][r['order'][0]]['message'], '1009')
    r = mm.ok('GET', '/channels/%s/posts?per_page=-3&page=x' % c, None,
              'chatops')
    eq(len(r['order']), 60)
    r = mm.ok('GET', '/channels/%s/posts?per_page=200&page=5' % c, None,
              'chatops')
    eq(len(r['order']), 10)


@test()
def since_shows_copies_and_the_dead(mm):
    c = mm.channels['operations']
    p = mm.post_as('alice', 'operations', 'before')
    q = mm.post_as('alice', 'operations', 'gone')
    mm.advance(0.01)
    mm.patch_as('alice', p['id'], message='after')
    mm.ok('DELETE', '/posts/' + q['id'], None, 'alice')
    r = mm.ok('GET', '/channels/%s/posts?since=1' % c, None, 'chatops')
    v = list(r['posts'].values())
    copy = [x for x in v if x['original_id'] == p['id']]
    eq([(x['message'], x['delete_at'] > 0) for x in copy], [('', True)])
    eq([x['message'] for x in v if x['id'] == q['id']], [''])
    r = mm.ok('GET', '/channels/%s/posts' % c, None, 'chatops')
    eq([x['message'] for x in r['posts'].values()], ['after'])


@test()
def after_an_anchor(mm):
    c = mm.channels['operations']
    ids = [mm.raw_post('alice', 'operations', str(i), create_at=t)['id']
           for i, t in enumerate((5000, 6000, 6000, 7000))]

    def after(anchor):
        r = mm.ok('GET', '/channels/%s/posts?after=%s' % (c, anchor), None,
                  'chatops')
        return sorted(p['message'] for p in r['posts'].values())

    eq(after(ids[0]), ['1', '2', '3'])
    eq(after(ids[1]), ['3'])        # the same millisecond is skipped
    eq(after('y' * 26), [])
    mm.ok('DELETE', '/posts/' + ids[0], None, 'alice')
    eq(after(ids[0]), ['1', '2', '3'])
    r = mm.ok('GET', '/channels/%s/posts?before=%s' % (c, ids[3]), None,
              'chatops')
    eq(len(r['order']), 2)


@test()
def limits(mm):
    def status(**f):
        a = mm.rest('POST', '/posts', dict(
            {'channel_id': mm.channels['operations'], 'message': 'x'}, **f),
            'alice')
        return a.status, a.json.get('id') if a.status >= 400 else None

    eq(status(message='\U0001f680' * 16383), (201, None))
    eq(status(message='a' * 16384), (400, 'model.post.is_valid.msg.app_error'))
    eq(status(props={'a': 'x' * 7991}), (201, None))
    eq(status(props={'a': 'x' * 8000}),
       (400, 'model.post.is_valid.props.app_error'))
    eq(status(file_ids=['y' * 26] * 10), (201, None))
    eq(status(file_ids=['y' * 26] * 11),
       (400, 'model.post.is_valid.file_ids.app_error'))
    eq(status(message='a\0b')[0], 500)
    eq(status(type='reminder')[0], 400)
    eq(status(message='\r\x1b\u202e'), (201, None))
    p = mm.post_as('alice', 'operations', 'root')
    r = mm.post_as('alice', 'operations', 'reply', root_id=p['id'])
    eq(status(root_id=r['id']),
       (400, 'api.post.create_post.root_id.app_error'))
    q = mm.post_as('alice', 'random', 'elsewhere')
    eq(status(root_id=q['id']),
       (400, 'api.post.create_post.channel_root_id.app_error'))


@test()
def what_a_client_may_set(mm):
    p = mm.post_as('alice', 'operations', 'x', remote_id='y' * 26,
                   id='é' * 13, edit_at=7, message_source='other',
                   participants=[{'id': 'fake'}], is_pinned=True)
    eq((p['id'], p['remote_id'], p['edit_at'], p['message_source'],
        p['participants'], p['is_pinned']),
       ('é' * 13, 'y' * 26, 7, 'other', [{'id': 'fake'}], True))
    a = mm.rest('POST', '/posts', {
        'channel_id': mm.channels['operations'], 'id': 'y' * 26}, 'alice')
    eq(a.status, 400)
    for t in (-1, 2 ** 63 - 1):
        p = mm.post_as('sysadmin', 'operations', 'x', create_at=t)
        eq((p['create_at'], p['update_at']), (t, t))
    p = mm.post_as('alice', 'operations', 'x', create_at=1,
                   props={'from_bot': 'true', 'add_channel_member': {}})
    eq((p['create_at'] > 1, p['props']), (True, {'from_bot': 'true'}))
    p = mm.post_as('alice', 'operations', 'x', delete_at=5)
    eq(p['message'], '')


@test('--version', '11.6')
def what_11_clears(mm):
    p = mm.post_as('alice', 'operations', 'x', remote_id='y' * 26,
                   id='z' * 26, delete_at=5)
    eq((p.get('remote_id'), p['message'], 'parent_id' in p,
        p['id'] == 'z' * 26), (None, 'x', False, False))
    a = mm.rest('POST', '/posts', {
        'channel_id': mm.channels['operations'], 'message': 'a' * 16384},
        'alice')
    eq(a.json['id'], 'model.post.is_valid.message_length.app_error')
    eq(mm.rest('DELETE', '/posts/' + 'y' * 26, None, 'alice').status, 404)
    eq(mm.rest('GET', '/config/client').status, 200)
    eq(mm.rest('POST', '/posts', b' ' * 300001, 'alice').status, 413)
    eq(mm.rest('GET', '/users/me?x=' + 'y' * 2048, None, 'alice').status, 414)


@test('--version', '11.6')
def events_of_11(mm):
    ws = mm.websocket('chatops')
    _, raw = ws.recv_any()
    eq(raw[:18], b'{"event": "hello",')
    eq(raw[-1:], b'}')
    eq('server_hostname' in json.loads(raw)['data'], True)
    mm.post_as('alice', 'operations', '@all hi')
    m = ws.event('posted')
    eq(json.loads(m['data']['mentions']), [mm.bot['id']])
    eq(m['broadcast']['omit_connection_id'], '')
    mm.post_as('alice', 'operations', '@bob hi')
    eq('mentions' in ws.event('posted')['data'], False)
    mm.react_as('alice', mm.post_as('alice', 'operations', 'x')['id'], '+1')
    r = json.loads(ws.event('reaction_added')['data']['reaction'])
    eq(r['channel_id'], mm.channels['operations'])


@test()
def patching(mm):
    ws, _ = online(mm, 'bob')
    p = mm.post_as('chatops', 'operations', 'a', props={'k': 1})
    mm.advance(1)
    q = mm.patch_as('chatops', p['id'], props={'l': 2})
    eq((q['props'], q['edit_at'], q['update_at'] > p['update_at']),
       ({'l': 2}, 0, True))
    q = mm.patch_as('chatops', p['id'], message='@bob b')
    eq((q['edit_at'] > 0, q['props']), (True, {'l': 2}))
    ws.event('post_edited')
    eq(set(ws.event('post_edited')['data']), {'post'})
    for user, post in (('alice', p['id']), ('chatops', 'y' * 26)):
        a = mm.rest('PUT', '/posts/%s/patch' % post, {'message': 'x'}, user)
        eq(a.status, 403)
    q = mm.patch_as('sysadmin', p['id'], message='other')
    eq(q['user_id'], mm.bot['id'])
    eq(mm.rest('DELETE', '/posts/' + 'y' * 26, None, 'alice').status, 403)
    mm.set(edit_limit=1)
    mm.advance(5)
    a = mm.rest('PUT', '/posts/%s/patch' % p['id'], {'message': 'x'},
                'chatops')
    eq(a.json['id'],
       'api.post.update_post.permissions_time_limit.app_error')


@test()
def mentions(mm):
    ws, _ = online(mm)
    yes = ['@all', '@ALL!', '(@all)', '@all.', "@all's", '\\@all', '**@all**',
           '*@all*', '> @all', '[@all](u)', 'x.@all',
           'x-@all', 'x:@all', '`@all', '\\`@all`', 'text\n    @all',
           '```a`b\n@all\n```', '@chatops:', '@ChatOps', '$@all$']
    no = ['`@all`', '``a ` @all``', '```\n@all\n```', '~~~\n@all',
          '    @all', 'foo@all', '@allx', 'http://h/@all', ':@all:',
          '@\u200ball', '＠all', '```latex\n@all\n```']
    for text, want in [(t, True) for t in yes] + [(t, False) for t in no]:
        mm.post_as('alice', 'operations', text)
        got = ws.event('posted')['data'].get('mentions', '[]')
        eq((text, mm.bot['id'] in got), (text, want))


@test()
def reactions(mm):
    ws, _ = online(mm)
    p = mm.post_as('alice', 'operations', 'x')['id']
    eq(mm.rest('GET', '/posts/%s/reactions' % p, None, 'bob').text, 'null')
    r = mm.ok('POST', '/reactions', {
        'user_id': mm.user_id('bob'), 'post_id': p, 'emoji_name': 'x_+1',
        'create_at': 5}, 'bob')
    eq(r['create_at'], 5)
    mm.react_as('bob', p, 'x_+1')
    for _ in range(2):
        ws.event('reaction_added')
    eq(len(mm.ok('GET', '/posts/%s/reactions' % p, None, 'bob')), 1)
    path = '/users/%s/posts/%s/reactions/x_+1' % (mm.user_id('bob'), p)
    for _ in range(2):
        eq(mm.rest('DELETE', path, None, 'bob').status, 200)
    eq(mm.rest('DELETE', path, None, 'alice').status, 403)
    eq(mm.rest('POST', '/reactions', {
        'user_id': mm.user_id('bob'), 'post_id': p, 'emoji_name': ':x:'},
        'bob').status, 400)


# Who is who, and where.

@test()
def users(mm):
    mm.ok('PUT', '/users/%s/active' % mm.user_id('carol'),
          {'active': False}, 'sysadmin')
    u = mm.ok('GET', '/users/' + mm.user_id('carol'), None, 'chatops')
    eq((u['delete_at'] > 0, u['username']), (True, 'carol'))
    eq(mm.rest('GET', '/users/me', None, 'carol').status, 401)
    eq(mm.rest('GET', '/users/username/ChatOps', None, 'bob').status, 400)
    eq(mm.rest('POST', '/users/ids', [], 'bob').status, 400)
    eq(mm.ok('POST', '/users/usernames', ['bob', 'nobody'], 'bob')[0]['id'],
       mm.user_id('bob'))
    ws, _ = online(mm)
    mm.ok('PUT', '/users/%s/roles' % mm.user_id('bob'),
          {'roles': 'system_user system_admin'}, 'sysadmin')
    quiet(ws)               # nobody else is told
    mm.add_user('guest', roles='system_guest', channels=['operations'])
    m = mm.ok('GET', '/channels/%s/members/%s' % (
        mm.channels['operations'], mm.user_id('guest')), None, 'chatops')
    eq(m['scheme_guest'], True)
    for name, status in (('ALICE', 400), ('system', 400), ('Here', 201),
                         ('a b', 400), ('x' * 65, 400)):
        a = mm.rest('POST', '/users', {'email': 'a@b', 'username': name,
                                       'password': 'x'})
        eq((name, a.status), (name, status))
    for nick in ('日' * 100, 'a' + '🚀' * 70, ''):
        u = mm.ok('PUT', '/users/me/patch', {'nickname': nick}, 'bob')
        eq(nick.startswith(u['nickname']), True)
    a = mm.rest('POST', '/users/login', {'login_id': 'bob',
                                         'password': 'wrong'})
    eq(a.status, 401)


@test()
def channels(mm):
    def make(name, **f):
        return mm.rest('POST', '/channels', dict(
            {'team_id': mm.team, 'name': name, 'display_name': 'X',
             'type': 'O'}, **f), 'alice')

    a = make('one')
    eq(a.status, 201)
    cid = a.json['id']
    eq(make('one').status, 400)
    eq(make('one', team_id=mm.team2).status, 201)
    for bad in ('x', '_ab', 'ab-', 'AB', 'a' * 65, 'y' * 26 + '__' + 'y' * 26):
        eq((bad, make(bad).status), (bad, 400))
    mm.ok('PUT', '/channels/%s/patch' % cid, {'name': 'two'}, 'alice')
    eq(make('one').status, 201)         # free at once
    mm.ok('DELETE', '/channels/' + cid, None, 'alice')
    eq(make('two').status, 400)         # archived ones keep theirs
    by = '/teams/%s/channels/name/two' % mm.team
    eq(mm.rest('GET', by, None, 'alice').status, 404)
    eq(mm.rest('GET', by + '?include_deleted=true', None, 'alice').status,
       200)
    a = mm.rest('POST', '/posts', {'channel_id': cid, 'message': 'x'},
                'alice')
    eq(a.json['id'], 'api.post.create_post.can_not_post_to_deleted.error')
    p = mm.add_channel('hidden', ['alice'], type='P')
    eq(mm.rest('GET', '/channels/' + p, None, 'bob').status, 403)
    eq(mm.rest('GET', '/teams/name/ops/channels/name/hidden', None,
               'bob').status, 404)
    eq(mm.post_as('sysadmin', p, 'no member')['channel_id'], p)
    d = mm.direct('alice', 'bob')
    eq(mm.post_as('sysadmin', d, 'into their DM')['channel_id'], d)


@test()
def membership_events(mm):
    ws, _ = online(mm)
    c = mm.add_channel('new', ['alice', 'sysadmin', 'bob'])
    mm.post_as('alice', c, 'not for the bot')
    mm.ok('POST', '/channels/%s/members' % c, {'user_id': mm.bot['id']},
          'sysadmin')
    m = ws.recv()
    eq((m['event'], m['data']['user_id']), ('user_added', mm.bot['id']))
    eq(post_of(ws.recv())['type'], 'system_add_to_channel')
    mm.ok('DELETE', '/channels/%s/members/%s' % (c, mm.user_id('bob')),
          None, 'sysadmin')
    eq(set(ws.recv()['data']), {'user_id', 'remover_id'})
    eq(post_of(ws.recv())['type'], 'system_remove_from_channel')
    mm.ok('DELETE', '/channels/%s/members/%s' % (c, mm.bot['id']), None,
          'sysadmin')
    m = ws.recv()
    eq(set(m['data']), {'channel_id', 'remover_id'})
    eq(m['broadcast']['user_id'], mm.bot['id'])
    mm.direct('bob', 'chatops')
    eq(ws.recv()['event'], 'direct_added')
    mm.ok('PUT', '/channels/%s/patch' % mm.channels['operations'],
          {'header': '!deploy prod'}, 'alice')
    eq(ws.recv()['event'], 'channel_updated')
    p = post_of(ws.recv())
    eq((p['type'], p['user_id'], '!deploy prod' in p['message']),
       ('system_header_change', mm.user_id('alice'), True))


# Files, webhooks, commands.

@test()
def files(mm):
    c = mm.channels['operations']

    def up(name, body=b'data', user='chatops'):
        return mm.ok('POST', '/files?channel_id=%s&filename=%s' % (c, name),
                     body, user)['file_infos']

    f = up('a.txt')[0]['id']
    p = mm.post_as('chatops', c, 'x', file_ids=[f])
    eq(p['metadata']['files'][0]['post_id'], p['id'])
    p = mm.post_as('chatops', c, 'again', file_ids=[f])
    eq('file_ids' in p, False)
    p = mm.post_as('chatops', c, 'x', file_ids=[up('b', user='bob')[0]['id']])
    eq('file_ids' in p, False)
    eq(up('..%2Fb'), [])
    eq(mm.rest('GET', '/files/' + f, None, 'alice').bytes, b'data')
    mm.set(max_file=4)
    a = mm.rest('POST', '/files?channel_id=%s&filename=c' % c, b'12345',
                'chatops')
    eq(a.status, 413)
    b = ('--B\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\n%s'
         '\r\n--B\r\nContent-Disposition: form-data; name="files"; '
         'filename="m.txt"\r\nContent-Type: text/plain\r\n\r\n\r\n\0\r'
         '\r\n--B--\r\n' % c).encode()
    a = mm.rest('POST', '/files', b, 'chatops', headers={
        'Content-Type': 'multipart/form-data; boundary=B'})
    eq((a.status, a.json['file_infos'][0]['size']), (201, 4))
    eq(mm.rest('GET', '/files/' + a.json['file_infos'][0]['id'], None,
               'chatops').bytes, b'\r\n\0\r')


@test()
def a_webhook_speaks_for_anybody(mm):
    ws, _ = online(mm)
    mm.member('operations', 'carol', add=False)
    h = mm.ok('POST', '/hooks/incoming', {
        'channel_id': mm.channels['operations'],
        'user_id': mm.user_id('carol')}, 'sysadmin')['id']
    mm.ok('PUT', '/users/%s/active' % mm.user_id('carol'),
          {'active': False}, 'sysadmin')
    a = mm.rest('POST', '/hooks/' + h, {
        'text': '!deploy', 'props': {'from_webhook': 'false',
                                     'from_bot': 'false'}})
    eq((a.status, a.text), (200, 'ok'))
    p = post_of(ws.event('posted'))
    eq((p['user_id'], p['props']['from_webhook'], p['props']['from_bot']),
       (mm.user_id('carol'), 'true', 'false'))
    a = mm.rest('POST', '/hooks/' + h, {'text': 'psst',
                                        'channel': '@chatops'})
    m = ws.event('posted')
    eq((m['data']['channel_type'], post_of(m)['message']), ('D', 'psst'))
    a = mm.rest('POST', '/hooks/incoming', {
        'channel_id': mm.channels['operations']}, 'mallory')
    eq(a.status, 403)


@test()
def a_slash_command_speaks_for_its_caller(mm):
    ws, _ = online(mm)
    for text, props, kind in (('/custom !deploy', {'from_webhook': 'true'},
                               ''), ('/echo !deploy', {}, ''),
                              ('/me waves', {}, 'me')):
        mm.ok('POST', '/commands/execute', {
            'channel_id': mm.channels['operations'], 'command': text},
            'alice')
        p = post_of(ws.event('posted'))
        eq((p['user_id'], p['props'], p['type']),
           (mm.user_id('alice'), props, kind))
    mm.post_as('alice', 'operations', '/x')
    eq(messages(ws, 1)[0][1], '/x')


@test()
def forged_posts_and_events(mm):
    ws, _ = online(mm)
    mm.raw_post('alice', 'operations', 'x', type='system_join_channel',
                create_at=-5, remote_id='y' * 26, original_id='z' * 26,
                over={'channel_type': 'D', 'sender_name': '@sysadmin'})
    m = ws.event('posted')
    p = post_of(m)
    eq((m['data']['channel_type'], p['create_at'], p['type'],
        p['original_id']), ('D', -5, 'system_join_channel', 'z' * 26))
    mm.event('posted', {'post': '{"id":'}, to={'user_id': mm.bot['id']},
             broadcast={'channel_id': 7})
    m = ws.recv()
    eq((m['data'], m['broadcast'], m['seq']),
       ({'post': '{"id":'}, {'channel_id': 7}, 3))


# Rate limits and faults.

@test('-s', 'rate=1', '-s', 'rate_persec=1', '-s', 'rate_burst=2')
def rate_limit(mm):
    for left in ('2', '1', '0'):
        a = mm.rest('GET', '/system/ping')
        eq((a.status, a.headers['x-ratelimit-limit'],
            a.headers['x-ratelimit-remaining']), (200, '3', left))
    a = mm.rest('GET', '/system/ping')
    eq((a.status, a.text, a.headers['content-type'][:10]),
       (429, 'limit exceeded\n', 'text/plain'))
    eq((a.headers['retry-after'], 'x-request-id' in a.headers), ('1', False))
    try:
        mm.websocket('chatops')
        raise AssertionError('101')
    except Refused as e:
        eq(e.status, 429)
    mm.advance(10)
    mm.set(rate_by_user=True)
    a = mm.rest('GET', '/users/me', None, 'chatops')
    eq(len([k for k, v in a.all if k == 'x-ratelimit-limit']), 2)


@test()
def faults(mm):
    def me(**kw):
        return mm.rest('GET', '/users/me', None, 'chatops', **kw)

    mm.fault('/api/v4/users/*', status=502, body='<html>', type='text/html',
             count=2, skip=1)
    eq([me().status for _ in range(4)], [200, 502, 502, 200])
    mm.fault('*/me', redirect='http://127.0.0.1:1/x')
    a = me()
    eq((a.status, a.headers['location']), (302, 'http://127.0.0.1:1/x'))
    mm.fault('*', slow_us=100)
    eq(me().json['username'], 'chatops')
    mm.fault('*', delay_ms=50, status=503, headers={'Retry-After': '9'})
    eq(me().headers['retry-after'], '9')
    for what in ({'cut': 500}, {'reset': True}, {'raw': 'SSH-2.0-x'}):
        mm.fault('*', **what)
        try:
            a = me()
        except (OSError, http.client.HTTPException):
            continue
        raise AssertionError('an answer: %d' % a.status)
    mm.fault('*/posts', lost=True)
    try:
        mm.post_as('chatops', 'operations', 'done all the same')
        raise AssertionError('an answer')
    except ConnectionError:
        pass
    mm.wait_post('operations', 'all the same$')
    mm.fault('*', hang=True)
    try:
        me(timeout=0.1)
        raise AssertionError('an answer')
    except socket.timeout:
        pass
    eq([f['left'] for f in mm.faults()], [0] * 9)
    mm.fault('*', status=500)
    mm.unfault()
    eq(me().status, 200)
    mm.fault('*/websocket', status=200, body='no')
    try:
        mm.websocket('chatops')
        raise AssertionError('101')
    except Refused as e:
        eq(e.status, 200)


@test()
def waiting(mm):
    t = threading.Timer(0.05, lambda: mm.post_as('chatops', 'random',
                                                 'job 42 done'))
    t.start()
    e = mm.wait_post('random', '^job [0-9]+ done$')
    eq((e['kind'], is_id(e['post_id'])), ('post', True))
    t.join()
    try:
        mm.wait_post('operations', timeout=0.01)
        raise AssertionError('there was none')
    except Timeout:
        pass
    mark = mm.last()
    mm.patch_as('chatops', e['post_id'], message='edited')
    eq(mm.wait_text('^edited$', after=mark)['kind'], 'patch')
    mm.react_as('chatops', e['post_id'], '+1')
    mm.wait_reaction(e['post_id'], '+1')
    r = mm.wait_request('/api/v4/reactions', 'POST')
    eq(r['headers']['Authorization'], 'Bearer ' + mm.bot['token'])
    eq((json.loads(r['body'])['emoji_name'], r['status']), ('+1', 200))
    try:
        mm.call('nonsense')
        raise AssertionError('accepted')
    except RuntimeError:
        pass


@test()
def keep_alive_and_chunks(mm):
    s = socket.create_connection(('127.0.0.1', mm.port), 10)
    head = ('POST /api/v4/posts HTTP/1.1\r\nHost: x\r\nAuthorization: '
            'Bearer %s\r\n' % mm.bot['token'])
    body = json.dumps({'channel_id': mm.channels['operations'],
                       'message': 'in pieces'})
    s.sendall((head + 'Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n'
               % (10, body[:10])).encode())
    s.sendall(('%x\r\n%s\r\n0\r\n\r\n' % (len(body) - 10,
                                        body[10:])).encode())
    s.sendall((head + 'Content-Length: 2\r\n\r\n{}').encode())
    got = b''
    while got.count(b'HTTP/1.1 ') < 2:
        got += s.recv(65536)
    s.close()
    eq([x[:3] for x in got.split(b'HTTP/1.1 ')[1:]], [b'201', b'403'])


@test()
def an_idle_connection_is_closed(mm):
    c = http.client.HTTPConnection('127.0.0.1', mm.port, timeout=10)
    for _ in range(2):
        c.request('GET', '/api/v4/system/ping')
        eq(json.loads(c.getresponse().read())['status'], 'OK')
        mm.advance(59)
    mm.advance(2)
    eq(c.sock.recv(1), b'')
    c.close()


@test()
def not_modified(mm):
    a = mm.rest('GET', '/users/' + mm.bot['id'], None, 'alice')
    a = mm.rest('GET', '/users/' + mm.bot['id'], None, 'alice', headers={
        'If-None-Match': a.headers['etag']})
    eq((a.status, a.text), (304, ''))


@test()
def nobody_listens(mm):
    ws, _ = online(mm)
    mm.listen(False)
    try:
        mm.rest('GET', '/system/ping')
        raise AssertionError('an answer')
    except ConnectionRefusedError:
        pass
    quiet(ws)
    mm.listen()
    eq(mm.rest('GET', '/system/ping').status, 200)


@test()
def dates_and_limits_apart(mm):
    a = mm.post_as('alice', 'operations', 'a', pending_post_id='k')
    mm.advance(31, dates=False)
    b = mm.post_as('alice', 'operations', 'b', pending_post_id='k')
    eq((b['message'], b['create_at'] - a['create_at'] < 15000), ('b', True))
    mm.skew(-3600)
    c = mm.post_as('alice', 'operations', 'c')
    eq(3500000 < b['create_at'] - c['create_at'] < 3700000, True)


@test()
def a_post_without_its_event(mm):
    ws, _ = online(mm)
    mm.set(mute_posted=True)
    p = mm.post_as('alice', 'operations', 'x')
    quiet(ws)
    eq(mm.ok('GET', '/posts/' + p['id'], None, 'chatops')['message'], 'x')


@test()
def floods(mm):
    ws, _ = online(mm)
    mm.raw_post('alice', 'operations', 'many', count=3, times=2)
    ids = [post_of(ws.event('posted'))['id'] for _ in range(6)]
    eq(len(set(ids)), 3)
    mm.raw_event('posted', '[' * 5000, to={'user_id': mm.bot['id']}, times=2)
    for seq in (8, 9):
        op, data = ws.recv_any()
        eq((data[:31], data.count(b'['), b'"seq":%d' % seq in data),
           (b'{"event":"posted","data":[[[[[[', 5000, True))


@test(None)
def portfile_and_signal():
    folder = tempfile.mkdtemp()
    try:
        mm = Standin('-w', folder + '/port').start()
        with open(folder + '/port') as f:
            eq(json.load(f), {'url': mm.url, 'control': mm.control})
        eq(mm.rest('GET', '/system/ping').status, 200)
        mm.proc.terminate()
        eq(mm.proc.wait(10), 0)
        eq(mm.stop(), 0)
        p = subprocess.run([mm.program, '-s', 'nonsense=1'],
                           capture_output=True, check=False)
        eq((p.returncode, b'no such option' in p.stderr), (1, True))
    finally:
        shutil.rmtree(folder)


def certificate(folder):
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
         '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1',
         '-keyout', folder + '/key.pem', '-out', folder + '/cert.pem'],
        check=True, capture_output=True)


@test(None)
def tls():
    folder = tempfile.mkdtemp()
    try:
        certificate(folder)
        cert = folder + '/cert.pem'
        with Standin('-t', cert, '-k', folder + '/key.pem',
                     cafile=cert) as mm:
            mm.seed()
            eq(mm.url[:8], 'https://')
            ws, _ = online(mm)
            mm.post_as('alice', 'operations', 'over TLS')
            eq(messages(ws, 1)[0][1], 'over TLS')
            eq(mm.rest('GET', '/users/me', None, 'bob').status, 200)
            mm.drop('rst')
            try:
                ws.end()
            except OSError:
                pass
            ws.close()
            eq(mm.stop(), 0)
    finally:
        shutil.rmtree(folder)


sys.exit(main())
