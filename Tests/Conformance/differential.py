#!/usr/bin/env python3
"""Gives generated and mutated messages to our codec, to llhttp (through httptools) and to h11, and compares what they make of them.

    differential.py [--count 20000] [--seed 1] [--driver BINARY] [--processes 1] [--show N] [--list-reasons]

A message is accepted (with method, target, version, field lines, body, trailers and the place where the next one would begin),
unfinished, or refused. Where the three disagree, one of the known reasons below has to explain it, each with its rule: most often Sluice is
stricter. What none explains is printed, and the exit status is 1.

The two parsers are fetched from PyPI into .build-differential/venv, once; `--prepare` does only that and exits 3 if they cannot be had.
"""
import argparse, collections, os, random, struct, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = os.path.join(ROOT, ".build-differential", "venv")
PACKAGES = ["h11==0.16.0", "httptools==0.9.0"]
REQUEST, RESPONSE, RESPONSE_TO_HEAD = 0, 1, 2
KINDS = ["request", "response", "response to HEAD"]


def prepare():
    """The interpreter that has the parsers; None if they cannot be had."""
    python = os.path.join(VENV, "bin", "python")
    probe = [python, "-c", "import h11, httptools"]
    if os.path.exists(python) and subprocess.run(probe, capture_output=True).returncode == 0:
        return python
    os.makedirs(os.path.dirname(VENV), exist_ok=True)
    for command in ([sys.executable, "-m", "venv", VENV], [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{' '.join(command[:4])}: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
    return python if subprocess.run(probe, capture_output=True).returncode == 0 else None


# ---------------------------------------------------------------- messages

# Each with the values that are right, and those that are wrong or rare.
METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"HEAD"], [b"TRACE", b"CONNECT", b"get", b"PURGE", b"X-Y", b"M-SEARCH", b"G\xc3"]
TARGETS = [b"/", b"/a", b"/a/b?c=d", b"/%20", b"/a?b?c", b"//", b"/a;b"], \
    [b"*", b"http://h/a", b"https://h:8/", b"h:1", b"/a#b", b"/\xc3\xa9", b"http://u@h/", b"/a\"<>|", b"/a b", b"", b"http://h", b"HTTP://h?x"]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0"], [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2", b"http/1.1", b"HTTP/1.", b"HTTP/1.10", b""]
