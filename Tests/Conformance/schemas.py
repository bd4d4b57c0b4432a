#!/usr/bin/env python3
"""Gives generated pairs of a JSON Schema (draft 4) and a document to our validator and to Python's jsonschema, and compares what they say.

    schemas.py [--count 100000] [--seed 1] [--driver BINARY] [--show 10]

Needs jsonschema of PyPI for the interpreter that runs it, and `swift build --product schema-driver`. Numbers are read as decimals, so that both count exactly.
Prints each pair on which the two differ; the exit status is 1 if there is one.

What is not generated, because the two differ by intention: names that stand twice, surrogates alone, formats, and numbers that a double cannot
hold.
"""
import argparse, decimal, json, os, random, subprocess, sys, threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = ["a", "b", "c", "ab", "é", "", "x-y", "a/b", "$ref2"]
TEXTS = ["", "a", "ab", "abc", "é", "😀", "aé😀", "1", "true", "a b", "\n", "\u2028", "aaaa"]
PATTERNS = ["^a", "b$", "a.c", "^[a-c]*$", "é", "^.$", "^\\d+$", "a|b", "^(ab)*$", "\\S"]
NUMBERS = ["0", "-0", "1", "-1", "2", "3", "10", "1.0", "0.5", "1.5", "-2.5", "1e2", "1E-1", "0.1", "0.3", "100", "9007199254740993", "9007199254740992",
           "123456789012345678901234567890", "1e30", "-7"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]


class Raw(str):
    """A number as it is written."""


def dump(value):
    if isinstance(value, Raw): return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=random_ascii())}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list): return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=random_ascii())


def random_ascii(): return rng.random() < 0.5


def value(depth):
    kind = rng.random()
    if depth <= 0 or kind < 0.55:
        return rng.choice([None, True, False, Raw(rng.choice(NUMBERS)), Raw(rng.choice(NUMBERS)), rng.choice(TEXTS), rng.choice(TEXTS)])
    if kind < 0.75: return [value(depth - 1) for _ in range(rng.randrange(5))]
    return {name: value(depth - 1) for name in rng.sample(NAMES, rng.randrange(5))}


def schema(depth, root=False):
    if depth <= 0: return {} if rng.random() < 0.3 else {"type": rng.choice(TYPES)}
    result = {}
    for _ in range(rng.randrange(1, 4)):
        word = rng.choice(["type", "enum", "number", "string", "array", "object", "object", "combined", "ref", "items", "properties", "properties"])
        if word == "type": result["type"] = rng.choice(TYPES) if rng.random() < 0.6 else rng.sample(TYPES, rng.randrange(1, 4))
        if word == "enum": result["enum"] = unique([value(2) for _ in range(rng.randrange(1, 5))])
        if word == "number":
            result[rng.choice(["minimum", "maximum"])] = Raw(rng.choice(NUMBERS))
            if rng.random() < 0.3: result["multipleOf"] = Raw(rng.choice(["1", "2", "0.1", "0.5", "1.5", "3", "0.01", "7"]))
            if "minimum" in result and rng.random() < 0.3: result["exclusiveMinimum"] = rng.random() < 0.7
            if "maximum" in result and rng.random() < 0.3: result["exclusiveMaximum"] = rng.random() < 0.7
        if word == "string":
            result[rng.choice(["minLength", "maxLength"])] = rng.randrange(4)
            if rng.random() < 0.5: result["pattern"] = rng.choice(PATTERNS)
        if word == "array":
            result[rng.choice(["minItems", "maxItems"])] = rng.randrange(4)
            if rng.random() < 0.5: result["uniqueItems"] = rng.random() < 0.8
        if word == "items":
            if rng.random() < 0.5: result["items"] = schema(depth - 1)
            else: result["items"] = [schema(depth - 1) for _ in range(rng.randrange(3))]
            if rng.random() < 0.5: result["additionalItems"] = rng.random() < 0.5 if rng.random() < 0.5 else schema(depth - 1)
        if word == "properties":
            result["properties"] = {name: schema(depth - 1) for name in rng.sample(NAMES, rng.randrange(1, 4))}
            if rng.random() < 0.4: result["required"] = rng.sample(NAMES, rng.randrange(1, 3))
            if rng.random() < 0.4: result["additionalProperties"] = rng.random() < 0.5 if rng.random() < 0.5 else schema(depth - 1)
        if word == "object":
            choice = rng.randrange(4)
            if choice == 0: result[rng.choice(["minProperties", "maxProperties"])] = rng.randrange(4)
            if choice == 1: result["patternProperties"] = {rng.choice(PATTERNS): schema(depth - 1)}
            if choice == 2: result["dependencies"] = {rng.choice(NAMES): rng.sample(NAMES, rng.randrange(1, 3)) if rng.random() < 0.5 else schema(depth - 1)}
            if choice == 3: result["required"] = rng.sample(NAMES, rng.randrange(1, 4))
        if word == "combined":
            how = rng.choice(["allOf", "anyOf", "oneOf", "not"])
            result[how] = schema(depth - 1) if how == "not" else [schema(depth - 1) for _ in range(rng.randrange(1, 4))]
        if word == "ref" and not root and rng.random() < 0.5: return {"$ref": rng.choice(["#/definitions/p", "#/definitions/q"])}
    if root:
        result["definitions"] = {"p": schema(1), "q": {"type": rng.choice(TYPES), "properties": {"a": {"$ref": "#/definitions/p"}}}}
        result["definitions"]["p"].pop("$ref", None)
    return result


def unique(values):
    seen, kept = set(), []
    for each in values:
        text = json.dumps(json.loads(dump(each)), sort_keys=True)
        if text not in seen:
            seen.add(text)
            kept.append(each)
    return kept


def main():
    global rng
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--driver", default=os.path.join(ROOT, ".build/debug/schema-driver"))
    parser.add_argument("--show", type=int, default=10)
    options = parser.parse_args()
    from jsonschema import Draft4Validator, validators
    # Decimals are numbers to it, and integers are ints alone, as draft 4 says. Its own multipleOf divides binary numbers.
    def multiple_of(validator, divisor, instance, whole):
        if not validator.is_type(instance, "number"): return
        with decimal.localcontext() as context:
            context.prec = 200
            if decimal.Decimal(instance) % decimal.Decimal(divisor) != 0:
                from jsonschema import ValidationError
                yield ValidationError("no multiple")
    Validator = validators.extend(Draft4Validator, {"multipleOf": multiple_of})
    rng = random.Random(options.seed)
    load = lambda text: json.loads(text, parse_float=decimal.Decimal)
    pairs, verdicts = [], []
    while len(pairs) < options.count:
        text = dump(schema(3, root=True))
        validator = Validator(load(text))
        for _ in range(4):
            document = dump(value(4))
            pairs.append((text, document))
            verdicts.append(validator.is_valid(load(document)))
    driver = subprocess.Popen([options.driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    def feed():
        for text, document in pairs: driver.stdin.write(f"{text}\n{document}\n")
        driver.stdin.close()
    threading.Thread(target=feed, daemon=True).start()
    differ = wrong = 0
    for (text, document), expected in zip(pairs, verdicts):
        answer = driver.stdout.readline().strip()
        wrong += not expected
        if (answer == "right") == expected and not answer.startswith(("error", "unreadable")): continue
        differ += 1
        if differ <= options.show: print(f"jsonschema says {expected}, ours {answer}\n  {text}\n  {document}")
    driver.wait()
    print(f"{len(pairs)} pairs, {wrong} of them wrong: {differ} differ")
    return differ > 0


if __name__ == "__main__":
    sys.exit(main())
