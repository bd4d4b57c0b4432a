"""The dearest input that a peer can make of a given number of bytes, field by field: what `benchmarks/cost` sends.

A case is one line of `CASES`: a name, what is sent and by whom, and where. To add one, write what makes `size` bytes of it (`field`, `lines`,
`repeat` and the like do most) and add the line. The tool compares it with an opaque input of the same size on the same way through the gateway.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from .traffic import SECRET, TIMESTAMP

# Names as long as those that policies are configured with, and different from them in the last letter only: the dearest to compare.
NEAR = "X-Compared-With-Configured-Name-"
CONFIGURED = [f"{NEAR}{number:03}" for number in range(200)]
LINES = 120    # of the 128 that a head may have


@dataclass
class Input:
    """What a client sends, and what the service answers."""
    target: str = "/x"
    """Behind the domain's key."""
    fields: bytes = b""
    """Whole lines."""
    method: str = "GET"
    body: bytes = b""
    start: bytes | None = None
    """The request line, where it is the worst thing itself."""
    host: bytes = b"gateway.example.com"
    answer: bytes | None = None
    """The service's whole response."""
    pieces: int = 1
    """In how many pieces the worse side sends."""
    port: int = 0
    """0: the listener that trusts nobody; 1: the one that trusts every peer."""


@dataclass(frozen=True)
class Case:
    name: str
    build: object
    """From a number of bytes to an `Input`."""
    domain: str = "plain"
    size: int | None = None
    """Bytes where those of the command line are more than the input may have: a body area, trailers."""
    times: int = 10
    """How many times the instructions of an opaque input it may take."""


# MARK: Making bytes

def field(name, value):
    return name.encode() + b": " + value + b"\r\n"


