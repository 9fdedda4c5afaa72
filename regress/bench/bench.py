#!/usr/bin/env python3
"""What it costs: the whole daemon against the stand-in server on loopback.

usage: bench.py [-n runs]

Prints each figure as milliseconds (or megabytes) and as a ratio to a floor
that is measured in the same run, round by round in between, so that a slow
minute of the machine slows both.  Never a verdict: figures are for people.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'daemon'), str(HERE.parent / 'demo')]

import demo                                             # noqa: E402
from standin import Standin                             # noqa: E402

ALLOWLIST = {'scripts': [{
    'name': 'echo', 'path': '/usr/bin/echo', 'async': True,
    'requiredPermission': 'operator',
    'concurrency': {'max': 4, 'queue': 10},
    'arguments': {'word': {'type': 'string', 'required': True}}}]}


def quantile(values, q):
    """The smallest value that at least q of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def row(name, values, floor=None, unit='ms', scale=1000.0):
    """One line of the table."""
    p50, p99 = (quantile(values, q) * scale for q in (0.5, 0.99))
    line = f'{name:<34} p50 {p50:8.2f} {unit}  p99 {p99:8.2f} {unit}'
    if floor:
        line += f'  {p50 / (quantile(floor, 0.5) * scale):6.1f} × floor'
    print(line, flush=True)


def round_trip(server, connection):
    """One request and answer with the stand-in, kept alive."""
    begin = time.perf_counter()
    connection.request('GET', '/api/v4/users/me', headers={
        'Authorization': 'Bearer ' + server.users['alice']['token']})
    connection.getresponse().read()
    return time.perf_counter() - begin


def bare_run(path):
    """What a run cannot do without: a process, and two durable lines."""
    begin = time.perf_counter()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(log, b'x' * 600)
    os.fdatasync(log)
    child = os.posix_spawn('/usr/bin/echo', ['echo', 'hello'], {},
                           file_actions=[(os.POSIX_SPAWN_OPEN, 1,
                                          '/dev/null', os.O_WRONLY, 0)])
    os.waitpid(child, 0)
    os.write(log, b'x' * 600)
    os.fdatasync(log)
    os.close(log)
    return time.perf_counter() - begin


def command(server, text, pattern):
    """Seconds from the event's writing to the arrival of the answer."""
    after = server.last()
    post = server.post_as('alice', 'operations', text)
    begin = server.wait('post', 10, after, equal={'post_id': post['id']})['t']
    answer = server.wait_any(('post', 'patch'), 10, after,
                             {'root_id': post['id'],
                              'by': server.bot['id']}, {'message': pattern})
    return (answer['t'] - begin) / 1e6


def proportional(pids):
    """Proportional set size of those processes, MB."""
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as file:
            total += sum(int(line.split()[1]) for line in file
                         if line.startswith('Pss:'))
    return total / 1024


def children(pid):
    """That process and its children."""
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
        return [pid] + [int(child) for child in file.read().split()]


def prepare(folder, server):
    """A daemon whose limits are out of the way."""
    token = folder / 'token'
    token.touch(mode=0o600)
    token.write_text(server.bot['token'] + '\n')
    daemon = demo.Daemon(folder, server.url, token)
    config = json.loads(daemon.config.read_text())
    config['limits'] = {'userRate': {'count': 100000, 'per': '1m'},
                        'globalRate': {'count': 100000, 'per': '1m'}}
    daemon.config.write_text(json.dumps(config))
    (folder / 'script-allowlist.json').write_text(json.dumps(ALLOWLIST))
    daemon.ctl('bootstrap-admin', server.users['alice']['id'], 'alice')
    return daemon


def start_once(daemon, server):
    """Seconds from the start of the program to its open WebSocket."""
    after = server.last()
    begin = time.time()
    daemon.start()
    return server.wait_bot(10, after)['t'] / 1e6 - begin


def measure(folder, server, runs):
    """All figures."""
    daemon = prepare(folder, server)
    try:
        starts = []
        for _ in range(5):
            starts.append(start_once(daemon, server))
            if daemon.stop() != 0:
                raise demo.Failed('chatopsd did not stop well')
        daemon.start()
        where = urllib.parse.urlsplit(server.url)
        connection = http.client.HTTPConnection(where.hostname, where.port)
        pings, trips, echos, bares = [], [], [], []
        for n in range(runs + 5):
            trips.append(round_trip(server, connection))
            pings.append(command(server, '!ping', '[Pp]ong'))
            bares.append(bare_run(folder / 'bare'))
            echos.append(command(server, f'!echo hello{n}',
                                 f'hello{n}'))
        connection.close()
        time.sleep(2)
        pids = children(daemon.process.pid)
        row('round trip to the server (floor)', trips[5:])
        row('!ping, event to answer', pings[5:], trips[5:])
        row('process + 2 fdatasync (floor)', bares[5:])
        row('!echo, event to result', echos[5:], bares[5:])
        row('start to connected', starts)
        print(f'{"memory, all processes, idle":<34} PSS '
              f'{proportional(pids):8.2f} MB in {len(pids)} processes')
    finally:
        daemon.stop()


def main():
    """Options, folder, server."""
    parser = argparse.ArgumentParser()
    parser.add_argument('-n', type=int, default=200, metavar='runs')
    runs = max(5, min(parser.parse_args().n, 10000))
    folder = pathlib.Path(tempfile.mkdtemp(prefix='chatopsd-bench.'))
    folder.chmod(0o755)
    try:
        with Standin() as server:
            server.seed()
            measure(folder, server, runs)
    except demo.Failed as error:
        sys.exit(f'bench: {error}')
    finally:
        shutil.rmtree(folder)


if __name__ == '__main__':
    main()
