#!/usr/bin/env python3
"""The JSON Schemas in etc/ agree with the parsers, and the manuals.

For every case here: what the parser accepts (NN.ok says so, and t_config
holds it to that) the schema accepts, and what the parser refuses the schema
refuses, except where the case says that a schema cannot express it.  The
validator knows the part of JSON Schema 2020-12 that the two files use and
stops at anything else.  Every member of a schema has its place in the manual.
"""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ETC = os.path.join(HERE, "..", "..", "etc")
MAN = os.path.join(HERE, "..", "..", "man")
CASES_MIN = 120
NOT_EXPRESSED = "(not in the schema)"

ANNOTATIONS = {"$schema", "$defs", "title", "description", "default"}
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float))
    and not isinstance(v, bool),
}


def same(a, b):
    return type(a) is type(b) and a == b


def matches(pattern, text):
    # ECMA-262's $ is the end of the text; Python's also before a newline.
    return re.search(pattern.replace("$", r"\Z"), text) is not None


class Schema:
    def __init__(self, root):
        self.root = root

    def resolve(self, ref):
        here = self.root
        if not ref.startswith("#/"):
            raise ValueError("reference " + ref)
        for part in ref[2:].split("/"):
            here = here[part]
        return here

    def valid(self, s, v):
        for key, arg in s.items():
            if key in ANNOTATIONS or key == "then":
                continue
            check = getattr(self, "is_" + key.replace("$", ""), None)
            if check is None:
                raise ValueError("keyword " + key)
            if not check(arg, v, s):
                return False
        return True

    def is_ref(self, arg, v, _s):
        return self.valid(self.resolve(arg), v)

    def is_type(self, arg, v, _s):
        names = arg if isinstance(arg, list) else [arg]
        return any(TYPES[n](v) for n in names)

    def is_enum(self, arg, v, _s):
        return any(same(a, v) for a in arg)

    def is_const(self, arg, v, _s):
        return same(arg, v)

    def is_not(self, arg, v, _s):
        return not self.valid(arg, v)

    def is_allOf(self, arg, v, _s):
        return all(self.valid(a, v) for a in arg)

    def is_anyOf(self, arg, v, _s):
        return any(self.valid(a, v) for a in arg)

    def is_if(self, arg, v, s):
        return not self.valid(arg, v) or self.valid(s["then"], v)

    def is_required(self, arg, v, _s):
        return not isinstance(v, dict) or all(a in v for a in arg)

    def is_properties(self, arg, v, _s):
        return not isinstance(v, dict) or all(
            self.valid(arg[k], x) for k, x in v.items() if k in arg)

    def is_additionalProperties(self, arg, v, s):
        if not isinstance(v, dict):
            return True
        rest = [x for k, x in v.items() if k not in s.get("properties", {})]
        if arg is False:
            return not rest
        return all(self.valid(arg, x) for x in rest)

    def is_propertyNames(self, arg, v, _s):
        return not isinstance(v, dict) or all(self.valid(arg, k) for k in v)

    def is_maxProperties(self, arg, v, _s):
        return not isinstance(v, dict) or len(v) <= arg

    def is_items(self, arg, v, _s):
        return not isinstance(v, list) or all(self.valid(arg, x) for x in v)

    def is_minItems(self, arg, v, _s):
        return not isinstance(v, list) or len(v) >= arg

    def is_maxItems(self, arg, v, _s):
        return not isinstance(v, list) or len(v) <= arg

    def is_uniqueItems(self, arg, v, _s):
        if not arg or not isinstance(v, list):
            return True
        seen = [json.dumps(x, sort_keys=True) for x in v]
        return len(seen) == len(set(seen))

    def is_pattern(self, arg, v, _s):
        return not isinstance(v, str) or matches(arg, v)

    def is_minLength(self, arg, v, _s):
        return not isinstance(v, str) or len(v) >= arg

    def is_maxLength(self, arg, v, _s):
        return not isinstance(v, str) or len(v) <= arg

    def is_minimum(self, arg, v, _s):
        return not TYPES["number"](v) or v >= arg

    def is_maximum(self, arg, v, _s):
        return not TYPES["number"](v) or v <= arg


def no_duplicates(pairs):
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise ValueError("duplicate member")
    return seen


def load(path):
    with open(path, "rb") as f:
        return json.loads(f.read().decode("utf-8"),
                          object_pairs_hook=no_duplicates)


def accepts(schema, path):
    """Text that is no JSON, or has a NUL in it, never reaches a schema."""
    try:
        document = load(path)
    except (ValueError, RecursionError):
        return False
    return schema.valid(schema.root, document)


def members(s):
    """Every name in every "properties" below s."""
    if isinstance(s, list):
        return set().union(*(members(x) for x in s)) if s else set()
    if not isinstance(s, dict):
        return set()
    found = set(s.get("properties", {}))
    for x in s.values():
        found |= members(x)
    return found


def undocumented(schema, manual):
    with open(os.path.join(MAN, manual), encoding="utf-8") as f:
        words = set()
        for line in f:
            if re.match(r"\.(It )?Ic ", line):
                words.update(line.replace(",", " ").split())
    return sorted(members(schema.root) - words)


def main():
    schemas = {
        kind: Schema(load(os.path.join(ETC, name + ".schema.json")))
        for kind, name in (("bot", "bot.config"),
                           ("script", "script-allowlist"))
    }
    passed = failed = 0

    def check(name, good):
        nonlocal passed, failed
        if good:
            passed += 1
        else:
            failed += 1
            print("FAILED", name)

    for name in sorted(os.listdir(HERE)):
        if not name.endswith(".in.json"):
            continue
        case = name[:-len(".in.json")]
        with open(os.path.join(HERE, case + ".ok"), encoding="utf-8") as f:
            verdict = f.read()
        accepted = accepts(schemas[case.split("-")[0]],
                           os.path.join(HERE, name))
        if verdict.startswith("ok\n"):
            check(case + ": the parser accepts, the schema does not",
                  accepted)
        elif NOT_EXPRESSED in verdict:
            check(case + ": the schema refuses it after all", accepted)
        else:
            check(case + ": the parser refuses, the schema does not",
                  not accepted)
    check("cases are missing", passed + failed >= CASES_MIN)
    check("etc/bot.config.json",
          accepts(schemas["bot"], os.path.join(ETC, "bot.config.json")))
    check("etc/script-allowlist.json",
          accepts(schemas["script"],
                  os.path.join(ETC, "script-allowlist.json")))
    for kind, manual in (("bot", "bot.config.json.5"),
                         ("script", "script-allowlist.json.5")):
        missing = undocumented(schemas[kind], manual)
        check("%s says nothing of %s" % (manual, ", ".join(missing)),
              not missing)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
