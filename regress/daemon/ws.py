"""A small WebSocket client (RFC 6455) for the tests: standard library only.

It can also misbehave: any frame, masked or not, whole or in pieces.
"""
import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import urllib.parse

GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The upgrade was answered with something other than 101."""

    def __init__(self, status, headers, body):
        super().__init__('%d %r' % (status, body[:200]))
        self.status, self.headers, self.body = status, headers, body


class Closed(Exception):
    """The connection ended; code is that of a close frame, None without."""

    def __init__(self, code=None, framed=False, reset=False):
        super().__init__('code %r framed %r reset %r' % (code, framed, reset))
        self.code, self.framed, self.reset = code, framed, reset


class WebSocket:
    """One connection.  timeout: seconds that any read or write may take."""

    def __init__(self, url, token=None, headers=(), timeout=10, cafile=None,
                 rcvbuf=None):
        u = urllib.parse.urlsplit(url)
        tls = u.scheme in ('https', 'wss')
        port = u.port or (443 if tls else 80)
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.settimeout(timeout)
        self.sock, self.buf, self.seq = s, b'', 0
        try:
            s.connect((u.hostname, port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                ctx = ssl.create_default_context(cafile=cafile)
                ctx.check_hostname = False
                self.sock = ctx.wrap_socket(s)
            self._upgrade(u, port, token, headers)
        except BaseException:
            self.sock.close()
            raise

    def _upgrade(self, u, port, token, headers):
        key = base64.b64encode(os.urandom(16))
        path = (u.path or '/') + ('?' + u.query if u.query else '')
        lines = ['GET %s HTTP/1.1' % path, 'Host: %s:%d' % (u.hostname, port),
                 'Upgrade: websocket', 'Connection: Upgrade',
                 'Sec-WebSocket-Version: 13',
                 'Sec-WebSocket-Key: ' + key.decode()]
        if token is not None:
            lines.append('Authorization: Bearer ' + token)
        lines += list(headers)
        self.sock.sendall('\r\n'.join(lines + ['', '']).encode())
        while b'\r\n\r\n' not in self.buf:
            self._more()
        head, self.buf = self.buf.split(b'\r\n\r\n', 1)
        first, *rest = head.decode('latin-1').split('\r\n')
        self.status = int(first.split()[1])
        self.headers = {}
        for line in rest:
            k, v = line.split(':', 1)
            self.headers[k.strip().lower()] = v.strip()
        if self.status != 101:
            left = int(self.headers.get('content-length', 0))
            while len(self.buf) < left:
                self._more()
            raise Refused(self.status, self.headers, self.buf)
        want = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        if self.headers.get('sec-websocket-accept') != want:
            raise Refused(self.status, self.headers, b'wrong accept key')

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            raise Closed(reset=True) from None
        if not data:
            raise Closed()
        self.buf += data

    def _take(self, n):
        while len(self.buf) < n:
            self._more()
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def frame(self):
        """The next frame as it is: (fin, rsv, opcode, payload)."""
        b0, b1 = self._take(2)
        n = b1 & 127
        if n == 126:
            n = struct.unpack('>H', self._take(2))[0]
        elif n == 127:
            n = struct.unpack('>Q', self._take(8))[0]
        mask = self._take(4) if b1 & 128 else None
        data = self._take(n)
        if mask:
            data = bytes(c ^ mask[i & 3] for i, c in enumerate(data))
        return b0 >> 7, b0 >> 4 & 7, b0 & 15, data

    def recv(self, timeout=None):
        """The next text message, decoded from JSON.  Answers PING.  Raises
        Closed at the end and socket.timeout when nothing comes."""
        while True:
            op, data = self.recv_any(timeout)
            if op == PING:
                self.send_frame(PONG, data)
            elif op in (TEXT, BINARY):
                return json.loads(data)

    def recv_any(self, timeout=None):
        """The next message or control frame: (opcode, payload)."""
        old = self.sock.gettimeout()
        if timeout is not None:
            self.sock.settimeout(timeout)
        try:
            whole, first = b'', None
            while True:
                fin, _, op, data = self.frame()
                if op == CLOSE:
                    code = None
                    if len(data) >= 2:
                        code = struct.unpack('>H', data[:2])[0]
                    raise Closed(code, framed=True)
                if op >= 8:
                    return op, data
                first = first if op == 0 else op
                whole += data
                if fin:
                    return first, whole
        finally:
            self.sock.settimeout(old)

    def event(self, name, timeout=None, limit=1000):
        """The next event of that name; others are passed over."""
        for _ in range(limit):
            m = self.recv(timeout)
            if m.get('event') == name:
                return m
        raise AssertionError('no %s in %d messages' % (name, limit))

    def reply(self, seq, timeout=None, limit=1000):
        """The reply to that request; events are passed over."""
        for _ in range(limit):
            m = self.recv(timeout)
            if m.get('seq_reply') == seq:
                return m
        raise AssertionError('no reply to %d' % seq)

    def send(self, obj):
        self.send_frame(TEXT, json.dumps(obj).encode())

    def action(self, action, **data):
        """Send an action; returns its number."""
        self.seq += 1
        m = {'seq': self.seq, 'action': action}
        if data:
            m['data'] = data
        self.send(m)
        return self.seq

    def ask(self, action, **data):
        return self.reply(self.action(action, **data))

    def send_frame(self, opcode, payload=b'', fin=True, rsv=0, mask=True):
        b0 = (0x80 if fin else 0) | rsv << 4 | opcode
        n, m = len(payload), 0x80 if mask else 0
        if n < 126:
            head = struct.pack('>BB', b0, m | n)
        elif n < 65536:
            head = struct.pack('>BBH', b0, m | 126, n)
        else:
            head = struct.pack('>BBQ', b0, m | 127, n)
        if mask:
            key = os.urandom(4)
            head += key
            payload = bytes(c ^ key[i & 3] for i, c in enumerate(payload))
        self.sock.sendall(head + payload)

    def end(self, timeout=10):
        """Read until the connection ends; returns the Closed."""
        try:
            while True:
                self.recv(timeout)
        except Closed as e:
            return e

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
