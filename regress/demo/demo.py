#!/usr/bin/env python3
"""The demonstration: a chat server, the whole daemon, and a conversation.

With a terminal: a small chat prompt.  Without one: a conversation that meets
each layer of defence, then the log is verified; exit status 0 only if
everything went as expected.  With MATTERMOST_URL and TOKEN_FILE in the
environment the daemon talks to that server instead of the stand-in, and
ADMIN names who becomes the first admin there.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / 'daemon'))

import chat                                             # noqa: E402
import conversation                                     # noqa: E402

# As root every process gets a user of its own; numbers need no passwd entry.
FIRST_UID = 64101


class Failed(Exception):
    """Something that must work did not; the text says what and where."""


class Daemon:
    """chatopsd in a folder of its own."""

    def __init__(self, folder, url, token_file):
        self.folder = folder
        self.config = folder / 'bot.config.json'
        self.log = folder / 'chatopsd.log'
        self.process = None
        self._write(url, token_file)

    def _write(self, url, token_file):
        for name in ('data', 'logs', 'run', 'secrets'):
            (self.folder / name).mkdir(mode=0o700)
        shutil.copytree(HERE / 'scripts', self.folder / 'scripts')
        shutil.copy(HERE / 'script-allowlist.json', self.folder)
        (self.folder / 'scripts').chmod(0o755)
        for path in (self.folder / 'scripts').iterdir():
            path.chmod(0o755)
        (self.folder / 'script-allowlist.json').chmod(0o644)
        config = {
            'mattermost': {'url': url, 'tokenFile': str(token_file),
                           'team': os.environ.get('TEAM') or 'ops'},
            'commandPrefix': '!',
            'paths': {'base': str(self.folder),
                      'allowlist': str(self.folder / 'script-allowlist.json'),
                      'data': str(self.folder / 'data'),
                      'logs': str(self.folder / 'logs'),
                      'run': str(self.folder / 'run'),
                      'secrets': str(self.folder / 'secrets')},
            'limits': {'cancelGrace': '2s'},
        }
        if os.geteuid() == 0:
            roles = ('network', 'executor', 'runner', 'audit')
            users = {r: FIRST_UID + n for n, r in enumerate(roles)}
            config['users'] = {r: str(uid) for r, uid in users.items()}
            for name, role in (('data', 'executor'), ('logs', 'audit')):
                os.chown(self.folder / name, users[role], users[role])
        self.config.touch(mode=0o600)
        self.config.write_text(json.dumps(config, indent=2) + '\n')

    def start(self):
        """Start it and wait until it says that it is connected."""
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(
                [TREE / 'chatopsd' / 'chatopsd', '-d', '-f', self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            status = self.ctl('status', json_out=True, check=False)
            if status.returncode == 0 and '"connected"' in status.stdout:
                return
            time.sleep(0.05)
        raise Failed('chatopsd did not get connected; its log:\n' +
                     self.log.read_text(errors='replace')[-4000:])

    def ctl(self, *words, json_out=False, check=True):
        """One chatopsctl command; the finished process."""
        command = [TREE / 'chatopsd' / 'chatopsctl', '-f', self.config]
        command += ['--json'] if json_out else []
        done = subprocess.run(command + list(words), capture_output=True,
                              text=True, timeout=60, check=False)
        if check and done.returncode != 0:
            raise Failed(f'chatopsctl {" ".join(words)}: exit status '
                         f'{done.returncode}: {done.stderr}{done.stdout}')
        return done

    def stop(self):
        """Stop it in order; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -9


def show(kind, post, text, names, out=sys.stdout):
    """One line of the chat as people would see it."""
    who = names.get(post['user_id'], post['user_id'])
    indent = '    ' if post.get('root_id') else ''
    if kind in ('reaction', 'unreaction'):
        emoji, by = text.split('@', 1)
        sign = '+' if kind == 'reaction' else '-'
        out.write(f'{indent}[{by} {sign}:{emoji}: on {who}]\n')
        out.flush()
        return
    mark = ' (edited)' if kind == 'edit' else ''
    lines = [''.join(c if c.isprintable() else '\ufffd' for c in line)
             for line in text.split('\n')]
    if len(lines) > 14:
        lines[7:-6] = [f'… {len(lines) - 13} more lines …']
    out.write(f'{indent}{who}{mark}: ' + f'\n{indent}  '.join(lines) + '\n')
    out.flush()