HOSTS = [b"h", b"h:80", b"[::1]", b"1.2.3.4"], [b"a b", b"", b"h,i", b"h:x", b"u@h", b"[::1", b"h:"]
NAMES = [b"A", b"x-b", b"Accept", b"Cookie", b"X_c", b"!#$", b"Date", b"Content-Type"], [b"Set-Cookie", b"X-\xc3\xa9", b"A B", b"", b"Host", b"Content-Length"]
COLONS = [b": ", b":", b":\t "], [b" :", b"\t: ", b" ", b"::"]
VALUES = [b"", b"a", b"a b", b"a\tb", b" a ", b"\xc3\xa9", b"\"q\\\"\"", b"a,b", b"x" * 40], [b"\x80", b"\x01", b"\x7f", b"\x00", b"a\rb", b"a\n b", b"\x0b"]
ENDS = [b"\r\n"], [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\r\n ", b"\r\n\t", b""]
LENGTHS = [b"5"], [b"0", b"1", b"6", b"05", b"+5", b"-1", b"5,5", b"5, 5", b"5 5", b"0x5", b"18446744073709551616", b"9223372036854775807", b"", b"5;", b"1_0", b"5\x0b"]
CODINGS = [b"chunked", b"Chunked"], [b"gzip, chunked", b"chunked, chunked", b"identity", b"chunked;a=b", b"xchunked", b"", b"chunked,", b"gzip", b"\x0bchunked"]
SIZES = [b"1", b"5", b"a", b"0f", b"05"], \
    [b"0", b"A", b"0000000000000000", b"10", b"+5", b"-5", b"0x5", b"", b" 5", b"5 ", b"ffffffffffffffff", b"7fffffffffffffff", b"00000000000000005", b"g"]
EXTENSIONS = [b""] * 6 + [b";a", b";a=b"], [b";a=\"b;c\"", b" ;a", b";", b";a=", b";=b", b";a=\"b", b";a\x00", b" ", b"\t", b";a=b;c=d", b";a b", b";\n"]
LAST = [b"0", b"00"], [b"0;a=b", b"", b"-0", b"0x0"]
STATUSES = [b"200", b"404", b"500", b"301"], [b"100", b"101", b"204", b"304", b"599", b"600", b"099", b"20", b"2000", b"2 0", b"+20", b"999"]
REASONS = [b" OK", b" Not Found", b" "], [b"", b" \xc3\xa9", b" a\x01", b"  x", b"\tx"]
CONNECTIONS = [b"close", b"keep-alive", b"close, x"], [b"upgrade", b"a, b", b"a b", b",", b"\"close\""]


class Generator:
    """Messages from a grammar. How much of one is wrong is drawn for each: nothing, a little, or a lot."""

    def __init__(self, chance):
        self.chance = chance

    def pick(self, choices):
        right, wrong = choices
        return self.chance.choice(wrong if self.chance.random() < self.wrong else right)

    def chunked(self):
        chance, out = self.chance, bytearray()
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            size = self.pick(SIZES)
            try:
                count = max(0, min(int(size, 16), 64))
            except ValueError:
                count = 5
            if chance.random() < self.wrong / 2:
                count = max(0, count + chance.choice([-1, 1]))
            out += size + self.pick(EXTENSIONS) + self.pick(ENDS) + bytes(chance.choices(b"abc\r\n0;", k=count)) + self.pick(ENDS)
        out += self.pick(LAST) + self.pick(ENDS)
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            out += self.pick(NAMES) + self.pick(COLONS) + self.pick(VALUES) + self.pick(ENDS)
        return bytes(out + self.pick(ENDS))

    def message(self, kind):
        chance, pick = self.chance, self.pick
        self.wrong = chance.choice([0, 0, 0.02, 0.05, 0.2])
        if kind == REQUEST:
            start = pick(METHODS) + b" " + pick(TARGETS) + b" " + pick(VERSIONS)
            if chance.random() < self.wrong / 2:
                start = chance.choice([b" ", b"\r\n", b"\n", b"\r\n\r\n", b"\r"]) + start
        else:
            start = pick(VERSIONS) + b" " + pick(STATUSES) + pick(REASONS)
        out, lines = bytearray(start + pick(ENDS)), []
        if kind == REQUEST and chance.random() >= self.wrong / 2:
            lines.append(b"Host" + pick(COLONS) + pick(HOSTS))
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            lines.append(pick(NAMES) + pick(COLONS) + pick(VALUES))
        body = chance.choice(["both", "twice"]) if chance.random() < self.wrong else chance.choice(["none", "length", "length", "chunked", "chunked"])
        if body in ("length", "both"):
            lines.append(chance.choice([b"Content-Length", b"content-length"]) + pick(COLONS) + pick(LENGTHS))
        if body in ("chunked", "both"):
            lines.append(chance.choice([b"Transfer-Encoding", b"transfer-encoding"]) + pick(COLONS) + pick(CODINGS))
        if body == "twice":
            lines += [b"Content-Length: 5", b"Content-Length: " + chance.choice([b"5", b"6"])]
        if chance.random() < 0.1:
            lines.append(b"Connection" + pick(COLONS) + pick(CONNECTIONS))
        if chance.random() < 0.03:
            lines.append(b"Upgrade: " + chance.choice([b"websocket", b"h2c", b""]))
        if chance.random() < 0.03:
            lines.append(b"Expect: " + chance.choice([b"100-continue", b"x"]))
        if chance.random() < self.wrong / 4:
            lines.append(b"Host: h")
        chance.shuffle(lines)
        for line in lines:
            out += line + pick(ENDS)
        out += pick(ENDS)
        out += self.chunked() if body in ("chunked", "both") else b"hello" if body != "none" or chance.random() < 0.1 else b""
        if chance.random() < 0.3:
            out += b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n" if kind == REQUEST else b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nn"
        return bytes(out)


class Messages:
    """An endless series: two thirds from a grammar that is wrong in places, one from the corpus; some of both with bytes changed."""

    def __init__(self, seed):
        import compare, mutate
        self.chance, self.mutate = random.Random(seed), mutate.mutate
        self.generator = Generator(self.chance)
        whole = lambda case: compare.unescape("".join(case.lines).replace("{n}", "n0123456").replace("{port}", "80").replace("{pause}", "")
                                              .replace("{hang}", "").replace("{token}", "t"))
        self.seeds = [[m for m in map(whole, compare.corpus(folder)) if 0 < len(m) < 4000] for folder in ("requests", "responses")]

    def next(self):
        chance = self.chance
        kind = chance.choice([REQUEST, REQUEST, REQUEST, RESPONSE, RESPONSE, RESPONSE_TO_HEAD])
        if chance.random() < 0.67:
            data = self.generator.message(kind)
            if chance.random() < 0.2:
                data = self.mutate(chance, data)
        else:
            data = chance.choice(self.seeds[min(kind, 1)])
            if chance.random() < 0.9:
                data = self.mutate(chance, data)
        return kind, data[:5000]


# ---------------------------------------------------------------- the three

Accepted = collections.namedtuple("Accepted", "start minor fields body trailers consumed framing")


class Ours:
    def __init__(self, driver):
        self.process = subprocess.Popen([driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 16)

    def send(self, batch):
        self.process.stdin.write(b"".join(struct.pack("<BI", kind, len(data)) + data for kind, data in batch))
        self.process.stdin.flush()

    def read(self):
        count, = struct.unpack("<I", self.process.stdout.read(4))
        data, at, texts = self.process.stdout.read(count), 0, []
        while at < count:
            size, = struct.unpack_from("<I", data, at)
            texts.append(data[at + 4:at + 4 + size])
            at += 4 + size
        verdict = texts[0].decode()
        if verdict != "accept":
            return verdict
        lines = int(texts[7])
        pairs = [(texts[i].lower(), texts[i + 1]) for i in range(8, len(texts), 2)]
        return Accepted((texts[1], texts[2]), int(texts[3]), pairs[:lines], texts[5], pairs[lines:], int(texts[6]), texts[4].decode())


class LLHTTP:
    """What httptools reports of the first message. It does not say where that ends; `ends_at` finds out."""

    def __init__(self):
        import httptools
        self.library = httptools

    def parser(self, kind):
        library, state = self.library, type("State", (), {})()
        state.url, state.reason, state.fields, state.body, state.done, state.count, state.headers = b"", b"", [], b"", False, 0, False
        state.chunks = 0

        class Protocol:
            def on_message_begin(self):
                state.count += 1

            def on_url(self, url):
                if state.count == 1:
                    state.url += url

            def on_status(self, status):
                if state.count == 1:
                    state.reason += status

            def on_header(self, name, value):
                if state.count == 1:
                    state.fields.append((name.lower(), value))

            def on_headers_complete(self):
                state.head_fields = len(state.fields) if state.count == 1 else state.head_fields
                if state.count == 1:
                    state.headers = True
                    state.minor = parser.get_http_version()
                    state.start = parser.get_method() if kind == REQUEST else str(parser.get_status_code()).encode()

            def on_body(self, data):
                if state.count == 1:
                    state.body += data

            def on_message_complete(self):
                state.done = True

        parser = library.HttpRequestParser(Protocol()) if kind == REQUEST else library.HttpResponseParser(Protocol())
        return parser, state

    def feed(self, kind, data):
        """'reject', 'incomplete', 'upgrade' or the state after these bytes."""
        parser, state = self.parser(kind)
        try:
            parser.feed_data(data)
        except self.library.HttpParserUpgrade:
            return ("upgrade", state)
        except Exception:
            return ("accept" if state.done else "reject", state)
        return ("accept" if state.done else "incomplete", state)


class H11:
    def __init__(self):
        import h11
        self.library = h11

    def feed(self, kind, data):
        """'reject', 'incomplete' or Accepted; of a response that ends with the connection, as if it ended behind these bytes."""
        h11 = self.library
        connection = h11.Connection(h11.SERVER if kind == REQUEST else h11.CLIENT, max_incomplete_event_size=1 << 20)
        try:
            if kind != REQUEST:
                connection.send(h11.Request(method="HEAD" if kind == RESPONSE_TO_HEAD else "GET", target="/", headers=[("Host", "h")]))
                connection.send(h11.EndOfMessage())
            connection.receive_data(data)
            head, body, ended = None, b"", False
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    if head is None or kind == REQUEST or ended or b"until-close" != self.framing(connection):
                        return "incomplete"
                    connection.receive_data(b"")
                    ended = True
                elif event is h11.PAUSED:
                    return "incomplete"
                elif isinstance(event, (h11.Request, h11.Response, h11.InformationalResponse)):
                    head = event
                    if isinstance(event, h11.InformationalResponse):
                        return self.accepted(kind, head, b"", [], connection)
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    return self.accepted(kind, head, body, list(event.headers), connection)
                else:
                    return "incomplete"
        except h11.RemoteProtocolError:
            return "reject"

    @staticmethod
    def framing(connection):
        return b"until-close" if type(connection._reader).__name__ == "Http10Reader" else b""

    @staticmethod
    def accepted(kind, head, body, trailers, connection):
        start = (head.method, head.target) if kind == REQUEST else (str(head.status_code).encode(), bytes(head.reason))
        trailing = len(connection.trailing_data[0])
        fields = [(bytes(n), bytes(v)) for n, v in head.headers]
        return Accepted(start, int(head.http_version[-1:]), fields, body,
                        [(bytes(n), bytes(v)) for n, v in trailers], trailing, None)


# ---------------------------------------------------------------- known reasons

# Where Sluice refuses what another takes: every fault of the codec, and the rule that lets it, or makes it, refuse.
STRICTER = {
    "bareCarriageReturn": "RFC 9112, 2.2: a bare CR is invalid, or to be replaced",
    "bareLineFeed": "RFC 9112, 2.2: a bare LF may be taken for a line end; nothing demands it",
    "obsoleteFolding": "RFC 9112, 5.2: refused, or replaced",
    "spaceBeforeColon": "RFC 9112, 5.1: must be refused",
    "emptyFieldName": "RFC 9112, 5; RFC 9110, 5.1: a name is a token",
    "fieldName": "RFC 9110, 5.1: a name is a token",
    "fieldValueControl": "RFC 9110, 5.5: CR, LF and NUL must be refused or replaced, other control characters may be",
    "tooManyFields": "RFC 9110, 5.4: a bound of our own",
    "fieldNameTooLong": "RFC 9110, 5.4: a bound of our own",
    "repeatedContentLength": "RFC 9112, 6.3: several values may be refused even if they are the same",
    "contentLength": "RFC 9110, 8.6: digits only; RFC 9112, 6.3: anything else must be refused",
    "contentLengthAndTransferEncoding": "RFC 9112, 6.3: ought to be handled as an error",
    "repeatedTransferEncoding": "RFC 9112, 6.1: chunked at most once; other codings we do not know",
    "transferEncoding": "RFC 9112, 6.1: an unknown coding is refused; 6.3: chunked must be the last",
    "transferEncodingInHTTP10": "RFC 9112, 6.1: must be treated as faulty framing",
    "connection": "RFC 9110, 7.6.1: a list of tokens",
    "method": "RFC 9112, 3: a token and one space",
    "methodTooLong": "RFC 9112, 3: a bound of our own",
    "missingVersion": "RFC 9112, 3: HTTP/0.9 is another protocol",
    "unsupportedVersion": "RFC 9112, 2.3: HTTP/1.0 and 1.1 are what we speak",
    "connect": "RFC 9110, 9.3.6: no tunnels are made",
    "emptyTarget": "RFC 9112, 3.2",
    "targetCharacter": "RFC 9112, 3.2; RFC 3986, 2: visible ASCII without #",
    "spaceInTarget": "RFC 9112, 3.2: must not be repaired",
    "targetForm": "RFC 9112, 3.2: the form that goes with the method",
    "targetAuthority": "RFC 9110, 4.2.1",
    "userInformation": "RFC 9110, 4.2.4: ought to be treated as an error",
    "authorityMismatch": "RFC 9112, 3.2.2: a proxy would have to replace Host; RFC 9110, 7.2",
    "missingHost": "RFC 9112, 3.2: must be refused",
    "repeatedHost": "RFC 9112, 3.2: must be refused",
    "host": "RFC 9112, 3.2: an invalid value must be refused",
    "expectation": "RFC 9110, 10.1.1: anything but 100-continue may be refused",
    "statusLine": "RFC 9112, 4",
    "status": "RFC 9110, 15: three digits, 100 to 599",
    "bodyForbidden": "RFC 9112, 6.1; RFC 9110, 8.6: no framing on 1xx",
    "chunk": "RFC 9112, 7.1: the grammar of chunks, with a bound on extensions",
}

# Where another refuses, or reads otherwise, what Sluice takes. A reason is a test of (kind, data, ours) and what it says.
PARSER_REASONS = [
    ("llhttp", "refuses", "a method outside of llhttp's list; RFC 9110, 16.1.1 leaves the list open", lambda k, d, o: k == REQUEST and o.start[0] not in LLHTTP_METHODS),
    ("llhttp", "refuses", "an absolute form with a host that llhttp does not take; RFC 3986, 3.2.2", lambda k, d, o: k == REQUEST and not o.start[1].startswith(b"/")),
    ("llhttp", "refuses, reads another body, waits, takes it", "an upgrade ends the message for llhttp; here the upstream decides (RFC 9110, 7.8)",
     lambda k, d, o: has(o, b"upgrade") or k != REQUEST and o.start[0] == b"101"),
    ("llhttp", "refuses", "a chunk extension with blanks, a quoted pair or a byte beyond ASCII; RFC 9112, 7.1.1", lambda k, d, o: o.framing == "chunked" and b";" in d),
    ("llhttp", "refuses, waits, reads another body", "a response to HEAD, 1xx, 204 or 304: llhttp is not told of the request; RFC 9112, 6.3", lambda k, d, o: k != REQUEST and o.framing == "none"),
    ("llhttp", "refuses", "bytes behind a message after which the connection closes; RFC 9112, 9.6", lambda k, d, o: o.consumed < len(d) and (has(o, b"connection") or o.minor == 0)),
    ("llhttp", "refuses", "framing fields in trailers: llhttp reads them, here they are dropped (RFC 9110, 6.5.1)",
     lambda k, d, o: any(n in (b"content-length", b"transfer-encoding", b"upgrade", b"connection") for n, _ in o.trailers)),
    ("llhttp", "refuses", "a tab behind a framing field's value; RFC 9110, 5.6.3: OWS", lambda k, d, o: b"\t" in d and o.framing in ("chunked", "length")),
    ("h11", "refuses", "a leading empty line: h11 takes none, RFC 9112, 2.2 wants one passed over", lambda k, d, o: k == REQUEST and d.startswith(b"\r\n")),
    ("h11", "refuses", "a chunk extension of RFC 9112, 7.1.1 that h11 does not take", lambda k, d, o: o.framing == "chunked" and (b";" in d or b" " in d or b"\t" in d)),
    ("h11", "refuses", "a Content-Length of more than 20 digits; RFC 9110, 8.6 has no bound", lambda k, d, o: any(n == b"content-length" and len(v) > 20 for n, v in o.fields)),
    ("h11", "refuses, reads other fields", "invalid framing of a 204 or 304, which end with their head whatever their fields say; RFC 9112, 6.3",
     lambda k, d, o: k != REQUEST and o.start[0] in (b"204", b"304") and any(n in (b"content-length", b"transfer-encoding") for n, _ in o.fields)),
    ("h11", "refuses", "101 without an offer; here the request is looked at later (RFC 9110, 7.8)", lambda k, d, o: k != REQUEST and o.start[0] == b"101"),
]
LLHTTP_METHODS = set("DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY "
                     "CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK SOURCE QUERY".encode().split())


def has(ours, name):
    return any(field == name for field, _ in ours.fields)


def explain(parser, difference, kind, data, ours):
    for name, differences, reason, test in PARSER_REASONS:
        if name == parser and difference in differences.split(", ") and test(kind, data, ours):
            return reason
    return None


TAILS = [b"\r\n\r\n", b"a\r\n\r\n", b"\r\nHost: h\r\n\r\n"]


class Comparison:
    def __init__(self):
        self.waiting = []
        self.llhttp, self.h11 = LLHTTP(), H11()
        self.table, self.unexplained = collections.Counter(), []

    def note(self, kind, data, ours, parser, difference, reason):
        if reason:
            self.table[(parser, difference, reason)] += 1
        else:
            self.table[(parser, difference, "UNEXPLAINED")] += 1
            self.unexplained.append((KINDS[kind], parser, difference, data, ours))

    def compare(self, kind, data, ours):
        for parser, theirs in (("llhttp", self.read_llhttp(kind, data, ours)), ("h11", self.read_h11(kind, data, ours))):
            self.table[(parser, "all", "")] += 1
            if theirs is None:
                self.table[(parser, "agree", "")] += 1
                self.table[(parser, "agree", ours if ours == "incomplete" else "refused" if isinstance(ours, str) else "taken")] += 1
                continue
            if isinstance(ours, str) and ours != "incomplete":
                fault = ours[8:] if ours.startswith("trailer-") else ours
                self.note(kind, data, ours, parser, f"Sluice refuses, {parser} {theirs}", STRICTER.get(fault) and f"{ours}: {STRICTER[fault]}")
            elif ours == "incomplete":
                if theirs == "refuses":
                    self.waiting += [(parser, kind, data + tail) for tail in TAILS]
                reason = theirs == "refuses" and "Sluice says so when the line is whole: with three endings it is not taken either, but for the reasons below"
                if parser == "llhttp" and theirs == "takes it" and b"upgrade" in data.lower():
                    reason = "an upgrade ends the message for llhttp; here its body comes first (RFC 9110, 7.8)"
                self.note(kind, data, ours, parser, f"Sluice waits, {parser} {theirs}", reason)
            else:
                self.note(kind, data, ours, parser, f"Sluice takes it, {parser} {theirs}", explain(parser, theirs, kind, data, ours))

    def finish(self, ours):
        """What another refused before Sluice did: whichever way it ends, it must not be taken, but for the known reasons."""
        waiting, self.waiting = self.waiting, []
        ours.send([(kind, data) for _, kind, data in waiting])
        for parser, kind, data in waiting:
            verdict = ours.read()
            if not isinstance(verdict, str):
                self.note(kind, data, verdict, parser, f"Sluice takes in the end what {parser} refuses early", explain(parser, "refuses", kind, data, verdict))

    # None: they agree.

    def read_llhttp(self, kind, data, ours):
        verdict, state = self.llhttp.feed(kind, data)
        if isinstance(ours, str):
            if ours == "incomplete":
                return None if verdict == "incomplete" else "refuses" if verdict == "reject" else "takes it"
            return "takes it" if verdict in ("accept", "upgrade") else None if verdict == "reject" else "waits"
        if verdict == "incomplete" and ours.framing == "close":
            verdict = "accept"
        if verdict == "reject":
            return "refuses"
        if verdict == "incomplete":
            return "waits"
        start = (state.start, state.url) if kind == REQUEST else (state.start, state.reason)
        if start != ours.start and not (kind != REQUEST and state.reason.strip() == ours.start[1].strip()):
            return f"reads another start line"
        if state.minor != f"1.{ours.minor}":
            return "reads another version"
        fields = [(n, v.strip(b" \t")) for n, v in state.fields[:state.head_fields]]
        if fields != [(n, v) for n, v in ours.fields]:
            return "reads other fields"
        if state.body != ours.body:
            return "reads another body"
        # Where it ends: one byte earlier the message must not be whole, and at this one it must.
        if ours.framing in ("length", "chunked") and not has(ours, b"upgrade"):
            before, _ = self.llhttp.feed(kind, data[:ours.consumed - 1])
            at, _ = self.llhttp.feed(kind, data[:ours.consumed])
            if before != "incomplete" or at != "accept":
                return "ends it elsewhere"
        return None

    def read_h11(self, kind, data, ours):
        theirs = self.h11.feed(kind, data)
        if isinstance(ours, str):
            if ours == "incomplete":
                return None if theirs == "incomplete" else "refuses" if theirs == "reject" else "takes it"
            return None if theirs == "reject" else "waits" if theirs == "incomplete" else "takes it"
        if theirs == "reject":
            return "refuses"
        if theirs == "incomplete":
            return "waits"
        if theirs.start != ours.start:
            return "reads another start line"
        if theirs.minor != ours.minor:
            return "reads another version"
        # h11 hands the coding's name on in lower case.
        lowered = lambda lines: [(n, v.lower() if n == b"transfer-encoding" else v) for n, v in lines]
        if theirs.fields != lowered(ours.fields):
            return "reads other fields"
        if theirs.body != ours.body:
            return "reads another body"
        if theirs.trailers != lowered(ours.trailers):
            return "reads other trailers"
        if ours.framing != "close" and len(data) - theirs.consumed != ours.consumed:
            return "ends it elsewhere"
        return None


# ---------------------------------------------------------------- the run

def work(arguments):
    driver, seed, count = arguments
    messages, ours, comparison = Messages(seed), Ours(driver), Comparison()
    done = 0
    while done < count:
        batch = [messages.next() for _ in range(min(64, count - done))]
        ours.send(batch)
        for kind, data in batch:
            comparison.compare(kind, data, ours.read())
        comparison.finish(ours)
        done += len(batch)
    ours.process.stdin.close()
    return comparison.table, comparison.unexplained[:200]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--driver", help="codec-driver; built in release mode unless given")
    options.add_argument("--processes", type=int, default=1)
    options.add_argument("--show", type=int, default=5, help="unexplained disagreements to print of each kind")
    options.add_argument("--prepare", action="store_true")
    options.add_argument("--list-reasons", action="store_true")
    given = options.parse_args()
    if given.list_reasons:
        for fault, rule in STRICTER.items():
            print(f"Sluice stricter  {fault:34} {rule}")
        for parser, _, reason, _ in PARSER_REASONS:
            print(f"{parser:16} {reason}")
        return 0
    python = prepare()
    if python is None:
        return 3
    if given.prepare:
        return 0
    if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
        os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])
    sys.path.insert(0, HERE)
    driver = given.driver
    if not driver:
        scratch = os.path.join(ROOT, ".build-differential", "swift")
        build = ["swift", "build", "-c", "release", "--product", "codec-driver", "--scratch-path", scratch, "--package-path", ROOT]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        driver = os.path.join(scratch, "release", "codec-driver")

    started, parts = time.monotonic(), max(1, given.processes)
    shares = [(driver, given.seed * 1000 + part, given.count // parts + (given.count % parts if part == 0 else 0)) for part in range(parts)]
    if parts == 1:
        results = [work(shares[0])]
    else:
        import multiprocessing
        with multiprocessing.Pool(parts) as pool:
            results = pool.map(work, shares, chunksize=1)
    table = sum((counter for counter, _ in results), collections.Counter())
    unexplained = [item for _, items in results for item in items]

    for parser in ("llhttp", "h11"):
        print(f"\n{parser}: {table[(parser, 'all', '')]} messages, {table[(parser, 'agree', '')]} the same: "
              + ", ".join(f"{table[(parser, 'agree', what)]} {what}" for what in ("taken", "refused", "incomplete")))
        for (name, difference, reason), count in sorted(table.items(), key=lambda row: (row[0][1], -row[1])):
            if name == parser and difference not in ("all", "agree"):
                print(f"  {count:8}  {difference}: {reason}")
    shown = collections.Counter()
    for kind, parser, difference, data, ours in unexplained:
        shown[(parser, difference)] += 1
        if shown[(parser, difference)] <= given.show:
            print(f"\nUNEXPLAINED {kind}, {difference}\n  {data!r}\n  ours: {ours}")
    count = sum(count for (_, _, reason), count in table.items() if reason == "UNEXPLAINED")
    print(f"\n{given.count} messages, seed {given.seed}, {time.monotonic() - started:.1f} s, {count} disagreements unexplained")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