def repeat(unit, size):
    """So many bytes of a unit, whole units only."""
    unit = unit if isinstance(unit, bytes) else unit.encode()
    return unit * (size // len(unit))


def numbered(form, size, most=1 << 30):
    """`form` with 0, 1, 2 ... in it, joined, up to `size` bytes."""
    out, length, number = [], 0, 0
    while number < most:
        piece = (form % number).encode()
        length += len(piece)
        if length > size:
            break
        out.append(piece)
        number += 1
    return b"".join(out)


def lines(size, name=lambda number: f"X{number:03}", value=b"1", most=LINES):
    """As many lines as a head may have, together `size` bytes: their values, or for `value=None` their names, are as long as that takes."""
    each = max(1, size // most - len(name(0)) - 4)
    return b"".join(field(name(number), value * each if len(value) == 1 else value) for number in range(most))


def near(size, most=LINES):
    """Lines whose names are compared with the configured ones to the last byte."""
    return b"".join(field(f"{NEAR}x{number % 100:02}", b"1") for number in range(min(most, size // (len(NEAR) + 8))))


def chunks(size, form=b"1\r\nx\r\n"):
    return repeat(form, size) + b"0\r\n\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n"


def uploads(body):
    return Input(method="POST", fields=CHUNKED, body=body)


def answers(fields=b"", body=b"", status=b"200 OK", framed=True, pieces=1):
    length = b"Content-Length: %d\r\n" % len(body) if framed else b""
    return Input(answer=b"HTTP/1.1 " + status + b"\r\n" + length + fields + b"\r\n" + body, pieces=pieces)


# MARK: Credentials

def signed(fields, names, target):
    """Fields with a signature that is right, over the named ones."""
    values = {}
    for line in fields.split(b"\r\n"):
        if line:
            name, value = line.split(b": ", 1)
            values.setdefault(name.decode().lower(), []).append(value.decode())
    text = f"GET\n{target}\n{TIMESTAMP}"
    for name in names:
        if name.lower() in values:
            text += f"\n{name.lower()}:{','.join(values[name.lower()])}"
    code = base64.b64encode(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256)).decode()
    return field("x-nhn-date", TIMESTAMP.encode()) + field(
        "Authorization", f'hmac algorithm="HmacSHA256", headers="{",".join(names)}", signature="{code}"'.encode())


def list_signed(size):
    names = [f"{NEAR}x{number:02}" for number in range(32)]
    fields = near(size - 1700)
    return Input(fields=fields + signed(fields, names, "/signed/x"))


def authorization(text):
    return Input(fields=field("x-nhn-date", TIMESTAMP.encode()) + field("Authorization", text))


def encoded(text):
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def token(header, payload=b'{"sub":"a"}', key=SECRET):
    text = encoded(header) + b"." + encoded(payload)
    return field("Authorization", b"Bearer " + text + b"." + encoded(hmac.digest(key.encode(), text, hashlib.sha256)))


def token_of(payload):
    """Of a caller who has a right token and had a say in its claims."""
    return Input(fields=token(b'{"alg":"HS256"}', payload))


def json_size(size):
    """Bytes of JSON that make so many of a field."""
    return min(size, 16_000) * 3 // 4 - 100


# MARK: The cases

# Ten times is the rule, and where a line says `times`, why: what the input is read with is dearer than ten opaque ones, whoever reads it. The number is what was
# counted, and a sixth more: with fewer or more reads for its bytes the same opaque input of 16,000 bytes takes 28,000 to 32,000. An opaque byte takes 1.6 instructions at heads of 30,000 bytes, 2.0 at 16,000 (the request's own few thousand included).
#
# Tokens: their code is computed before a claim is believed. Valgrind knows no SHA extensions, so SHA-256 takes 34 instructions a byte, which is 17 times an
# opaque field alone; a processor that has them takes a tenth of that. Beside it a byte of a token takes 4.5 to be decoded and looked at twice, and its JSON, of which there
# are three bytes for four, 1 to 2 where it is one string or blanks, 8 where it is escapes, 20 where it is an array of one-letter strings, 28 where it is members of
# five bytes, whose names are hashed, looked up and written down.
# Paths of which every second or third byte begins or ends something: 17 instructions a byte. 2.4 look for what is to be done, 1 checks the target, and a reading without parameters is
# written byte by byte, for 6.5 and 3 to find out which bytes; an escape that is decoded takes 33, two look-ups of digits and one of its class.
# A request's trailers in 250 pieces: what has come of the section is read anew with each, 5 instructions a byte and never more than its bound. The opaque body's pieces
# are read two at a time where the machine is busy, so that the number is 8.7 to 11.9.
# Letters as escapes, and segments that climb: 9.2 and 9.4 times, with the same margin.
# A response whose Connection lists 30 names beside lines with names that differ from them in the last letter: each line is looked up in the set of names, 11 to 13 times
# its small opaque input.
# Chunks of one byte with an extension of two: 18 instructions a byte, for eight bytes with three ends of lines, two tables and five states.
CASES = [
    # Connection and other lists of tokens
    Case("connection: commas", lambda n: Input(fields=field("Connection", b"zz" + b"," * (n - 900)) + lines(900))),
    Case("connection: names", lambda n: Input(fields=field("Connection", numbered("x%d,", n - 900)) + lines(900))),
    Case("connection: close", lambda n: Input(fields=field("Connection", repeat("close,", n - 900)) + lines(900))),
    Case("connection: names in lines", lambda n: Input(fields=lines(n, lambda number: "Connection", repeat("x1,", n // LINES - 14)))),
    Case("connection: 60 names, 60 near", lambda n: Input(fields=field("Connection", numbered(NEAR + "y%02d,", n // 2, 60)) + near(n // 2, 60))),
    Case("connection: one long name", lambda n: Input(fields=field("Connection", b"x" * n))),
    Case("connection: blanks", lambda n: Input(fields=field("Connection", b"close," + b" " * (n - 1) + b","))),
    Case("connection: with a cached pre-call", lambda n: Input(fields=field("Connection", b"zz" + b"," * (n - 900)) + lines(900)), "cached"),
    Case("te: commas", lambda n: Input(fields=field("TE", b"," * n))),
    Case("te: names", lambda n: Input(fields=field("TE", repeat("trailerz,", n)))),
    Case("upgrade: commas", lambda n: Input(fields=b"Connection: upgrade\r\n" + field("Upgrade", b"," * n))),
    Case("upgrade: names", lambda n: Input(fields=b"Connection: upgrade\r\n" + field("Upgrade", repeat("a/b,", n)))),
    Case("trailer: names", lambda n: Input(fields=field("Trailer", repeat("a,", n)))),
    Case("accept: commas", lambda n: Input(fields=field("Accept", b"," * n))),
    Case("cookie: pairs", lambda n: Input(fields=field("Cookie", repeat("a=b; ", n)))),
    Case("via: commas", lambda n: Input(fields=field("Via", b"," * n))),
    Case("via: lines", lambda n: Input(fields=lines(n, lambda number: "Via", b"1.1 a"))),
    # Single values
    Case("content-length: zeros", lambda n: Input(fields=field("Content-Length", b"0" * n))),
    Case("content-length: lines", lambda n: Input(fields=lines(n, lambda number: "Content-Length", b"0"))),
    Case("transfer-encoding: list", lambda n: Input(fields=field("Transfer-Encoding", repeat("chunked,", n)))),
    Case("expect: long", lambda n: Input(fields=field("Expect", b"1" * n))),
    Case("host: escapes", lambda n: Input(host=repeat("%41", n))),
    Case("host: marks", lambda n: Input(host=b"!" * n)),
    Case("host: zeros in the port", lambda n: Input(host=b"a:" + b"0" * n)),
    Case("host: dots", lambda n: Input(host=b"." * n)),
    Case("host: brackets", lambda n: Input(host=b"[" + b":" * n + b"]")),
    Case("x-request-id: long", lambda n: Input(fields=field("X-Request-Id", b"a" * n))),
    Case("x-request-id: lines", lambda n: Input(fields=lines(n, lambda number: "X-Request-Id", b"a"))),
    Case("traceparent: long", lambda n: Input(fields=field("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00-" + b"0" * (n - 60)))),
    Case("forwarded: list", lambda n: Input(fields=field("Forwarded", repeat("for=a,", n)), port=1)),
    # Lines and names
    Case("lines: short", lambda n: Input(fields=lines(min(n, LINES * 8)))),
    Case("lines: not plain", lambda n: Input(fields=repeat("a:\r\n", LINES * 4))),
    Case("lines: in pieces", lambda n: Input(fields=lines(n), pieces=LINES)),
    Case("names: one of marks", lambda n: Input(fields=field("_" * (min(n, 60_000)), b"1"))),
    Case("names: of marks", lambda n: Input(fields=lines(n, lambda number: "_" * max(1, n // LINES - 6)))),
    Case("names: half of marks", lambda n: Input(fields=lines(n, lambda number: "a_" * max(1, n // LINES // 2 - 3)))),
    Case("names: alike", lambda n: Input(fields=near(n).replace(b"-", b"_")), "changed"),
    Case("names: x-forwarded", lambda n: Input(fields=lines(n, lambda number: f"X-Forwarded-{'a' * max(1, n // LINES - 20)}{number:03}"))),
    Case("lines: blanks behind values", lambda n: Input(fields=field("X", b"a" + b" " * (n - 2) + b"b"))),
    Case("lines: blanks only", lambda n: Input(fields=lines(n, value=b" "))),
    # Targets
    Case("path: dots", lambda n: Input("/a" + "." * n)),
    Case("path: escapes of letters", lambda n: Input("/" + "%41" * (n // 3)), times=11),
    Case("path: escapes that stay", lambda n: Input("/" + "%20" * (n // 3))),
    Case("path: lower-case escapes", lambda n: Input("/" + "%c3%a9" * (n // 6))),
    Case("path: slashes", lambda n: Input("/" * n)),
    Case("path: dot segments", lambda n: Input("/." * (n // 2))),
    Case("path: climbing", lambda n: Input("/a" * (n // 5) + "/.." * (n // 5)), times=11),
    Case("path: parameters", lambda n: Input("/" + "a;" * (n // 2))),
    Case("path: parameters of every segment", lambda n: Input("/a;" * (n // 3)), times=13),
    Case("path: parameters of empty segments", lambda n: Input("/;" * (n // 2)), times=13),
    Case("path: one letter, one escape", lambda n: Input("/" + "a%41" * (n // 4)), times=13),
    Case("path: segments", lambda n: Input("/a" * (n // 2))),
    Case("query: question marks", lambda n: Input("/x?" + "?" * n)),
    Case("query: pairs", lambda n: Input("/x?" + "a=1&" * (n // 4))),
    Case("query: escapes", lambda n: Input("/x?" + "%41" * (n // 3))),
    Case("target: authority", lambda n: Input(start=b"GET http://" + b"!" * n + b"/ HTTP/1.1")),
    Case("target: authority and host", lambda n: Input(start=b"GET http://" + b"a" * (n // 2) + b"/ HTTP/1.1", host=b"A" * (n // 2))),
    Case("method: unknown", lambda n: Input(method="X" * 31, fields=field("X-Opaque", b"a" * n))),
    # Routes
    Case("routes: a deep path", lambda n: Input("/a" * (n // 2)), "routes"),
    Case("routes: slashes", lambda n: Input("/" * n), "routes"),
    Case("routes: half of a pattern again and again", lambda n: Input("/x/y" * (n // 4)), "routes"),
    Case("routes: a glob, letters", lambda n: Input("/" + "a" * n), "routes"),
    Case("routes: a glob, escapes", lambda n: Input("/" + "%C3%A9" * (n // 6)), "routes"),
    Case("routes: a glob, many segments", lambda n: Input("/files" + "/aaaaaaaac" * (n // 10)), "routes"),
    Case("routes: an expression", lambda n: Input("/regex/" + "a" * n), "routes"),
    # Address chains, from a peer that is believed
    Case("x-forwarded-for: trusted", lambda n: Input(fields=field("X-Forwarded-For", repeat("10.0.0.1,", n)), port=1)),
    Case("x-forwarded-for: commas", lambda n: Input(fields=field("X-Forwarded-For", b"," * n), port=1)),
    Case("x-forwarded-for: blanks", lambda n: Input(fields=field("X-Forwarded-For", b"10.0.0.1," + b" " * n + b","), port=1)),
    Case("x-forwarded-for: one entry", lambda n: Input(fields=field("X-Forwarded-For", b"[" + b"a" * n + b"]"), port=1)),
    Case("x-forwarded-for: a port of zeros", lambda n: Input(fields=field("X-Forwarded-For", b"10.0.0.1:" + b"0" * n), port=1)),
    Case("x-forwarded-for: lines", lambda n: Input(fields=lines(n, lambda number: "X-Forwarded-For", repeat("::1,", max(4, n // LINES - 20))), port=1)),
    Case("x-forwarded-for: of a stranger", lambda n: Input(fields=field("X-Forwarded-For", repeat("10.0.0.1,", n)))),
    # Policies
    Case("cached pre-call: lines", lambda n: Input(fields=lines(n)), "cached"),
    Case("cached pre-call: short lines", lambda n: Input(fields=lines(min(n, LINES * 8))), "cached"),
    Case("keyed pre-call: near names", lambda n: Input(fields=near(n)), "keyed"),
    Case("keyed pre-call: nominated", lambda n: Input(fields=field("Connection", numbered(NEAR + "%03d,", n // 2, 60)) + near(n // 2, 60)), "keyed"),
    Case("changes: near names", lambda n: Input(fields=near(n)), "changed"),
    Case("changes: nominated", lambda n: Input(fields=field("Connection", numbered(NEAR + "y%02d,", n // 2, 60)) + near(n // 2, 60)), "changed"),
    Case("cors: names asked for", lambda n: preflight(field("Access-Control-Request-Headers", repeat(CONFIGURED[199] + ",", n))), "cors"),
    Case("cors: commas", lambda n: preflight(field("Access-Control-Request-Headers", b"," * n)), "cors"),
    Case("cors: short names", lambda n: preflight(field("Access-Control-Request-Headers", repeat("a,", n))), "cors"),
    Case("cors: lines", lambda n: preflight(lines(n, lambda number: "Access-Control-Request-Headers", repeat("a,", n // LINES - 34))), "cors"),
    Case("cors: a long name", lambda n: preflight(field("Access-Control-Request-Headers", b"a" * n)), "cors"),
    Case("cors: a long method", lambda n: Input(method="OPTIONS", fields=b"Origin: https://a.example\r\n" + field("Access-Control-Request-Method", b"G" * n)), "cors"),
    Case("cors: a long origin", lambda n: Input(fields=field("Origin", b"https://" + b"a" * n)), "cors"),
    Case("hmac: a list of names", lambda n: authorization(b'hmac algorithm="HmacSHA256", headers="' + repeat("a,", n - 90) + b'a", signature="' + b"A" * 44 + b'"'), "signed"),
    Case("hmac: a list of 31 long names", lambda n: authorization(b'hmac algorithm="HmacSHA256", headers="' + numbered("%03d" + "a" * max(1, min(250, n // 31 - 5)) + ",", n - 90, 31) + b'a", signature="' + b"A" * 44 + b'"'), "signed"),
    Case("hmac: parameters", lambda n: authorization(b"hmac " + repeat('algorithm="",', n)), "signed"),
    Case("hmac: blanks", lambda n: authorization(b"hmac " + b" " * n + b"x"), "signed"),
    Case("hmac: a long signature", lambda n: authorization(b"A" * n), "signed"),
    Case("hmac: 32 signed names", list_signed, "signed"),
    Case("hmac: a long timestamp", lambda n: Input(fields=field("x-nhn-date", b"2" * n) + b"Authorization: hmac x\r\n"), "signed"),
    Case("jwt: dots", lambda n: Input(fields=field("Authorization", b"Bearer " + b"." * min(n, 16_000))), "token"),
    Case("jwt: blanks", lambda n: Input(fields=field("Authorization", b"Bearer" + b" " * n + b"x")), "token"),
    Case("jwt: no base64", lambda n: Input(fields=field("Authorization", b"Bearer a." + b"!" * min(n, 16_000) + b".b")), "token"),
    Case("jwt: header of members", lambda n: Input(fields=token(b"{" + numbered('"%d":1,', json_size(n)) + b'"alg":"HS256"}')), "token"),
    Case("jwt: header of escapes", lambda n: Input(fields=token(b'{"alg":"HS256","kid":"' + repeat("\\u0041", json_size(n)) + b'"}', key="other")), "token", times=30),
    Case("jwt: header of depth", lambda n: Input(fields=token(b'{"alg":"HS256","a":' + b"[" * json_size(n))), "token"),
    Case("jwt: header of blanks", lambda n: Input(fields=token(b'{"alg":"HS256",' + b" " * json_size(n) + b'"a":1}', key="other")), "token", times=27),
    Case("jwt: claims of members", lambda n: token_of(b"{" + numbered('"%d":1,', json_size(n)) + b'"sub":"a"}'), "token", times=40),
    Case("jwt: claims of scopes", lambda n: token_of(b'{"sub":"a","scope":"' + repeat("a ", json_size(n)) + b'"}'), "token", times=28),
    Case("jwt: claims of an array", lambda n: token_of(b'{"sub":"a","aud":[' + repeat('"a",', json_size(n)) + b'"a"]}'), "token", times=36),
    Case("jwt: claims of escapes", lambda n: token_of(b'{"sub":"' + repeat("\\u0041", json_size(n)) + b'"}'), "token", times=30),
    Case("jwt: claims that are forwarded", lambda n: token_of(b'{"scope":"a","sub":"' + b"a" * json_size(n) + b'"}'), "token", times=28),
    Case("rewrite: an expression, slashes", lambda n: Input("/x" * (n // 2)), "rewritten"),
    Case("rewrite: an expression, letters", lambda n: Input("/" + "x" * n), "rewritten"),
    Case("rewrite: a template", lambda n: Input("/a/" + "%20" * (n // 3)), "template"),
    # Bodies
    Case("body: chunks of one byte", lambda n: uploads(chunks(n)), size=12_000),
    Case("body: zeros in sizes", lambda n: uploads(chunks(n, b"0000000000000001\r\nx\r\n")), size=12_000),
    Case("body: extensions", lambda n: uploads(chunks(n, b"1;" + b"a" * 250 + b"\r\nx\r\n")), size=12_000),
    Case("body: many extensions", lambda n: uploads(chunks(n, b"1" + b";a=b" * 60 + b"\r\nx\r\n")), size=12_000),
    # 18 instructions a byte, as it was; the opaque input has become cheaper.
    Case("body: short extensions", lambda n: uploads(chunks(n, b"1;a\r\nx\r\n")), size=12_000, times=11),
    Case("trailers: lines", lambda n: uploads(b"0\r\n" + lines(n, most=250, value=b"1") + b"\r\n"), size=6_000),
    Case("trailers: names of marks", lambda n: uploads(b"0\r\n" + lines(n, lambda number: "_" * (n // 100 - 6), most=100) + b"\r\n"), size=6_000),
    Case("trailers: in pieces", lambda n: Input(method="POST", fields=CHUNKED, body=b"0\r\n" + lines(n, most=250) + b"\r\n", pieces=250), size=6_000, times=15),
    Case("trailers: near names", lambda n: Input(method="POST", fields=CHUNKED, body=b"0\r\n" + near(n) + b"\r\n"), "changed", size=6_000),
    # Services
    Case("response: connection, commas", lambda n: answers(field("Connection", b"zz" + b"," * (n - 2000)) + lines(2000, most=240))),
    Case("response: connection, names", lambda n: answers(field("Connection", numbered("x%d,", n - 2000)) + lines(2000, most=240))),
    Case("response: connection, near names", lambda n: answers(field("Connection", numbered(NEAR + "y%02d,", n // 2, 30)) + near(n // 2, 200)), times=14),
    Case("response: lines", lambda n: answers(lines(n, most=250))),
    Case("response: names of marks", lambda n: answers(lines(n, lambda number: "_" * max(1, n // LINES - 6)))),
    Case("response: near names", lambda n: answers(near(n, 240)), "changed"),
    Case("response: cors names", lambda n: answers(lines(n, lambda number: f"Access-Control-{number:03}", most=240)), "cors"),
    Case("response: reason", lambda n: answers(status=b"200 " + b"a" * n)),
    Case("response: interim", lambda n: Input(answer=(b"HTTP/1.1 103 Early Hints\r\n" + lines(n // 16, most=16) + b"\r\n") * 15 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    Case("response: head in pieces", lambda n: answers(lines(n, most=240), pieces=200)),
    Case("response: chunks of one byte", lambda n: answers(CHUNKED, chunks(n), framed=False)),
    Case("response: short extensions", lambda n: answers(CHUNKED, chunks(n, b"1;a\r\nx\r\n"), framed=False), times=13),
    Case("response: trailers", lambda n: answers(CHUNKED, b"0\r\n" + lines(n, most=250) + b"\r\n", framed=False)),
    Case("response: trailers in pieces", lambda n: answers(CHUNKED, b"0\r\n" + lines(n, most=250) + b"\r\n", framed=False, pieces=250)),
]


def preflight(fields):
    return Input(method="OPTIONS", fields=b"Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n" + fields)


def configuration(ports, upstream):
    """Every domain that the cases name."""
    near_names = ", ".join(CONFIGURED)
    changes = f"{{set: {{X-Set: a}}, remove: [{near_names}]}}"
    origins = ", ".join(f'"https://{number:03}.example"' for number in range(100))
    pre_call = f"url: 'http://127.0.0.1:{upstream}/authorise', cacheSeconds: 86400"
    return f"""listeners:
  - address: 127.0.0.1:{ports[0]}
  - address: 127.0.0.1:{ports[1]}
    trustedProxies: [127.0.0.0/8, 10.0.0.0/8, "::1"]
projects:
  cost: {{ceiling: 10000000}}
domains:
{"".join(domain(name, upstream, policies, endpoints) for name, policies, endpoints in [
    ("plain", "", [("/**", "")]),
    ("cached", "", [("/**", f"preCall: {{{pre_call}}}")]),
    ("keyed", "", [("/**", f"preCall: {{{pre_call}, cacheKey: [{', '.join(CONFIGURED[:16])}]}}")]),
    ("changed", "", [("/**", f"headers: {{request: {changes}, response: {changes}}}")]),
    ("cors", f'cors: {{origins: [{origins}, "https://a.example"], headers: [{near_names}]}}', [("/**", "")]),
    ("signed", f"hmac: {{secret: {SECRET}, clockSkew: 0}}", [("/**", "")]),
    ("token", f"jwt: {{algorithm: HS256, secret: {SECRET}, expiry: optional, forward: {{sub: X-User}}, claims: [{{name: scope, present: true}}]}}", [("/**", "")]),
    ("rewritten", "", [("/**", "rewrite: {pattern: '/(.*)/(.*)/z', to: /%1/%2}")]),
    ("template", "", [("/**", "rewrite: {pattern: '/{a}/{b}', to: '/{b}/{a}'}")]),
    ("routes", "", [(path, "") for path in ["/**/x/y/z", "/**/x/**/w", "/a*aaaaaaaab", "/*%C3%A9x", "/files/**/a*ab", "/regex/{r:(a*)*b}"]]),
])}"""


def domain(name, upstream, policies, endpoints):
    text = f"  - key: {name}\n    project: cost\n    upstream: http://127.0.0.1:{upstream}\n"
    if policies:
        text += f"    policies:\n      {policies}\n"
    text += "    endpoints:\n"
    for path, own in endpoints:
        text += f"      - path: '{path}'\n        methods: [GET, POST, {'X' * 31}]\n"
        if own:
            text += f"        policies:\n          {own}\n"
    return text