def prompt(channel, tokens, names):
    """Type as alice, bob or carol; see what changes."""
    done = threading.Event()

    def watch():
        while not done.wait(0.3):
            try:
                channel.poll()
            except (chat.Refused, OSError) as error:
                print(f'[the chat server: {error}]')

    print('You are alice (admin).  Type "bob: …" or "carol: …" to speak as\n'
          'somebody else, "end" to stop.  Try: !help, !scripts,\n'
          '!deploy service=api-server environment=staging, '
          'carol: !deploy …, !status')
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        for line in sys.stdin:
            line = line.rstrip('\n')
            who = 'alice'
            if line in ('end', 'quit', 'exit'):
                break
            for name in tokens:
                if line.startswith(name + ':'):
                    who, line = name, line[len(name) + 1:].strip()
            if line:
                channel.post_as(tokens[who], line)
    except KeyboardInterrupt:
        pass
    done.set()
    watcher.join()
    del names


def with_stand_in(folder):
    """The stand-in server, three people, and somebody to talk to."""
    import standin
    server = standin.Standin()
    server.start()
    seed = server.seed()
    token = folder / 'token'
    token.touch(mode=0o600)
    token.write_text(seed['bot']['token'] + '\n')
    daemon = Daemon(folder, server.url, token)
    try:
        daemon.ctl('bootstrap-admin', seed['users']['alice']['id'], 'alice')
        daemon.start()
        names = {u['id']: n for n, u in seed['users'].items()}
        names[seed['bot']['id']] = 'chatops'
        tokens = {n: seed['users'][n]['token']
                  for n in ('alice', 'bob', 'carol')}
        channel = chat.Channel(server.url, tokens['alice'],
                               seed['channels']['operations'], names)
        channel.listeners.append(
            lambda kind, post, text: show(kind, post, text, names))
        if sys.stdin.isatty():
            prompt(channel, tokens, names)
            good = True
        else:
            good = conversation.play(channel, tokens, seed, server)
        status = daemon.stop()
        return conversation.finish(daemon, status, good)
    finally:
        daemon.stop()
        server.stop()


def with_server(folder, url, token_file):
    """A real server: only its people can do the talking."""
    token = folder / 'token'
    token.touch(mode=0o600)
    token.write_text(pathlib.Path(token_file).read_text())
    daemon = Daemon(folder, url, token)
    admin = os.environ.get('ADMIN')
    if admin:
        user = chat.call(url, 'GET', '/api/v4/users/username/' + admin,
                         token.read_text().strip())
        daemon.ctl('bootstrap-admin', user['id'], admin)
    else:
        print('Nobody is admin: start again with ADMIN=username to make '
              'somebody the first one.')
    try:
        daemon.start()
        print(f'Connected to {url}.  Talk to the bot there; Ctrl-C ends.')
        print(daemon.ctl('status').stdout, flush=True)
        while daemon.process.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        status = daemon.stop()
    return conversation.finish(daemon, status)


def main():
    """Folder, daemon, talk, clean up."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='chatopsd-demo.'))
    # The daemon's users must be able to pass; what is secret is 0600.
    folder.chmod(0o755)
    url, token_file = (os.environ.get(n, '')
                       for n in ('MATTERMOST_URL', 'TOKEN_FILE'))
    good = False
    try:
        if bool(url) != bool(token_file):
            raise Failed('MATTERMOST_URL and TOKEN_FILE go together')
        if url:
            good = with_server(folder, url.rstrip('/'), token_file)
        else:
            good = with_stand_in(folder)
    except (Failed, chat.Refused, OSError,
            subprocess.TimeoutExpired) as error:
        print(f'demo: {error}', file=sys.stderr)
    except KeyboardInterrupt:
        print('demo: interrupted', file=sys.stderr)
    if good:
        shutil.rmtree(folder)
    else:
        print(f'demo: its files are kept in {folder}', file=sys.stderr)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
