#!/usr/bin/env python3
"""Posts that are not what their author typed just now, from every origin
and with every field forged: none may run anything, each leaves the daemon
well.  And the few that may look odd and are good do run."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import standin
from lib import wait_until
from scene import Clock, Scene, teeth

tally = lib.Tally()
FAR = (0, 1, -1, -2 ** 63, 2 ** 63 - 1, 2 ** 53, 4102444800000,
       253402300800000)
PROPS = {
    "from_webhook": "true", "from_bot": "true", "from_plugin": "true",
    "from_oauth_app": "true", "override_username": "alice",
    "override_icon_url": "http://127.0.0.1/x.png",
    "override_icon_emoji": "tada", "webhook_display_name": "alice",
    "attachments": [], "card": "x", "anything": None}


class Forgery:
    """Sends forged posts, each with a word of its own; after() looks what
    became of them."""

    def __init__(self, s):
        self.s = s
        self.sent = []
        self.intents = len(s.events("intent"))

    def text(self, what):
        self.s.t_word = "f%d" % len(self.sent)
        return "!mark " + self.s.t_word

    def post(self, what, user="alice", channel="operations", want=None,
             **fields):
        """A post with those fields.  want: the reason when it gets as far
        as the policy; None when nobody is told anything."""
        text = fields.pop("message", self.text(what))
        p = self.s.mm.raw_post(user, channel, text, **fields)
        self.sent.append((what, p["id"], want))
        return p["id"]

    def own(self, what, post, want=None):
        """One that was sent by other means."""
        self.sent.append((what, post, want))

    def after(self, tally=tally):
        """None of them ran."""
        s = self.s
        s.well()
        s.settle()
        said = {}
        for e in s.mm.log(equal={"by": s.mm.bot["id"]}):
            said.setdefault(e.get("root_id"), []).append(e["message"])
        denied = {e["detail"]["postId"]: e["detail"]["reason"]
                  for e in s.events("denied")}
        intents = {e["detail"]["postId"] for e in s.events("intent")}
        for what, post, want in self.sent:
            tally.check(post not in intents, "not run: " + what)
            tally.check(denied.get(post) == want, "%s: refused as %s" %
                        (what, want), denied.get(post))
            if want in (None, "bot"):
                tally.check(post not in said, what + ": no answer",
                            said.get(post))
            else:
                tally.check(s.answer(post, "^Refused"), what + ": told",
                            said.get(post))
        tally.check(s.ran() == self.marks(), "nothing ran", s.seen[-300:])
        tally.check(s.bot.proc.poll() is None, "the daemon lives")
        self.sent = []

    def marks(self):
        return len(self.s.events("intent"))


def fields(s):
    f = Forgery(s)
    for t in ("me", "slack_attachment", "add_bot_teams_channels", "custom_x",
              "system_join_channel", "system_header_change", "reminder",
              "burn_on_read", "system_ephemeral", "x"):
        f.post("type " + t, type=t)
    now = int(time.time() * 1000)
    for v in (1, -1, now, 2 ** 63 - 1):
        f.post("edit_at %d" % v, edit_at=v)
        f.post("delete_at %d" % v, delete_at=v)
    f.post("original_id", original_id="o" * 26)
    f.post("remote_id", remote_id="r" * 26)
    f.post("remote_id x", remote_id="x")
    for k, v in PROPS.items():
        f.post("props." + k, props={k: v})
    for v in ("false", True, False, 1, None, [], {}, ""):
        f.post("from_webhook %r" % (v,), props={"from_webhook": v})
    f.post("attachments", props={"attachments": [
        {"text": "!mark x", "actions": [{"name": "!mark x"}]}]})
    f.post("harmless and not", props={"channel_mentions": {},
                                      "from_bot": "true"})
    for v in FAR:
        f.post("create_at %d" % v, create_at=v, want="age" if v > 0 else None)
    for what, text in (
            ("zero-width prefix", "\u200b!mark x"),
            ("bidi prefix", "\u202e!mark x"), ("nbsp", "\u00a0!mark x")):
        f.post(what, message=text, want="text")
    for what, text in (
            ("blank", " !mark x"),
            ("tab", "\t!mark x"), ("newline", "\n!mark x"),
            ("fullwidth", "\uff01mark x"),
            ("quoted", "> !mark x"), ("code", "`!mark x`"),
            ("fence", "```\n!mark x\n```"), ("slash", "/!mark x"),
            ("later", "please !mark x"), ("only signs", "!!!"),
            ("prefix and blank", "! mark x"), ("empty", ""),
            ("other bot", "@opsbot !mark x"), ("name", "chatops mark x"),
            ("longer name", "@chatops2 mark x"),
            ("huge", "!mark " + "x" * 20000)):
        f.post(what, message=text)
    for c in ("\u200b", "\u2066", "\u202e", "\ufeff", "\u00ad",
              "\u001b", "\u0085", "\u2028", "\U000e0041", "\ufe0f",
              "\u3164", "\u115f", "\u180e", "\u061c"):
        f.post("invisible %x" % ord(c), message="!mark a%sb" % c,
               want="text")
    for props in ({"channel_mentions": {"x": {}}},
                  {"disable_group_highlight": True},
                  {"mentionHighlightDisabled": True},
                  {"previewed_post": "x"}):
        # These a person's own client sets.
        post = s.mm.raw_post("alice", "operations", "!mark good",
                             props=props)["id"]
        tally.check(s.answer(post, "exit status 0"), "runs: %r" % props,
                    s.thread(post))
    f.after()
    # And the check itself would see a run.
    f.own("a good one", s.mm.raw_post("alice", "operations",
                                      "!mark good")["id"])
    teeth(tally, "a post that runs", f.after)


def accounts(s):
    mm = s.mm
    f = Forgery(s)
    mm.add_user("robot", channels=["operations"], is_bot=True)
    mm.add_user("visitor", channels=["operations"], roles="system_guest")
    mm.add_user("faraway", channels=["operations"], remote_id="r" * 26)
    mm.add_user("gone", channels=["operations"], delete_at=1)
    mm.add_user("outside", teams=())
    mm.add_user("halfguest")
    mm.member("operations", "halfguest", guest=True)
    f.post("bot", user="robot", want="bot")
    f.post("bot without its mark", user="robot", props={}, want="bot")
    f.post("guest", user="visitor", want="guest")
    f.post("guest of the channel", user="halfguest", want="guest")
    f.post("federated user", user="faraway", want="remote")
    f.post("deactivated", user="gone", want="account")
    f.post("not a member", user="outside", want="member")
    f.post("nobody's id", user_id="z" * 26, want="account")
    f.post("the bot itself", user="chatops")
    for v in ("", "A" * 26, "a" * 25, "é" * 13, "../" * 8 + "ab", "me",
              "a" * 25 + "\n"):
        f.post("user_id %r" % v, user_id=v)
    # As an admin: the level does not help.
    s.ask("alice", "!adduser @outside operator", "Reference")
    f.post("operator who is no member", user="outside", want="member")
    f.after()
    s.ask("alice", "!adduser @visitor operator", "^Refused")
    s.ask("alice", "!adduser @robot admin", "^Refused")
    s.ask("alice", "!adduser @gone operator", "^Refused")
    s.ask("alice", "!adduser @faraway operator", "^Refused")
    # Who was good and is not any more, without any event saying so.
    mm.add_user("turncoat", channels=["operations"])
    s.runs("turncoat", "!mark yet")
    mm.add_user("turncoat", roles="system_user system_guest")
    f.post("guest since now", user="turncoat", want="guest")
    f.after()
    mm.add_user("turncoat", roles="system_user")
    mm.member("operations", "turncoat", add=False)
    f.post("removed since now", user="turncoat", want="member")
    f.after()


def direct(s):
    mm = s.mm
    f = Forgery(s)
    mine = mm.direct("alice", "chatops")
    theirs = mm.direct("alice", "bob")
    s.runs("alice", "mark dm", channel=mine)
    f.post("sysadmin in alice's", user="sysadmin", channel=mine)
    f.post("mallory in alice's", user="mallory", channel=mine)
    f.post("not ours", user="alice", channel=theirs)
    f.post("says it is direct", user="mallory",
           over={"channel_type": "D"})
    names = [mm.bot["id"], mm.user_id("alice")]
    for name in ("__".join(sorted(names, reverse=True)), names[0], "",
                 "__".join(sorted(names)) + "x", 7, None):
        f.post("direct named %r" % (name,), user="mallory",
               over={"channel_type": "D", "channel_name": name})
    f.after()


def events(s):
    """Events by hand: what the server says of itself may be wrong."""
    mm = s.mm
    f = Forgery(s)
    n = [0]

    def event(what, name="posted", post=(), data=(), broadcast=(), raw=None,
              drop=()):
        n[0] += 1
        pid = ("e%dx" % n[0]).ljust(26, "q")
        p = {"id": pid, "create_at": int(time.time() * 1000), "edit_at": 0,
             "update_at": 0, "delete_at": 0, "user_id": mm.user_id("alice"),
             "channel_id": mm.channels["operations"], "root_id": "",
             "original_id": "", "message": f.text(what), "type": "",
             "props": {}, "hashtags": "", "pending_post_id": ""}
        p.update(dict(post))
        for k in drop:
            del p[k]
        d = {"channel_display_name": "Operations",
             "channel_name": "operations", "channel_type": "O",
             "post": json.dumps(p) if raw is None else raw,
             "sender_name": "@alice", "team_id": mm.team}
        d.update(dict(data))
        b = {"omit_users": None, "user_id": "", "team_id": "",
             "channel_id": mm.channels["operations"]}
        b.update(dict(broadcast))
        mm.event(name, d, broadcast=b, to={"user_id": mm.bot["id"]})
        f.own(what, p["id"] if "id" in p and isinstance(p["id"], str)
              else pid)
        return p

    for name in ("post_edited", "post_deleted", "ephemeral_message",
                 "post_updated", "POSTED", "posted ", "thread_updated",
                 "reaction_added", "hello2", ""):
        if name:
            event("event " + name, name=name)
    for v in (mm.channels["random"], "", "x", None, 7, []):
        event("broadcast to %r" % (v,), broadcast={"channel_id": v})
    event("other channel", post={"channel_id": mm.channels["random"]})
    for v in ("X", "", "OO", None, 1, "o"):
        event("channel_type %r" % (v,), data={"channel_type": v})
    for v in ("x", 7, "A" * 26):
        event("team_id %r" % (v,), data={"team_id": v})
    for v in ("", "x", "A" * 26, "é" * 13, "a/../" + "b" * 21, 7, None,
              "a" * 27, "%2e" * 8 + "ab"):
        event("id %r" % (v,), post={"id": v})
    for v in ("x", "A" * 26, 7, [], "a" * 27):
        event("root_id %r" % (v,), post={"root_id": v})
    for k, v in (("message", 7), ("message", None), ("message", ["!mark x"]),
                 ("message", {}), ("message", "!mark a\0b"),
                 ("create_at", "1"), ("create_at", 1.5),
                 ("create_at", None), ("create_at", 1e300), ("type", 7),
                 ("edit_at", "0"), ("edit_at", 0.5),
                 ("delete_at", "x"), ("props", []), ("props", "x"),
                 ("props", 7), ("user_id", None), ("user_id", 7),
                 ("remote_id", 7), ("original_id", [])):
        event("%s %r" % (k, v), post={k: v})
    for k in ("id", "user_id", "channel_id", "message", "create_at"):
        event("without " + k, drop=[k])
    for raw in ("", "{", "null", "[]", "7", '"x"', "{}", "\x00", "{\"id\":",
                '{"id":"a","id":"b"}', "[" * 100000,
                '{"a":' * 3900 + "1" + "}" * 3900):
        event("post %.20r" % raw, raw=raw)
    for v in (7, None, {}, []):
        event("post is %r" % (v,), data={"post": v})
    deep = "[" * 3900 + "]" * 3900
    good = json.dumps({
        "id": "deep".ljust(26, "q"), "create_at": int(time.time() * 1000),
        "user_id": mm.user_id("alice"), "message": "!mark deep",
        "channel_id": mm.channels["operations"], "type": ""})
    event("deep props", raw=good[:-1] + ', "props": {"x": %s}}' % deep)
    event("twice the message",
          raw=good[:-1] + ', "message": "!mark twice"}')
    # Data that is no object, or far too deep, ends the connection only.
    f.after()
    for raw in ("[]", "[" * 5000 + "]" * 5000):
        s.clock.jump(11)
        s.settle()
        after = mm.last()
        mm.raw_event("posted", raw, to={"user_id": mm.bot["id"]})
        try:
            mm.wait_bot(5, after)
        except standin.Timeout:
            tally.check(False, "data %.10s: reconnects" % raw,
                        s.bot.text()[-500:])
        s.well()
    f.after()
    # This one is right in every member: so the others were refused for
    # theirs.
    p = event("a right one")
    f.sent.pop()
    tally.check(wait_until(lambda: p["id"] in [
        e["detail"]["postId"] for e in s.events("intent")], 5),
        "the pattern runs")


def origins(s):
    mm = s.mm
    f = Forgery(s)

    def newest(what, text):
        found = []
        for channel in (mm.channels["operations"], dm):
            posts = mm.ok("GET", "/channels/%s/posts" % channel, None,
                          "alice")["posts"]
            found += [i for i, p in posts.items()
                      if text in p["message"]]
        tally.check(len(found) == 1, what + ": was sent", found)
        f.own(what, found[0])

    dm = mm.direct("alice", "chatops")
    hook = mm.ok("POST", "/hooks/incoming", {
        "channel_id": mm.channels["operations"],
        "user_id": mm.user_id("alice")}, "sysadmin")["id"]
    for i, props in enumerate(({}, {"from_webhook": "false"},
                               {"from_bot": "false"})):
        text = "!mark hook%d" % i
        mm.rest("POST", "/hooks/" + hook, {"text": text, "props": props})
        newest("webhook %r" % props, text)
    mm.rest("POST", "/hooks/" + hook, {"text": "mark dmhook",
                                       "channel": "@chatops"})
    newest("webhook by direct message", "mark dmhook")
    mm.ok("POST", "/commands/execute", {
        "channel_id": mm.channels["operations"],
        "command": "/custom !mark slash"}, "alice")
    newest("answer of a slash command", "!mark slash")
    mm.ok("POST", "/commands/execute", {
        "channel_id": mm.channels["operations"],
        "command": "/me !mark me"}, "alice")
    newest("/me", "!mark me")
    # Edits by the author and by an admin of the server.
    p = s.say("alice", "nothing")
    mm.patch_as("alice", p, message="!mark edited")
    f.own("edited", p)
    p = s.say("alice", "nothing either")
    mm.patch_as("sysadmin", p, message="!mark by an admin")
    f.own("edited by somebody else", p)
    p = s.say("carol", "!ping")
    tally.check(s.answer(p, "pong"), "first it is a ping")
    mm.patch_as("sysadmin", p, message="!mark swapped")
    tally.check(wait_until(lambda: mm.log("patch", equal={
        "post_id": p})), "it was edited")
    swapped = p
    # Fields that a client may send with a new post.
    for fields in ({"edit_at": 5}, {"remote_id": "r" * 26},
                   {"type": "custom_x"}, {"props": {"from_bot": "false"}}):
        f.own("by REST: %r" % fields, s.say(
            "alice", "!mark rest", **fields))
    f.after()
    tally.check(swapped not in [e["detail"]["postId"] for e in
                                s.events("intent")], "the edit is not run")


def duplicates(s):
    mm = s.mm
    before = s.ran()
    p = mm.raw_post("alice", "operations", "!mark five", times=5)["id"]
    tally.check(s.answer(p, "exit status 0"), "five deliveries")
    s.settle()
    tally.check(s.ran() == before + 1, "run once", s.seen[-200:])
    tally.check(len([e for e in s.events("intent")
                     if e["detail"]["postId"] == p]) == 1, "one intent")
    # The same id, another author and text.
    q = mm.raw_post("bob", "operations", "!mark other", id=p)
    tally.check(q["id"] == p, "the same id again", q)
    s.settle()
    tally.check(s.ran() == before + 1, "an id is run once", s.seen[-200:])
    # Not after a restart either: of the daemon, of the server.
    s.down()
    s.up(wrap=s.clock.wrap or (), admin=False)
    mm.raw_post("alice", "operations", "!mark five", id=p)
    s.settle()
    tally.check(s.ran() == before + 1, "nor after a restart", s.seen[-200:])
    s.runs("alice", "!mark another")


def backfilled(s):
    mm = s.mm
    f = Forgery(s)
    now = int(time.time() * 1000)
    # The event got lost, the post is there.
    mm.set(mute_posted=1)
    told = s.say("alice", "!mark missed")
    mm.set(mute_posted=0)
    f.post("missed and edited", event=False, edit_at=now)
    f.post("missed webhook", event=False, props={"from_webhook": "true"})
    f.post("missed system post", event=False, type="system_join_channel")
    f.post("import of last year", event=False, create_at=now - 31536000000)
    mm.drop("close", user="chatops", forget=True)
    tally.check(s.answer(told, "^Refused: it was missed while the bot was "
                         "offline", 15), "what was missed is told",
                s.thread(told))
    f.own("missed", told, "missed")
    f.after()
    tally.check(len(s.thread(told)) == 1, "once", s.thread(told))


def frames(s):
    """Frames that are none, and what is too big for anybody."""
    mm = s.mm
    if s.clock.wrap is None:
        tally.skip("frames", s.clock.why)
        return
    f = Forgery(s)
    bad = [
        ({"opcode": 1, "repeat": "x" * 1024, "count": 9 * 1024},),
        ({"opcode": 1, "text": "\u0001", "length": 2 ** 62},),
        ({"opcode": 1, "hex": "fffe41"},), ({"opcode": 2, "text": "{}"},),
        ({"opcode": 3, "text": "x"},), ({"opcode": 1, "rsv": 4,
                                         "text": "{}"},),
        ({"opcode": 1, "mask": True, "text": "{}"},),
        ({"opcode": 0, "text": "x"},), ({"opcode": 9, "fin": False,
                                         "text": "x"},),
        ({"opcode": 9, "repeat": "x", "count": 126},),
        ({"opcode": 1, "text": ""},), ({"opcode": 1, "text": "[]"},),
        ({"opcode": 1, "text": '{"event":"posted"}'},),
        ({"opcode": 1, "text": '{"event":"posted","data":{},"seq":-1}'},),
        ({"opcode": 1, "text": '{"event":"posted","data":{},"seq":1e99}'},),
        ({"opcode": 1, "text": '{"seq":1}'},),
    ]
    for frame in bad:
        # It has been up for a while: the next tries are quick.
        s.clock.jump(11)
        s.settle()
        after = mm.last()
        mm.frames(*frame, user=mm.bot["id"])
        try:
            mm.wait_bot(5, after)
        except standin.Timeout:
            tally.check(False, "%.70r: reconnects" % (frame,),
                        s.bot.text()[-500:])
        s.well()
    f.after()
    s.runs("alice", "!mark good")


def reactions(s):
    """Reactions with forged times and from the wrong people move nothing."""
    mm = s.mm
    f = Forgery(s)
    p = s.say("alice", "!mark x")
    e = s.answer(p, "exit status 0")
    status = e["post_id"]
    for i, t in enumerate((0, -1, 2 ** 63 - 1, -2 ** 63)):
        for emoji in ("stop_button", "+1", "white_check_mark", "!mark x",
                      "x" * 500, ""):
            mm.event("reaction_added", {"reaction": json.dumps({
                "user_id": mm.user_id("mallory"), "post_id": status,
                "emoji_name": emoji, "create_at": t})}, broadcast={
                    "channel_id": mm.channels["operations"],
                    "omit_users": None, "user_id": "", "team_id": ""},
                to={"user_id": mm.bot["id"]})
    for raw in ("{}", "[]", "null", "{", '{"user_id":7}'):
        mm.event("reaction_added", {"reaction": raw},
                 to={"user_id": mm.bot["id"]})
    f.after()


def main():
    with Scene(tally) as s:
        s.clock = Clock(s.bot)
        s.up(wrap=s.clock.wrap or ())
        for part in (fields, accounts, direct, events, origins, duplicates,
                     backfilled, reactions, frames):
            if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
                part(s)
        s.clock.close()
        s.down()
        s.verify()
        rows = s.rows("select count(*) from jobs where state = 'finished'")
        tally.check(rows[0][0] == len(s.events("execution")),
                    "log and database agree", rows)


main()
tally.done()
