#!/usr/bin/env python3
"""Rights belong to ids, not to names; who may change them; and the log, the
database and what was told agree about every change."""
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lib
from scene import Scene, teeth

tally = lib.Tally()
REFERENCE = r"Reference [0-9]+\.$"


def renames(s):
    mm = s.mm
    s.runs("bob", "!mark one")
    mm.add_user("bob", rename="robert", event=True)
    s.runs("bob", "!hello", "hello")
    said = s.ask("bob", "!whoami", "robert")
    tally.check(s.uid("bob") in said and "operator" in said,
                "renamed, and still who he was", said)
    # Somebody takes the name that is free now.
    mm.add_user("carol", rename="bob", event=True)
    s.refused("carol", "!hello", "permission")
    said = s.ask("carol", "!whoami", "bob")
    tally.check(s.uid("carol") in said and "operator" not in said,
                "the old name gives nothing", said)
    said = s.ask("alice", "!whois @bob", s.uid("carol"))
    tally.check("user" in said and "operator" not in said, "whois", said)
    s.ask("alice", "!whois @robert", s.uid("bob"))
    # Even what is taken away goes by the id that has the name now.
    s.refused("alice", "!deluser @bob", "arguments", "nothing to be taken")
    s.runs("bob", "!hello", "hello")
    # And a change says whose it was.
    said = s.ask("alice", "!adduser @bob operator", REFERENCE)
    tally.check(s.uid("carol") in said, "it names the id", said)
    s.runs("carol", "!hello", "hello")
    s.ask("alice", "!deluser @bob", REFERENCE)
    s.refused("carol", "!hello", "permission")
    s.runs("bob", "!hello", "hello")
    mm.add_user("carol", rename="carol", event=True)
    mm.add_user("bob", rename="bob", event=True)


def names(s):
    said = s.ask("alice", "!whois @BoB", s.uid("bob"))
    tally.check("operator" in said, "case does not matter", said)
    s.ask("alice", "!whois bob", s.uid("bob"))
    s.ask("alice", "!whois " + s.uid("bob"), s.uid("bob"))
    for word in ("@nobody", "nobody", "@", "@b%62", "@../bob", "@bob/..",
                 "@bob?x", "'@bob x'", "@" + "b" * 65, "@bøb", "z" * 26,
                 "@@bob", "@bob:", "@me", "@all", "@ids"):
        s.refused("alice", "!adduser %s operator" % word, "arguments",
                  "there is no user")
    s.refused("alice", "!adduser @carol root", "arguments", "no level")
    s.refused("alice", "!adduser @carol Admin", "arguments", "no level")
    s.refused("alice", "!adduser @carol", "arguments", "usage")
    s.refused("alice", "!adduser @carol admin now", "arguments", "usage")
    s.refused("alice", "!adduser @chatops admin", "arguments", "is a bot")


def admins(s):
    s.refused("alice", "!deluser @alice", "last-admin")
    s.refused("alice", "!adduser @alice operator", "last-admin")
    s.refused("alice", "!adduser @alice user", "last-admin")
    s.refused("alice", "!adduser @alice banned", "admin-ban")
    s.refused("alice", "!adduser @alice admin", "arguments", "already")
    s.refused("alice", "!ban @alice x permanent", "admin-ban")
    status, _, err = s.bot.ctl("users", "del", "@alice")
    tally.check(status == 1 and "last admin" in err, "chatopsctl: the last "
                "admin", err)
    status, _, err = s.bot.ctl("bootstrap-admin", s.uid("mallory"), "mallory")
    tally.check(status == 1 and "admin" in err, "a second bootstrap", err)
    s.ask("alice", "!adduser @carol admin", REFERENCE)
    s.refused("alice", "!ban @carol x 1h", "admin-ban")
    s.refused("carol", "!ban @alice x 1h", "admin-ban")
    s.ask("carol", "!deluser @alice", REFERENCE)
    # What alice could do, she can no longer, at once.
    s.refused("alice", "!users", "permission")
    s.refused("alice", "!adduser @alice admin", "permission")
    s.refused("carol", "!deluser @carol", "last-admin")
    s.ask("carol", "!adduser @alice admin", REFERENCE)
    s.ask("alice", "!deluser @carol", REFERENCE)
    s.refused("carol", "!users", "permission")
    s.refused("alice", "!deluser @carol", "arguments", "nothing")


def flags(s):
    s.ask("alice", "!chattr @bob +deploy +night-shift", REFERENCE)
    said = s.ask("bob", "!whoami", "bob")
    tally.check("deploy" in said and "night-shift" in said, "flags", said)
    s.refused("alice", "!chattr @bob +deploy", "arguments", "already")
    s.refused("alice", "!chattr @bob -restart", "arguments", "does not have")
    for word in ("deploy", "+", "-", "+Deploy", "+a.b", "++x", "+-x",
                 "+" + "a" * 65, "+é"):
        s.refused("alice", "!chattr @bob %s" % word, "arguments", "neither")
    # One that is wrong, and nothing is done.
    s.refused("alice", "!chattr @bob +good -missing", "arguments")
    tally.check("good" not in s.ask("bob", "!whoami", "bob"), "all or none")
    s.ask("alice", "!chattr @bob -deploy -night-shift", REFERENCE)
    tally.check("deploy" not in s.ask("bob", "!whoami", "bob"), "taken")
    # Flags alone are no level.
    s.ask("alice", "!chattr @mallory +deploy", REFERENCE)
    s.refused("mallory", "!hello", "permission")
    s.ask("alice", "!deluser @mallory", REFERENCE)


