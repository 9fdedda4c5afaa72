"""The scripted conversation: one step per layer, each with what must come.

A step is who says what, a pattern that the answer must match in the end, and
what it shows.  A step whose pattern is None must get no answer at all.
"""
import json
import subprocess
import time

STEPS = (
    ('alice', '!ping', r'(?i)pong', 'the bot is there'),
    ('alice', '!adduser @bob operator', r'(?i)bob.*operator',
     'an admin makes an operator'),
    ('carol', '!deploy service=api-server environment=staging',
     r'Refused: .*operator.*Reference \d+',
     'permission: carol is nobody here'),
    ('bob', '!depoly service=api-server environment=staging',
     r'Refused: .*did you mean.*deploy',
     'allowlist: what is not in it does not exist'),
    ('bob', '!deploy service=api-server environment=moon',
     r'Refused: .*environment.*Reference \d+',
     'arguments: only what the schema lists'),
    ('bob', '!deploy service=api-server environment="staging; id"',
     r'Refused: .*environment.*Reference \d+',
     'arguments: nothing that a shell would like'),
    ('bob', '!sleepy', r'Refused: .*admin.*Reference \d+',
     'permission: bob is an operator only'),
    ('bob', '!whereami', r'process 2\b.*processes: [2-6]\b.*'
     r'network: 1 interface.*PATH=/usr/bin:/bin',
     'sandbox: what a script sees'),
    ('bob', '!noisy', r'@all @channel.*\.\.\. \(truncated\)',
     'output: in a fence, cut, pinging nobody'),
    ('alice', '!sleepy', r'killed after its time',
     'a script that will not end is ended'),
    ('bob', '!deploy service=api-server environment=staging',
     r'done; asked for by bob', 'a deployment'),
    ('alice', '!ban @carol "demonstration" 10m', r'(?i)carol',
     'ban: carol may do nothing now'),
    ('carol', '!help', r'(?i)banned', 'ban: not even ask for help'),
    ('alice', '!unban @carol', r'(?i)carol', 'until an admin thinks again'),
    ('alice', '!whois @bob', r'(?i)bob.*operator', 'who may do what'),
    ('alice', '!audit 3', r'(?i)\d', 'audit: the last lines of the log'),
    ('alice', '!status', r'(?i)auditd?', 'every process is well'),
)


def say(text):
    """A line of ours between those of the chat."""
    print(f'--- {text}', flush=True)


def forged(channel, seed, server):
    """A webhook that speaks as alice must get no answer."""
    say('token: a webhook that posts as alice is not alice')
    post = server.post_as('alice', channel.id, '!ping',
                          props={'from_webhook': 'true'})
    found = channel.wait_answer(post['id'], '.', 1.5)
    if found:
        say('UNEXPECTED: the bot answered a webhook')
    return found is None


def play(channel, tokens, seed, server):
    """Play it; True when every answer was as expected."""
    bad = 0
    for who, text, pattern, shows in STEPS:
        say(shows)
        post = channel.post_as(tokens[who], text)
        if channel.wait_answer(post, pattern, 15) is None:
            bad += 1
            say(f'UNEXPECTED: no answer that matches {pattern!r}')
    if not forged(channel, seed, server):
        bad += 1
    # The last reactions come after the last answer.
    until = time.monotonic() + 1
    while time.monotonic() < until:
        channel.poll()
        time.sleep(0.1)
    attached = [p for _, _, p in channel.posts.values() if p.get('file_ids')]
    if not attached:
        bad += 1
        say('UNEXPECTED: the long output was not attached as a file')
    return bad == 0


def finish(daemon, status, good=True):
    """Everything has ended: verify the log.  good: so far."""
    if status != 0:
        say(f'UNEXPECTED: chatopsd ended with {status}; its log:')
        print(daemon.log.read_text(errors='replace')[-4000:])
        good = False
    say('the log, verified with public keys only')
    try:
        done = daemon.ctl('audit', 'verify', check=False)
    except subprocess.TimeoutExpired:
        say('UNEXPECTED: verification takes too long')
        return False
    print(done.stdout + done.stderr, end='')
    if done.returncode != 0:
        say(f'UNEXPECTED: verification ended with {done.returncode}')
        good = False
    events = {}
    with open(daemon.folder / 'logs' / 'script-executions.log',
              encoding='utf-8') as log:
        for line in log:
            event = json.loads(line)['event']
            events[event] = events.get(event, 0) + 1
    say('lines: ' + ', '.join(f'{n} {e}' for e, n in sorted(events.items())))
    if events.get('intent') != events.get('execution'):
        say('UNEXPECTED: not every intent has its execution')
        good = False
    say('everything was as expected' if good else 'NOT as expected')
    return good
