"""A Mattermost user for the demonstration: posts, and watches a channel.

Only the standard library.  Everything goes through REST, so it works with
the stand-in server and with a real one alike.
"""
import json
import re
import threading
import time
import urllib.error
import urllib.request

# The project's own process may be behind a proxy; loopback never is.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The server answered with an error."""


def call(url, method, path, token=None, body=None):
    """One request; the decoded JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method)
    if token:
        request.add_header('Authorization', 'Bearer ' + token)
    try:
        with OPENER.open(request, timeout=20) as answer:
            return json.loads(answer.read() or b'null')
    except urllib.error.HTTPError as error:
        raise Refused(f'{method} {path}: {error.code} '
                      f'{error.read()[:200]!r}') from None


class Channel:
    """One channel as one of its members sees it, kept up to date."""

    def __init__(self, url, token, channel_id, names):
        self.url, self.token, self.id = url, token, channel_id
        self.names = names          # user id -> name
        self.posts = {}             # post id -> (message, reactions)
        self.since = 0
        self.listeners = []         # called with (kind, post, text)
        self.lock = threading.Lock()

    def post_as(self, token, text, root=''):
        """Post; the post's id."""
        return call(self.url, 'POST', '/api/v4/posts', token,
                    {'channel_id': self.id, 'message': text,
                     'root_id': root})['id']

    def name(self, user_id):
        """What that user is called."""
        if user_id not in self.names:
            user = call(self.url, 'GET', '/api/v4/users/' + user_id,
                        self.token)
            self.names[user_id] = user['username']
        return self.names[user_id]

    def _reactions(self, post):
        found = (post.get('metadata') or {}).get('reactions')
        if found is None and post.get('has_reactions'):
            found = call(self.url, 'GET',
                         f"/api/v4/posts/{post['id']}/reactions", self.token)
        return sorted({f"{r['emoji_name']}@{self.name(r['user_id'])}"
                       for r in found or []})

    def poll(self):
        """Fetch what changed and tell the listeners."""
        with self.lock:
            page = call(self.url, 'GET',
                        f'/api/v4/channels/{self.id}/posts?since='
                        f'{max(self.since - 1, 0)}', self.token)
            posts = sorted(page['posts'].values(),
                           key=lambda p: (p['create_at'], p['id']))
            for post in posts:
                self.since = max(self.since, post['update_at'])
                if post.get('original_id') or post.get('delete_at') or \
                        post.get('type'):
                    continue
                self._notice(post)

    def _notice(self, post):
        marks = self._reactions(post)
        old = self.posts.get(post['id'])
        self.posts[post['id']] = (post['message'], marks, post)
        if old is None:
            self._tell('post', post, post['message'])
            old = ('', [], post)
        elif old[0] != post['message']:
            self._tell('edit', post, post['message'])
        for mark in marks:
            if mark not in old[1]:
                self._tell('reaction', post, mark)
        for mark in old[1]:
            if mark not in marks:
                self._tell('unreaction', post, mark)

    def _tell(self, kind, post, text):
        for listener in self.listeners:
            listener(kind, post, text)

    def answers(self, post_id):
        """Messages of the others in the thread of that post, in order."""
        thread = [p for _, _, p in self.posts.values()
                  if p.get('root_id') == post_id]
        thread.sort(key=lambda p: (p['create_at'], p['id']))
        return [p for p in thread]

    def wait_answer(self, post_id, pattern, seconds):
        """The first answer that matches, or None after that time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.poll()
            for answer in self.answers(post_id):
                if re.search(pattern, answer['message'], re.S):
                    return answer
            time.sleep(0.05)
        return None
