#!/usr/bin/python3
"""Write the corpus: small inputs that lead into every corner of a target.

usage: seed.py [folder]    (default: corpus, beside this file)

The files are committed; this script says where they came from.
"""
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ID = "abcdefghijklmnopqrstuvwxyz"
UUID = "01234567-89ab-cdef-0123-456789abcdef"
BUILD = "0123456789abcdef" * 4

TYPES = """NONE HELLO PEER FILE DONE READY CONF_FILE CONF_OK CONF_ERR
CONF_COMMIT CONF_ABORT RELOAD RELOAD_RESULT STOP COMMAND REACTION NET_STATE
CATCHUP CAUGHT_UP LOOKUP_USER USER LOOKUP_CHANNEL CHANNEL LOOKUP_MEMBER MEMBER
POST PATCH REACT UPLOAD NET_RESULT XOFF XON JOB_START JOB_STARTED JOB_EXIT
JOB_KILL APPEND ACK AUDIT_STATE DANGLING AUDIT_HEALTH AUDIT_END TAIL TAIL_LINE
CTL_HELLO CTL_REQUEST CTL_ROW CTL_END""".split()


def s(text):
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(raw)) + raw


def u8(n):
    return struct.pack(">B", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def words(*list_):
    return struct.pack(">H", len(list_)) + b"".join(map(s, list_))


def messages():
    conf = u64(7) + u8(1) + s("line 3: no")
    yield "HELLO", s(BUILD) + u8(0)
    yield "PEER", u8(2)
    yield "FILE", u8(11)
    yield "DONE", b""
    yield "READY", u32(0x7f) + u32(4) + s("no Landlock")
    for name in "CONF_FILE CONF_ERR RELOAD_RESULT".split():
        yield name, conf
    yield "RELOAD", s("alice")
    yield "COMMAND", (s(ID) + s("") + s(ID) + s(ID) + s(ID) + s("town-square")
                      + b"O" + u8(0) + u64(1790000000000) * 2
                      + s("!deploy service=api-server"))
    yield "REACTION", s(ID) * 3 + s("+1") + u8(1)
    yield "NET_STATE", (u8(2) + s(ID) + s("bot") + s("5.37.0") + u32(16383)
                        + u64(52428800) + u64(2 ** 64 - 5) + u32(3) + s(""))
    yield "CATCHUP", u64(1790000000000)
    yield "CAUGHT_UP", u64(1790000000000) + u32(3) + u8(1)
    yield "LOOKUP_USER", u8(0) + s(ID)
    yield "LOOKUP_USER", u8(1) + s("alice")
    yield "USER", u8(0) + s(ID) + s("alice") + u32(2)
    yield "USER", u8(1) + s("") + s("") + u32(0)
    yield "LOOKUP_CHANNEL", s("") + s("team") + s("ops")
    yield "CHANNEL", u8(0) + s(ID) + s("") + s("ops") + b"P" + u32(3)
    yield "LOOKUP_MEMBER", s(ID) * 2
    yield "MEMBER", u8(0) + u8(1)
    yield "POST", s(ID) + s("") + s(ID) + s("h\u00e4llo \U0001f600")
    yield "PATCH", s(ID) + s("done")
    yield "REACT", s(ID) + s("hourglass") + u8(0)
    yield "UPLOAD", s(ID) + s("output.txt") + u64(5000)
    yield "NET_RESULT", u8(1) + b"\x01\x93" + s("") + s("api.no")
    yield "XOFF", b""
    yield "JOB_START", (u64(1) + u32(3) + u64(1) + s(UUID) + s(ID) + s("bob")
                        + s(ID) + words("api-server", "", "two words"))
    yield "JOB_STARTED", u64(1)
    yield "JOB_EXIT", (u64(1) + u8(0) * 3 + u64(12) * 4 + s("") + s(""))
    yield "JOB_KILL", u64(1) + u8(2)
    yield "APPEND", (u8(4) + s(UUID) + s("deploy") + s('{"n":1}') + s(ID)
                     + s(ID) + u8(1) * 2 + u32(0) + u64(12) + s("") + s("{}"))
    yield "ACK", u8(1) + u64(9) + bytes(range(64)) + s("")
    yield "AUDIT_STATE", (s("host/audit/1234") + bytes(32) + u64(9)
                          + bytes(32) + s(UUID) + u8(1) + u32(2))
    yield "DANGLING", s(UUID) + s("deploy") + s("{}") + s(ID) + s("")
    yield "AUDIT_HEALTH", u8(0) + s("no space left")
    yield "TAIL", u32(200)
    yield "TAIL_LINE", u8(0) + s('{"v":1}')
    yield "CTL_HELLO", s(BUILD)
    yield "CTL_REQUEST", words("users", "add", ID, "operator")
    yield "CTL_ROW", s('{"name":"x"}')
    yield "CTL_END", u8(2) + s("no such user")


CONF = ["""{
  "mattermost": {"url": "https://chat.example.com/sub/",
    "token": "abcdefghijklmnopqrstuvwxyz", "team": "ops"},
  "commandPrefix": "!",
  "paths": {"base": ".", "allowlist": "script-allowlist.json",
    "data": "/var/lib/chatopsd", "logs": "./logs", "keys": "k",
    "run": "/run/x", "secrets": "s"},
  "users": {"network": "64001", "executor": "_e", "runner": "r", "audit": "a"},
  "limits": {"messageAge": "60s", "userRate": {"count": 20, "per": "1m"},
    "globalRate": {"count": 0, "per": "1h"}, "maxJobs": 8, "maxQueue": 64,
    "outputMax": 1048576, "stopTimeout": "10s", "cancelGrace": 10000},
  "script": {"home": "/tmp", "user": "chatops"},
  "audit": {"origin": "host/audit/1f2e"},
  "allowUnconfined": false
}
""", '{"mattermost":{"url":"http://127.0.0.1:8065","tokenFile":"token"}}',
        '{"mattermost":{"url":"http://[::1]:8065","websocketUrl":'
        '"ws://localhost:1/api/v4/websocket","caFile":"/ca.pem"}}',
        '{"mattermost":{"url":"http://example.com"}}',
        '{"mattermost":{"url":"https://a","url":"https://b"}}',
        '{"metrics":{}, "\\u0000":1}', "[" * 40 + "]" * 40,
        '{"a":"\\ud800"}', '{"a":1e999,"b":-0,"c":0.1e-5}',
        '\ufeff{"mattermost":{}}', '{"limits":{"maxJobs":99999999999999999}}']

SCRIPTS = ["""{"scripts": [
{"name": "deploy", "path": "./scripts/deploy.sh",
 "description": "Deploy application to environment",
 "requiredPermission": "operator", "timeout": 1800000,
 "arguments": {
  "service": {"type": "enum", "values": ["api-server", "web-app", "database"],
   "required": true},
  "environment": {"type": "enum", "values": ["staging", "production"],
   "required": true}},
 "async": true, "allowedChannels": ["ops", "deployments"]}]}
""", """{"$schema": "x", "scripts": [
{"name": "a_b-1", "path": "/bin/echo", "sha256":
 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
 "examples": ["!a_b-1 x"], "enabled": false, "requiredPermission": "user",
 "requiredFlags": ["deploy"], "allowedChannels": ["abcdefghijklmnopqrstuvwxyz",
 "team/ch"], "timeout": "30m", "argumentStyle": "named",
 "arguments": {"s": {"type": "string", "regex": "[a-z]{1,5}|(x+)+", "length": 9,
   "default": "abc", "description": "d", "allowLeadingDash": true},
  "n": {"type": "number", "min": -1.5, "max": 2e3}, "i": {"type": "integer",
   "min": 0, "max": 10, "default": 3}, "b": {"type": "boolean",
   "default": false}, "p": {"type": "string", "secret": true}},
 "environment": {"A_B": "c"}, "concurrency": {"max": 2, "queue": 5},
 "rateLimit": {"count": 3, "per": "1h"}, "dryRun": ["--check"]}]}
""", '{"scripts":[]}', '{"scripts":[{"name":"ping","path":"/x"}]}',
           '{"scripts":[{"name":"x","path":"/x","approvals":{"required":2}}]}',
           '{"scripts":[{"name":"x","path":"/x","arguments":{"a":'
           '{"type":"string","regex":"(?<a>(("}}}]}',
           '{"scripts":[{"name":"x","path":"/x"},{"name":"x","path":"/y"}]}',
           '{"scripts":[{"name":"../x","path":"x\\u0000"}]}',
           '{"scripts":[{"name":"x","path":"/x","sandbox":{},"target":1}]}',
           # jansson overlooks the NUL; finding the place of the error hung.
           '{"scripts":[{"async":true\0,"name":"x","path":"/x",'
           '"concurrency":{"queue":1\0,"max":0}}]}']

COMMANDS = ["deploy service=api-server environment=staging",
            "deploy --service web-app --environment=staging",
            "deploy api-server", "deploy", "deploy service=api-server x y z",
            "deploy servcie=api-server", "free 'two words' 5 0.5 false",
            "free text=\"a \\\"b\\\" c\" n=99 x=1e9 yes=no",
            "free n=-6", "free n=0x10 x=nan", "free --n -5 -- --x 3",
            "named word=-a-b password=hunter2hunter2", "none", "none x",
            "free ../etc", "free $(id)", "free `id`", "free a\\ b 1",
            "free 'unclosed", "free back\\", "free a\u202eb", "free a\u200bb",
            "free a\tb", "free a\nb", "free \u00e4\u00f6 \U0001f600",
            "free text= n=", "free =x", "free text=1 text=2", "\u00a0free",
            "free " + "w " * 70, "free " + "x" * 3000]

CLEAN = [(b"", 0, b"plain text\nand more\n"),
         (b"hunter22\0s3cr3t\0", 0, b"the password is hunter22, s3cr3t!\n"),
         (b"hunter22", 3, b"hunthunter22er22 hunter2"),
         (b"aaaa\0aaab", 1, b"aaaaaaabaaab"),
         (b"", 1, b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1bP1$q\x1b\\x"),
         (b"", 2, b"\x1b[38;5;1m\x9b31m\xc2\x9b31mx\x1b(B\x1b=\x1bc"),
         (b"", 0, b"one\r\ntwo\rthree\r\r\nfour\x00\x08\x7f"),
         (b"", 4, b"\xff\xfe\xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80\xc3"),
         (b"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 1,
          "x\u00e4\u20ac\U0001f600y \u202e\u200b".encode()),
         (b"", 0, b"```\n````` not a fence `\n~~~\n@channel #x |a|b| <!--\n"),
         (b"ab\x1b[0mcd", 1, b"ab\x1b[0mcd ab\x1b[mcd abcd"),
         (b"", 15, b"long line " * 600)]

HEX = "00" * 31 + "01"
KEY = "UpTCSbTWnzD2JOy81pqDLl0xnpxD+u72bK3ZC7sPmX0="
SIG = "A" * 86 + "=="
LINE = ('{"v":1,"log":"host/audit/7f3a","seq":%s,"timestamp":'
        '"2026-08-24T12:00:00.077Z","event":"%s","executionId":"' + UUID
        + '","scriptName":%s,"arguments":%s,"userId":%s,"channelId":%s,'
        '"success":%s,"exitCode":%s,"durationMs":%s,"error":%s,"session":"'
        + UUID + '","detail":%s,"previousHash":"' + HEX + '","publicKey":"'
        + KEY + '","signature":"' + SIG + '"}')
RUN = '"deploy"', '{"n":1,"text":"\u00e4 \\"q\\"\\n"}', '"u1"', '"c1"'
NONE4 = ("null",) * 4


def lines():
    yield LINE % (("1", "intent") + RUN + NONE4 + ("{}",))
    yield LINE % (("2", "execution") + RUN + ("true", "0", "12", "null", "{}"))
    yield LINE % (("3", "execution") + RUN
                  + ("false", "null", "12", '"boom\\u001b"', '{"a":[1,2]}'))
    yield LINE % (("4", "denied", "null", "null", '"u1"', "null", "false",
                   "null", "null", '"no"', '{"reason":"x"}'))
    yield LINE % (("5", "session-start") + NONE4 + NONE4 + ("{}",))
    yield (LINE % (("1", "intent") + RUN + NONE4 + ("{}",))).replace(
        '"seq":1', '"seq":1.0')
    yield (LINE % (("1", "intent") + RUN + NONE4 + ("{}",))).replace(
        '"v":1', '"v": 1')
    yield (LINE % (("1", "intent") + RUN + NONE4 + ("{}",))).replace(
        '"v":1', '"v":1,"v":1')
    yield (LINE % (("1", "intent") + RUN + NONE4 + ("{}",))).replace(
        '"q', '\\u0041q')
    yield LINE % (("9007199254740993", "intent") + RUN + NONE4 + ("{}",))
    yield '{"v":1}'
    yield "[" * 20


def event(name, data, seq=1, broadcast=""):
    return ('{"event":"%s","data":{%s},"broadcast":{"omit_users":null,'
            '"user_id":"","channel_id":"%s","team_id":""},"seq":%d}'
            % (name, data, broadcast, seq))


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def post(message, extra='"props":{},'):
    return quoted('{"id":"%s","create_at":1790000000000,"update_at":'
                  '1790000000000,"edit_at":0,"delete_at":0,"is_pinned":false,'
                  '"user_id":"%s","channel_id":"%s","root_id":"",'
                  '"original_id":"","message":"%s","type":"",%s"hashtags":"",'
                  '"pending_post_id":"","metadata":{}}'
                  % (ID, ID, ID, message, extra))


BOT = "botbotbotbotbotbotbotbotbo"
POSTED = ('"channel_display_name":"x","channel_name":"ops",'
          '"channel_type":"%s","sender_name":"@alice","team_id":"' + ID
          + '","post":%s')
REACTION = quoted('{"user_id":"%s","post_id":"%s","emoji_name":"+1",'
                  '"create_at":1}' % (ID, ID))
EVENTS = [event("posted", POSTED % ("O", post("!ping")), 3, ID),
          event("posted", (POSTED % ("D", post("ping"))).replace(
              '"ops"', '"%s__%s"' % (ID, BOT)), 4, ID),
          event("posted", POSTED % ("D", post("ping")), 4, ID),
          post("!ping").replace("\\", "")[1:-1].replace(
              '"channel_id":"%s"' % ID, '"channel_id":"%s"' % ("c" * 26)),
          event("posted", POSTED % ("P", post("@bot run x")), 5, ID),
          event("posted", POSTED % ("O", post("!a", '"props":{"from_webhook":'
                                              '"true"},')), 6, ID),
          event("posted", POSTED % ("O", post("!a", '"props":null,')), 7, ID),
          event("posted", POSTED % ("O", '"not json"'), 8, ID),
          event("posted", POSTED % ("O", "5"), 9, ID),
          event("posted", POSTED % ("O", quoted("[" * 50 + "]" * 50)), 9, ID),
          event("post_edited", POSTED % ("O", post("!ping")), 10, ID),
          event("reaction_added", '"reaction":' + REACTION, 11, ID),
          event("reaction_removed", '"reaction":' + REACTION, 12, ID),
          event("user_removed", '"channel_id":"%s","remover_id":"%s"'
                % (ID, ID), 13),
          event("hello", '"server_version":"5.37.0.5.37.0.abc.false",'
                '"connection_id":"' + ID + '"', 0),
          '{"status":"OK","seq_reply":1}',
          '{"status":"OK","data":{"text":"pong"},"seq_reply":2}',
          '{"status":"FAIL","error":{"id":"api.x","message":"m","status_code":'
          '401},"seq_reply":3}', '{"seq":1e3}', "null", '{"event":1}']


def vector(name):
    path = os.path.join(HERE, "..", "audit", "vectors", name)
    with open(path, "rb") as f:
        return f.read()


def logs():
    first = vector("script-executions.0000000000000000.log")
    second = vector("script-executions.log")
    yield struct.pack(">H", len(first)) + first + second
    yield struct.pack(">H", len(first)) + first
    yield struct.pack(">H", 0) + second


def notes():
    yield vector("checkpoint")
    yield ("chatops.example/audit/7f3a+a3bb8a4e+"
           "AQzwwUsv9kYhQj6PJhquacodNSy8rAwM7Oa639QLJch9")
    yield ("PRIVATE+KEY+chatops.example/audit/7f3a+a3bb8a4e+"
           "AVmPsiqsJQJcUrmzV1S5rJs7A7fdEnACj3St1C92bvAfew==\n")
    yield vector("checkpoint") + b"\xe2\x80\x94 other AAAA\n"
    yield vector("checkpoint")[:-30]


def frame(opcode, payload, fin=1, rsv=0, masked=b""):
    payload = payload.encode() if isinstance(payload, str) else payload
    n = len(payload)
    head = bytes([fin << 7 | rsv << 4 | opcode])
    flag = 0x80 if masked else 0
    if n < 126:
        head += bytes([flag | n])
    elif n < 65536:
        head += bytes([flag | 126]) + struct.pack(">H", n)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", n)
    return head + masked + payload


def websockets():
    def up(*frames):
        return bytes([1, 3]) + b"".join(frames)
    ok = frame(1, '{"seq":1}')
    yield up(ok)
    yield up(ok, frame(9, "ping"), frame(10, ""), frame(1, "x" * 126))
    yield up(frame(1, "a", 0), frame(9, "in between"), frame(0, "b", 0),
             frame(0, "c"), ok)
    yield up(frame(1, b"\xe2\x82", 0), frame(0, b"\xac"))
    yield up(frame(1, b"\xe2\x82"), ok)
    yield up(frame(8, struct.pack(">H", 1000) + b"bye"), ok)
    yield up(frame(8, struct.pack(">H", 1005)))
    yield up(frame(8, b"\x03"))
    yield up(frame(8, ""))
    yield up(frame(2, "binary"))
    yield up(frame(3, "reserved"))
    yield up(frame(1, "x", 1, 4))
    yield up(frame(1, "x", 1, 0, b"mask"))
    yield up(frame(0, "nothing to go on"))
    yield up(frame(1, "a", 0), frame(1, "b"))
    yield up(frame(9, "x" * 126))
    yield up(frame(9, "x", 0))
    yield up(b"\x81\x7f" + struct.pack(">Q", 1 << 63) + b"x")
    yield up(b"\x81\x7f" + struct.pack(">Q", 9 << 20) + b"x")
    yield up(b"\x81\x7e\x00\x05hello")
    yield up(*[frame(9, "p")] * 25)
    for text in ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
                 "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
                 "HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\n\r\n",
                 "HTTP/1.0 200 OK\n\n", "\r\n\r\n", "HTTP/1.1 101\r\n a\r\n",
                 "HTTP/1.1 101 x\r\nA: " + "b" * 300 + "\r\n\r\n"):
        yield bytes([0, 5]) + text.encode()


def write(folder, target, items):
    path = os.path.join(folder, target)
    os.makedirs(path, exist_ok=True)
    for i, item in enumerate(items):
        name, data = item if isinstance(item, tuple) else ("", item)
        data = data.encode() if isinstance(data, str) else data
        name = "%02d%s" % (i, "-" + name if name else "")
        with open(os.path.join(path, name), "wb") as f:
            f.write(data)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")
    write(folder, "msg", [(n.lower(), u8(TYPES.index(n)) + b)
                          for n, b in messages()])
    write(folder, "conf", CONF)
    write(folder, "allowlist", SCRIPTS)
    write(folder, "command", COMMANDS)
    write(folder, "cleaner", [u8(len(a)) + u8(n) + a + b for a, n, b in CLEAN])
    write(folder, "audit", lines())
    write(folder, "event", EVENTS)
    write(folder, "verify", logs())
    write(folder, "note", notes())
    write(folder, "websocket", websockets())


main()
