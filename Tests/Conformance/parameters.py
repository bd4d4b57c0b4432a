#!/usr/bin/env python3
"""Sends generated queries to a gateway that validates parameters, and reads those that pass as services do.

    parameters.py [--binary .build/debug/sluice] [--count 100000] [--seed 1] [--show 10]

The readers: names and values split at `&`, or at `&` and `;`; names without regard to capitals, or without blanks around them; PHP's names, written again
here; and, if `node` is installed, URLSearchParams and `querystring`. A query that passes must have, for each of them, at most one value of a parameter, and
one that fits. Prints the others; the exit status is 1 if there is one.
"""
import argparse, json, os, random, re, socket, subprocess, sys, tempfile, time, urllib.parse
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONFIGURATION = """
projects: {p: {ceiling: 10000000}}
domains:
  - key: a
    project: p
    endpoints:
      - path: /x
        policies:
          mock: {status: 200}
          validate:
            query:
              page: {type: integer, minimum: 1, maximum: 100}
              s.t: {type: string, pattern: '^[a-z]{1,3}$'}
              l[]: {type: array, items: {type: integer}, collectionFormat: multi}
"""
NAMES = ["page", "Page", "PAGE", "page[]", "page[0]", "page%5B%5D", "%70age", "page%00", "+page", "%20page", "page+", "page%09", "pag%65", "page.x", "page[", "s.t",
         "s_t", "s+t", "s%2Et", "S.T", "s%5Ft", "l[]", "l", "l[1]", "L[]", "l%5b%5d", "l[][]", "x", "", "page;", "pa;ge", "%", "page%", "%5Bpage", "[page]", "page]", "s[t", "s[t]", "_page", ".page"]
VALUES = ["1", "2", "100", "0", "101", "-5", "abc", "ab", "A", "", "%31", "%2531", "1%00", "%zz", "+1", "1+", "0x1", "1e1", "01", "1;page=200", "ab;s.t=ZZZZ",
          "x;l[]=q", "%26page%3D200", "1&page=200", "a%26s.t=ABCD", "1=2", "=1", "%3B", "1%3Bpage=200", "a;b"]
FITS = {
    "page": lambda value: re.fullmatch(r"-?[0-9]+", value) and 1 <= int(value) <= 100,
    "s.t": lambda value: re.fullmatch(r"[a-z]{1,3}", value),
    "l[]": lambda value: re.fullmatch(r"-?(0|[1-9][0-9]*)", value),
}
NODE = """
const all = JSON.parse(require('fs').readFileSync(0)), qs = require('querystring')
const flat = (parsed) => Object.entries(parsed).flatMap(([name, value]) => [].concat(value).map((one) => [name, one]))
console.log(JSON.stringify(all.map((query) => [[...new URLSearchParams(query)], flat(qs.parse(query))])))
"""


def query(rng):
    pairs = []
    for _ in range(rng.randint(1, 4)):
        name = rng.choice(NAMES)
        pairs.append(name if rng.random() < 0.08 else f"{name}={rng.choice(VALUES)}")
    return rng.choice(["&", "&", "&", "&", "&&", ";"]).join(pairs)


def passed(binary, queries):
    """Those that the gateway lets pass."""
    folder = tempfile.mkdtemp()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(f"{folder}/sluice.yaml", "w") as file: file.write(CONFIGURATION)
    environment = dict(os.environ, SLUICE_LISTEN=f"127.0.0.1:{port}", SLUICE_STATE_DIR=f"{folder}/state", SLUICE_ADMIN_LISTEN="off", SLUICE_LOG_LEVEL="error")
    gateway = subprocess.Popen([binary, "run", "--config", f"{folder}/sluice.yaml"], env=environment)
    try:
        for _ in range(100):
            time.sleep(0.1)
            try: client = socket.create_connection(("127.0.0.1", port)); break
            except OSError: continue
        answers = client.makefile("rb")
        for text in queries:
            client.sendall(f"GET /a/x?{text} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            status, length = int(answers.readline().split()[1]), 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"): length = int(line.split(b":")[1])
            body = answers.read(length)
            if status == 200: yield text
            elif b"4000007" not in body: sys.exit(f"{text}: {status} {body}")
    finally:
        gateway.terminate()
        gateway.wait()


def pairs(text, separators="&"):
    decoded = lambda part: urllib.parse.unquote_plus(part, encoding="latin1")
    return [tuple(decoded(part) for part in pair.partition("=")[::2]) for pair in re.split(f"[{separators}]", text) if pair]


def php(text):
    for name, value in pairs(text):
        name = name.lstrip(" \t\r\n").split("\0")[0]
        root, bracket, rest = name.partition("[")
        if bracket and "]" not in rest: root, bracket, rest = f"{root}_{rest}", "", ""
        root = re.sub("[ .]", "_", root)
        # A name with and without brackets is one variable.
        yield {"s_t": "s.t", "l": "l[]"}.get(root, root) if not bracket or root != "l" else "l[]", value


def readings(text):
    yield "&", pairs(text)
    yield "& and ;", pairs(text, "&;")
    yield "without capitals", [(name.lower(), value) for name, value in pairs(text)]
    yield "without blanks", [(name.strip(), value) for name, value in pairs(text)]
    yield "PHP", list(php(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=f"{ROOT}/.build/debug/sluice")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    good = sorted(set(passed(options.binary, (query(rng) for _ in range(options.count)))))
    found = [(text, reader, read) for text in good for reader, read in readings(text)]
    try:
        read = json.loads(subprocess.run(["node", "-e", NODE], input=json.dumps(good), capture_output=True, text=True, check=True).stdout)
        found += [(text, reader, one) for text, both in zip(good, read) for reader, one in zip(["URLSearchParams", "querystring"], both)]
    except FileNotFoundError:
        print("node is not installed: two readers are left out")
    faults = []
    for text, reader, read in found:
        counts = Counter(name for name, _ in read)
        faults += [(reader, text, name, value) for name, value in read if name in FITS and not FITS[name](value)]
        faults += [(reader, text, name, "twice") for name in ("page", "s.t") if counts[name] > 1]
    for fault in faults[:options.show]: print(*map(repr, fault))
    print(f"{options.count} queries, {len(good)} different ones passed, {len(faults)} of {len(found)} readings are wrong")
    sys.exit(1 if faults else 0)


main()
