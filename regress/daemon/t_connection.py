#!/usr/bin/env python3
"""The connection to the server and everything that happens to it: nothing
runs twice, nothing that was missed runs at all, and the bot is back soon."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
import standin
from lib import wait_until
from scene import Clock, Scene, Trap, teeth

tally = lib.Tally()
BACK = 5        # seconds, after whatever broke the connection


def broken(s, what, fn, seconds=BACK, resumed=None):
    """fn breaks the connection and a command is sent at once: it is run
    exactly once, live after a resume, or told as missed and not run."""
    s.clock.jump(11)            # it has been up for a while
    s.settle()
    after, ran = s.mm.last(), s.ran()
    said = len(s.bot.text())
    begin = time.monotonic()
    if resumed is False:
        # Well before it is back: what comes in the very moment of the
        # opening is told only by the look at the channels a minute later.
        s.mm.listen(False)
        fn()
        post = s.mm.raw_post("bob", "operations", "!mark broken")["id"]
        time.sleep(0.6)     # the server's clock is known by one ping
        s.mm.listen(True)
    else:
        fn()
        post = s.say("bob", "!mark broken")
    try:
        s.mm.wait_bot(seconds + 5, after)
    except standin.Timeout:
        tally.check(False, what + ": back", s.bot.text()[said:])
        return
    took = time.monotonic() - begin
    tally.check(took < seconds, "%s: back in %.1f s" % (what, took))
    s.well()
    e = s.answer(post, "exit status 0|missed while the bot was offline")
    if not tally.check(e is not None, what + ": answered",
                       (s.thread(post), s.bot.text()[said:])):
        return
    live = "exit status" in e["message"]
    tally.check(s.ran() - ran == live, what + ": run once or not at all",
                (live, s.ran() - ran))
    if resumed is not None:
        tally.check(live == resumed and
                    (", resumed" in s.bot.text()[said:]) == resumed,
                    "%s: resumed is %s" % (what, resumed),
                    s.bot.text()[said:])


def losses(s):
    mm = s.mm
    drop = mm.drop
    bot = {"user": "chatops"}
    broken(s, "end", lambda: drop("fin", **bot), resumed=True)
    broken(s, "reset", lambda: drop("rst", **bot), resumed=True)
    broken(s, "close", lambda: drop("close", **bot))
    if s.clock.wrap is None:
        # Each loss of a young connection makes the next try come later.
        tally.skip("more losses", "no mount namespace here")
        return
    broken(s, "close 1001", lambda: drop("close", code=1001, **bot))
    broken(s, "forgotten", lambda: drop("fin", forget=True, **bot),
           resumed=False)
    broken(s, "restart", mm.restart, resumed=False)

    def gap():
        mm.frames({"opcode": 1, "text": json.dumps({
            "event": "typing", "data": {}, "broadcast": {}, "seq": 9999})},
            **bot)
    broken(s, "gap", gap)

    def many():
        # More than the server keeps for who comes back.
        drop("fin", **bot)
        mm.event("custom_x", {"x": 1}, times=600)
    broken(s, "dead queue", many, resumed=False)

    def freeze():
        said = len(s.bot.text())
        drop("freeze", **bot)
        s.clock.jump(31)
        # Not after the next opening: it would look older than it is.
        if not wait_until(lambda: "connection lost" in
                          s.bot.text()[said:], 0.3):
            s.clock.jump(11)
    broken(s, "half-open", freeze, resumed=False)

    def away():
        mm.listen(False)
        drop("rst", **bot)
        time.sleep(0.7)
        mm.listen(True)
    broken(s, "not listening", away)


def commands_of(s, what, count=3):
    """So many commands in a row: each answered once."""
    posts = [s.say("bob", "!mark %s%d" % (what, i)) for i in range(count)]
    for p in posts:
        tally.check(s.answer(p, "exit status 0", 15), what + ": answered",
                    s.thread(p))
        done = [e for e in s.mm.log(equal={"root_id": p}) if
                "exit status 0" in e["message"]]
        tally.check(len(done) == 1, what + ": once", done)


def slow(s):
    mm, ran = s.mm, s.ran()
    mm.fault("/api/v4/users/*", 3, delay_ms=700)
    mm.fault("/api/v4/posts*", 2, skip=3, delay_ms=700)
    commands_of(s, "slow")
    mm.unfault()
    mm.fault("/api/v4/users/*", 4, slow_us=300)
    commands_of(s, "trickle")
    mm.unfault()
    tally.check(s.ran() == ran + 6, "each ran once", s.ran() - ran)


def errors(s):
    mm, ran = s.mm, s.ran()
    for status in (500, 502, 503, 504):
        mm.fault("/api/v4/posts", 1, skip=1, method="POST", status=status,
                 body="<html>bad gateway</html>", type="text/html")
        commands_of(s, "e%d" % status, 1)
        mm.unfault()
    # Lost after it was carried out: the pending id keeps it from doubling.
    mm.fault("/api/v4/posts", 1, skip=1, method="POST", lost=True)
    post = s.say("carol", "!ping")
    tally.check(s.answer(post, "pong"), "an answer that got lost")
    s.settle()
    mm.unfault()
    time.sleep(0.3)
    tally.check(len([p for p in mm.ok("GET", "/posts/%s/thread" % post, None,
                                      "alice")["posts"]]) == 2,
                "is there once")
    for what in ({"reset": True}, {"cut": 20}, {"raw": "nonsense\r\n\r\n"}):
        mm.fault("/api/v4/users/*", 1, **what)
        commands_of(s, "lookup", 1)
        mm.unfault()
    tally.check(s.ran() == ran + 7, "each ran once", s.ran() - ran)
    # Who cannot be asked about is refused, not believed.
    mm.fault("/api/v4/users/" + s.uid("carol"), 100, status=404,
             body=json.dumps({"id": "app.user.missing_account.const",
                              "status_code": 404}))
    s.refused("carol", "!mark x", "account")
    mm.unfault()
    mm.fault("/api/v4/channels/*/members/*", 100, status=404,
             body=json.dumps({"id": "app.channel.get_member.missing."
                              "app_error", "status_code": 404}))
    s.refused("carol", "!mark x", "member")
    mm.unfault()
    mm.fault("/api/v4/users/" + s.uid("carol"), 100, status=200,
             body=json.dumps({"id": s.uid("alice"), "username": "alice",
                              "roles": "system_user", "delete_at": 0}))
    s.refused("carol", "!mark x", "lookup")
    mm.unfault()


def limited(s):
    mm = s.mm
    mm.fault("/api/v4/posts", 1, skip=1, method="POST", status=429,
             body="limit exceeded\n", type="text/plain",
             headers={"Retry-After": "1"})
    begin = time.monotonic()
    s.ask("carol", "!ping", "pong")
    took = time.monotonic() - begin
    tally.check(0.9 < took < 4, "429: after Retry-After", took)
    mm.unfault()


def database(s):
    """Its 401 says nothing about the token, for the database is down."""
    mm = s.mm
    alarms = s.bot.text().count("ALARM")
    s.clock.jump(11)
    s.settle()
    said = len(s.bot.text())
    after = mm.last()
    mm.set(db_down=1)
    mm.drop("fin", user="chatops", forget=True)
    wait_until(lambda: "not connected" in s.bot.text()[said:], 5)
    time.sleep(1)
    mm.set(db_down=0)
    for i in range(20):
        s.clock.jump(6)
        try:
            mm.wait_bot(1, after)
            break
        except standin.Timeout:
            pass
    s.well()
    tally.check(s.bot.text().count("ALARM") == alarms, "no alarm",
                s.bot.text()[said:])


def offline(s):
    """What is sent while the daemon is stopped is told once, never run."""
    s.down()
    ran = s.ran()
    post = s.say("bob", "!mark offline")
    chat = s.say("bob", "just talking")
    hers = s.say("carol", "@chatops ping")
    time.sleep(0.1)
    s.up(wrap=s.clock.wrap or (), admin=False)
    for p in (post, hers):
        tally.check(s.answer(p, "^Refused: it was missed while"),
                    "told after the start", s.thread(p))
    s.settle()
    tally.check(not s.thread(chat), "chat is left alone")
    s.down()
    s.up(wrap=s.clock.wrap or (), admin=False)
    s.settle()
    tally.check(len(s.thread(post)) == 1, "told once", s.thread(post))
    tally.check(s.ran() == ran, "and never run")


def frames(s):
    mm = s.mm
    bot = {"user": "chatops"}
    after = mm.last()
    mm.frames({"opcode": 9, "text": "x" * 100, "times": 9}, **bot)
    mm.frames({"opcode": 10, "text": "late", "times": 9}, **bot)
    s.settle()
    tally.check(not mm.log("ws_open", after), "a few PINGs are borne",
                s.bot.text()[-400:])
    s.clock.jump(11)
    s.settle()
    mm.frames({"opcode": 9, "text": "x" * 100, "times": 20000}, **bot)
    mm.wait_bot(BACK, after)
    tally.check(s.well() < BACK and "too many pings" in s.bot.text(),
                "a flood is not", s.bot.text()[-400:])
    # A command in pieces, with a PING between them.
    conn = max((c for c in mm.conns() if c["user_id"] == mm.bot["id"] and
                c["has_socket"]), key=lambda c: c["conn"])
    pid = "fragmented".ljust(26, "q")
    text = json.dumps({
        "event": "posted", "seq": conn["seq"], "broadcast": {
            "channel_id": mm.channels["random"]},
        "data": {"channel_type": "O", "channel_name": "random",
                 "team_id": mm.team, "post": json.dumps({
                     "id": pid, "create_at": int(time.time() * 1000),
                     "user_id": s.uid("bob"), "message": "!mark pieces",
                     "channel_id": mm.channels["random"]})}})
    ran = s.ran()
    mm.frames({"opcode": 1, "fin": False, "text": text[:10]},
              {"opcode": 9, "text": "between"},
              {"opcode": 0, "fin": False, "text": text[10:100]},
              {"opcode": 0, "text": text[100:]}, **bot)
    tally.check(wait_until(lambda: s.ran() == ran + 1, 8),
                "fragments are put together", s.bot.text()[-500:])
    # Slowly, byte by byte.
    s.well()


def redirects(s):
    """Nobody is followed to another origin, with or without the token."""
    mm, trap = s.mm, Trap()
    if not s.clock.wrap:
        time.sleep(10.5)        # up for a while: the next tries are quick
    try:
        there = "http://127.0.0.1:%d/api/v4/users/me" % trap.port
        for status in (None, 301, 307, 308):
            how = {"redirect": there} if status is None else {
                "status": status, "headers": {"Location": there}}
            mm.fault("/api/v4/users/" + s.uid("carol"), 1, **how)
            post = s.say("carol", "!ping")
            s.answer(post, ".", 3)
            mm.unfault()
        s.clock.jump(11)
        s.settle()
        mm.fault("/api/v4/websocket*", 1, redirect=there.replace("http",
                                                                 "ws"))
        after = mm.last()
        mm.drop("rst", user="chatops")
        mm.wait_bot(10, after)
        s.well()
        tally.check(trap.got == [], "nobody came", trap.got)
        tally.check(len(trap.got) == 0, "no token there")
    finally:
        mm.unfault()
        trap.close()


def main():
    with Scene(tally) as s:
        s.clock = Clock(s.bot)
        s.up(wrap=s.clock.wrap or ())
        parts = (losses, slow, errors, limited, frames, redirects, database,
                 offline)
        if s.clock.wrap is None:
            parts = (losses, slow, errors, limited, offline)
            tally.skip("frames, redirects, database", "no mount namespace "
                       "here")
        for part in parts:
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(s)
        teeth(tally, "a bot that is not back in time", lambda q: late(s, q))
        token = s.mm.bot["token"]
        tally.check(token not in s.bot.text(), "no token in the log")
        s.clock.close()
        s.down()
        s.verify()


def late(s, q):
    global tally
    keep, tally = tally, q
    try:
        broken(s, "end", lambda: s.mm.drop("fin", user="chatops"), 0)
    finally:
        tally = keep


main()
tally.done()