def levels(s):
    s.ask("alice", "!adduser @mallory banned", REFERENCE)
    s.refused("mallory", "!ping", "banned")
    s.ask("alice", "!adduser @mallory operator", REFERENCE)
    s.runs("mallory", "!hello", "hello")
    # A ban is stronger than a level.
    s.ask("alice", '!ban @mallory "because" 1h', "banned until")
    post = s.say("mallory", "!hello")
    s.settle()
    tally.check([e["detail"]["reason"] for e in s.events("denied")
                 if e["detail"]["postId"] == post] == ["banned"],
                "a banned operator")
    s.refused("alice", "!unban @bob", "arguments", "is not banned")
    s.ask("alice", "!unban @mallory", REFERENCE)
    s.runs("mallory", "!hello", "hello")
    # An account that is gone can still be looked at and be cleaned up.
    s.mm.add_user("mallory", delete_at=1)
    s.ask("alice", "!whois @mallory", "operator")
    s.refused("alice", "!chattr @mallory +x", "arguments", "deactivated")
    s.ask("alice", "!deluser @mallory", REFERENCE)
    s.mm.add_user("mallory", delete_at=0)
    s.refused("mallory", "!hello", "permission")
    said = s.ask("alice", "!users", s.uid("alice"))
    tally.check(s.uid("bob") in said and s.uid("mallory") not in said,
                "the table", said)


def machine(s):
    """The owner of the machine does the same by chatopsctl."""
    s.ctl_ok("users", "add", "@carol", "operator")
    s.runs("carol", "!hello", "hello")
    line = s.events("permission")[-1]
    tally.check(line["userId"] is None and
                line["detail"]["by"].startswith("uid ") and
                line["detail"]["subject"] == s.uid("carol"),
                "its line says who", line)
    out = s.ctl_ok("policy", "explain", "@carol", "operations", "hello")
    tally.check("allowed" in out, "explain", out)
    s.ctl_ok("users", "del", "@carol")
    s.refused("carol", "!hello", "permission")
    status, out, err = s.bot.ctl("policy", "explain", "@carol",
                                 "operations", "hello")
    tally.check("permission" in out + err, "explain", (status, out, err))
    status, out, err = s.bot.ctl("users", "add", "@nobody", "operator")
    tally.check(status == 1 and "no such user" in err, "nobody", err)
    s.ask("alice", "!explain @bob hello", "allowed")
    s.ask("alice", "!explain @carol hello", r"refused \(permission\)")
    tally.check(not [e for e in s.events("intent")
                     if e["seq"] > line["seq"] + 4], "explained, not run")


def books(s, tally, wrong=0):
    """Lines and rows agree; wrong: one too many is expected."""
    lines = s.events("permission")
    rows = s.rows("select seq, action, subject_id, actor_id, detail, "
                  "lower(hex(line_hash)) from audit_log order by seq")
    tally.check(len(lines) == len(rows) + wrong, "as many rows as lines",
                (len(lines), len(rows)))
    log = s.log()
    for line, row in zip(lines, rows):
        d = line["detail"]
        tally.check(row[:4] == (line["seq"], d["action"], d["subject"],
                                line["userId"]) and
                    json.loads(row[4]) == d and
                    row[5] == log[line["seq"] + 1]["previousHash"],
                    "line %d and its row" % line["seq"], (line, row))
    db = sqlite3.connect(s.bot.path("data", "bot.db"))
    for sql in ("update audit_log set actor_name = 'x'",
                "delete from audit_log"):
        try:
            db.execute(sql)
            tally.check(False, sql)
        except sqlite3.Error as error:
            tally.check("append-only" in str(error), sql, error)
    db.close()
    users = {r[0]: r[1] for r in s.rows(
        "select mattermost_id, permission_level from users")}
    tally.check(users.get(s.uid("alice")) == "admin" and
                users.get(s.uid("bob")) == "operator" and
                s.uid("mallory") not in users, "who is what", users)


def main():
    with Scene(tally) as s:
        s.up()
        for part in (renames, names, admins, flags, levels, machine):
            part(s)
        # It is all still so after a restart.
        s.down()
        s.up(admin=False)
        s.runs("bob", "!hello", "hello")
        s.refused("carol", "!hello", "permission")
        s.down()
        books(s, tally)
        teeth(tally, "another number of rows",
              lambda q: books(s, q, wrong=1))
        s.verify()


main()
tally.done()
