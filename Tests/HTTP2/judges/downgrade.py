"""Requests of HTTP/2 that could mean two things in HTTP/1.1: each has to be refused, or to arrive at the origin in exactly one reading.

The forms are those that HAProxy and PortSwigger list for desynchronisation by downgrade, and their brothers. Whatever is smuggled bears the mark
"smuggled", which must never be part of a request's line or of a field's name at the origin.
"""

import time
from dataclasses import dataclass, field
from urllib.parse import unquote

from .expect import Fault
from .wire import Connection, data, headers, literal, block

MARK = "smuggled"
SMUGGLED = f"GET /{MARK} HTTP/1.1\r\nHost: {MARK}\r\nx-{MARK}: 1\r\n\r\n"


@dataclass
class Form:
    name: str
    fields: list = field(default_factory=list)    # behind the usual ones
    pseudo: dict = field(default_factory=dict)    # other values; None: without
    content: tuple = ()    # of DATA frames; with none the head ends the stream
    trailers: list | None = None
    refused: bool = True    # by RFC 9113; otherwise it may arrive
    host: str | None = None    # what Host may be at the origin, if not the usual
    before: list = field(default_factory=list)    # fields before the pseudo-header fields
    padding: int | None = None
    arrives: bytes | None = None    # what may be at the origin, if not the whole content
    pause: float = 0    # seconds before each DATA frame but the first
    expects: dict = field(default_factory=dict)    # values that fields have at the origin

    @property
    def method(self):
        return self.pseudo.get("method", "POST" if self.content else "GET")


def lengths():
    body = SMUGGLED.encode()
    size = len(body)
    yield Form("H2.CL: Content-Length 0 before a request", [("content-length", "0")], content=(body,))
    yield Form("H2.CL: shorter than the content", [("content-length", "5")], content=(b"x=1&y", body))
    yield Form("H2.CL: content behind what was announced, later", [("content-length", "5")], content=(b"x=1&y", body), arrives=b"x=1&y", pause=0.2, refused=False)
    yield Form("H2.CL: in pieces, with pauses", [("content-length", "6")], content=(b"x=1", b"&y=", b""), pause=0.05, refused=False)
    yield Form("H2.CL: longer than the content", [("content-length", str(size + 9))], content=(body,))
    yield Form("H2.CL: END_STREAM with a length", [("content-length", "4")], pseudo={"method": "POST"})
    yield Form("H2.CL: END_STREAM with a length, GET", [("content-length", "4")])
    yield Form("H2.CL: two that differ", [("content-length", str(size)), ("content-length", "0")], content=(body,))
    yield Form("H2.CL: two that agree", [("content-length", str(size))] * 2, content=(body,), refused=False)
    for value in (f"{size}, {size}", f"{size}, 0", f"+{size}", f"-{size}", hex(size), f"{size}.0", "", f" {size}", f"{size} ", f"{size}\t", f"1_0{size}", f"{size};a", f"\x0b{size}",
                  str((1 << 64) + size), "9" * 40):
        yield Form(f"H2.CL: {value!r}", [("content-length", value)], content=(body,))
    yield Form("H2.CL: leading zeros", [("content-length", f"00{size}")], content=(body,), refused=False)
    yield Form("H2.CL: HEAD with content and 0", [("content-length", "0")], pseudo={"method": "HEAD"}, content=(b"FOO BAR AAH\r\n\r\n",))
    yield Form("a request as content, with its length", [("content-length", str(size))], content=(body,), refused=False)
    yield Form("a request as content, without a length", content=(body,), refused=False)
    yield Form("a request as content of GET", pseudo={"method": "GET"}, content=(body,), refused=False)
    yield Form("chunks as content, without a length", content=(b"0\r\n\r\n" + body,), refused=False)
    yield Form("padding is no content", [("content-length", "4")], content=(b"te", b"st"), padding=40, refused=False)


def codings():
    body = (b"0\r\n\r\n" + SMUGGLED.encode(),)
    for value in ("chunked", "identity", "Chunked", "chunked, identity", "identity, chunked", "xchunked", "", "chunk", '"chunked"', "chunked\t", " chunked", "\x0bchunked",
                  "chunked\0", "chunked\r", "chunked\x7f", "\0chunked", "trailers"):
        yield Form(f"H2.TE: {value!r}", [("transfer-encoding", value)], content=body)
    yield Form("H2.TE: beside Content-Length", [("transfer-encoding", "chunked"), ("content-length", str(len(body[0])))], content=body)
    yield Form("H2.TE: END_STREAM", [("transfer-encoding", "chunked")])
    for name in ("transfer-encoding ", " transfer-encoding", "transfer-encoding\t", "transfer-encoding:chunked", "transfer-encoding:chunked ", "transfer-encoding\0",
                 "transfer-encoding\r", "Transfer-Encoding", "transfer-Encoding", "transfer encoding", "transfer-encoding\xa0", "transfer-encoding\xff", "transf\x82r-encoding",
                 "transfer\\encoding", "x\r\ntransfer-encoding", "x: y\r\ntransfer-encoding", "transfer-encoding chunked ", "transfer-encoding\x0b", "content-length ",
                 "content-length\0", "x\rtransfer-encoding", "x\ntransfer-encoding"):
        yield Form(f"H2.TE: the name {name!r}", [(name, "chunked")], content=body)
    yield Form("H2.TE: with an underscore", [("transfer_encoding", "chunked")], content=body, refused=False)
    yield Form("H2.TE: an escape in the name", [("transfer-%45ncoding", "chunked")], content=body, refused=False)
    for name, value in (("connection", "close"), ("connection", "transfer-encoding"), ("connection", f"x-{MARK}"), ("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive"),
                        ("upgrade", "h2c"), ("upgrade", "websocket"), ("te", "gzip"), ("te", "trailers, chunked"), ("te", "")):
        yield Form(f"{name}: {value!r}", [(name, value)])
    yield Form("te: trailers", [("te", "trailers")], refused=False)


def injections():
    for text in ("\r\n", "\n", "\r", "\0"):
        yield Form(f"a value with {text!r} and a field", [("x-a", f"b{text}x-{MARK}: 1")])
        yield Form(f"a value that ends with {text!r}", [("x-a", f"b{text}")])
        yield Form(f"a value that begins with {text!r}", [("x-a", f"{text}b")])
        yield Form(f"a value with {text!r} and a request", [("x-a", f"b{text}{text}{SMUGGLED}")])
        yield Form(f"a name with {text!r} and a field", [(f"x-{MARK}: 1{text}x-a", "b")])
        yield Form(f"a name with {text!r}", [(f"x-a{text}", "b")])
        yield Form(f"a cookie with {text!r} and a field", [("cookie", f"a=b{text}x-{MARK}: 1")])
    for text in ("\x01", "\x08", "\x0b", "\x0c", "\x1f", "\x7f"):
        yield Form(f"a value with {text!r}", [("x-a", f"b{text}c")], refused=False)
    yield Form("a value with a blank before it", [("x-a", " b")])
    yield Form("a value with a blank behind it", [("x-a", "b ")])
    yield Form("a value with a tab within", [("x-a", "b\tc")], refused=False, expects={"x-a": "b\tc"})
    yield Form("a value that is no ASCII", [("x-a", "\xc3\xa9")], refused=False, expects={"x-a": "\xc3\xa9"})
    for name in ("", " ", "x a", "x:a", "x-a:", f":x-{MARK}", "x\xe9", "x(a)", "x,a", "x;a", "x=a", "x@a", "x[a]", "x{a}", 'x"a"', "x/a", "x<a>", "x?a", "X-A"):
        yield Form(f"the name {name!r}", [(name, "b")])
    yield Form("a comment with NUL", [("via", "x (comment\0more)")])
    yield Form("a fake pseudo-header field in a value", [("x", f"x\r\n:path : /{MARK}")])
    yield Form("cookie crumbs are one field", [("cookie", "a=1"), ("cookie", "b=2")], refused=False, expects={"cookie": "a=1; b=2"})


def request_lines():
    line = f" HTTP/1.1\r\nx-{MARK}: 1\r\nx-a: b"
    for method in (f"GET /{MARK}{line}", f"GET http://{MARK}/ HTTP/1.1", "GET ", " GET", "GE T", "GET?", "GET\t", "GET\0", "GET\r", "G\xc9T", "", "GET\r\n", "GET/", "GET:", '"GET"'):
        yield Form(f":method {method!r}", pseudo={"method": method})
    yield Form(":method in lower case", pseudo={"method": "get"}, refused=False)
    yield Form(":method CONNECT with :path", pseudo={"method": "CONNECT"})
    yield Form(":method CONNECT", pseudo={"method": "CONNECT", "path": None, "scheme": None})
    for path in (f"PATH{line}", "PATH HTTP/1.1", "PATH b", "PATH\tb", "PATH\0", "PATH\r", "PATH\n", "PATH\x7f", "PATH\x01", "hello-world", "", "*", f"http://{MARK}/{MARK}", f"{MARK}:80", "?a",
                 "\\PATH", " PATH", "PATH "):
        yield Form(f":path {path!r}", pseudo={"path": path})
    yield Form(":path with a fragment", pseudo={"path": f"PATH#/{MARK}"})
    yield Form(":path that is no ASCII", pseudo={"path": "PATH\xff"}, refused=False)
    yield Form(":path * with OPTIONS", pseudo={"path": "*", "method": "OPTIONS"}, refused=False)
    yield Form(":path with an escaped line end", pseudo={"path": "PATH%0d%0ax"}, refused=False)
    for scheme in (f"http://{MARK}/{MARK}?", f"https://{MARK}/", f"http{line}", "http ", "http:", "ftp", "", "h\0", MARK, "file", "http\r"):
        # What names another scheme is well-formed, and only a gateway knows that it serves none.
        yield Form(f":scheme {scheme!r}", pseudo={"scheme": scheme}, refused=scheme not in ("ftp", "file", MARK))
    yield Form(":scheme in upper case", pseudo={"scheme": "HTTPS"}, refused=False)


def authorities():
    usual = "AUTHORITY"
    for authority in (f"AUTHORITY,{MARK}", f"{MARK},AUTHORITY", f"AUTHORITY {MARK}", f"AUTHORITY\r\nx-{MARK}: 1", f"AUTHORITY\0{MARK}", f"AUTHORITY/{MARK}", f"AUTHORITY?{MARK}", f"AUTHORITY#{MARK}",
                      f"{MARK}@AUTHORITY", f"AUTHORITY@{MARK}", f"AUTHORITY:80@{MARK}", "AUTHORITY:", "AUTHORITY:x", "AUTHORITY\r", "AUTHORITY\n", " AUTHORITY", "AUTHORITY\t", f"AUTHORITY\\{MARK}",
                      "", f"[::1]{MARK}", "[::1", f"AUTHORITY:80, {MARK}:80"):
        # Who serves any host alike, and changes nothing, may pass some of them on; a comma, a blank or an end of a line never.
        clear = authority in ("AUTHORITY:", "")
        yield Form(f":authority {authority!r}", pseudo={"authority": authority}, refused=not clear, host=usual if clear else None)
    yield Form(":authority and a Host that differs", [("host", MARK)], refused=False)
    yield Form(":authority and the same Host", [("host", usual)], refused=False)
    yield Form(":authority and the same Host in upper case", [("host", "UPPER")], refused=False, host="UPPER")
    yield Form(":authority and two Hosts", [("host", usual), ("host", MARK)])
    yield Form("Host without :authority", [("host", usual)], pseudo={"authority": None}, refused=False)
    yield Form("two Hosts without :authority", [("host", usual), ("host", MARK)], pseudo={"authority": None})
    yield Form("a Host with a comma", [("host", f"{usual},{MARK}")], pseudo={"authority": None})
    yield Form("an empty Host", [("host", "")], pseudo={"authority": None}, refused=False, host="")
    yield Form("neither Host nor :authority", pseudo={"authority": None}, refused=False, host="")


def pseudo_fields():
    for name, value in ((":path", f"/{MARK}"), (":method", "DELETE"), (":scheme", "ftp"), (":authority", MARK)):
        yield Form(f"{name} twice", [], before=[(name, value)])
        yield Form(f"{name} behind a field", [("x-a", "b"), (name, value)])
        yield Form(f"{name} with a blank behind it", [(name + " ", value)])
        yield Form(f"{name} with a blank before it", [(" " + name, value)])
        yield Form(f"{name} in upper case", [(name.upper(), value)])
    yield Form(":status in a request", [(":status", "200")])
    yield Form(":protocol without CONNECT", pseudo={"protocol": "websocket"})
    yield Form(":protocol without a value", pseudo={"protocol": ""})
    yield Form(":path behind the fields alone", [("x-a", "b"), (":path", "PATH")], pseudo={"path": None})
    yield Form("an empty pseudo-header field's name", [(":", MARK)])
    body = (b"test",)
    for name, value, refused in ((":path", f"/{MARK}", True), (":status", "200", True), ("X-A", "b", True), ("x-a", f"b\r\nx-{MARK}: 1", True), ("x-a", f"b\0x-{MARK}", True),
                                 (f"x-{MARK}: 1\r\nx-a", "b", True), ("transfer-encoding", "chunked", True), ("connection", "close", True), ("content-length", "4", False),
                                 ("host", MARK, False), ("x a", "b", True), ("", "b", True)):
        yield Form(f"the trailer {name!r}: {value!r}", content=body, trailers=[(name, value)], refused=refused)
    yield Form("a trailer", content=body, trailers=[("x-a", "b")], refused=False)
    yield Form("trailers and a length that is short", [("content-length", "9")], content=body, trailers=[("x-a", "b")])


def all_forms():
    for group in (lengths, codings, injections, request_lines, authorities, pseudo_fields):
        yield from group()


class Judge:
    """Sends forms through a gateway and looks at what the origin got."""

    def __init__(self, address, tls, kit, origin, timeout=2.0):
        self.address, self.tls, self.kit, self.origin, self.timeout, self.count = address, tls, kit, origin, timeout, 0

    def connection(self):
        return Connection(self.address, self.tls, self.timeout)

    def fields(self, form, path):
        replace = lambda value: value.replace("PATH", path).replace("AUTHORITY", self.kit.authority).replace("UPPER", self.kit.authority.upper())
        whole = {"method": form.method, "scheme": self.kit.scheme, "path": path, "authority": self.kit.authority, **form.pseudo}
        pseudo = [(f":{name}", replace(value)) for name, value in whole.items() if value is not None]
        return form.before + pseudo + [(name, replace(value)) for name, value in form.fields], dict(pseudo)

    def probe(self):
        """A plain request on a connection of its own, with an answer of its own."""
        self.count += 1
        path = f"{self.kit.path.rstrip('/')}/probe{self.count}"
        with self.connection() as connection:
            connection.open().send(headers(1, self.kit.block("GET", path=path)))
            status, _, content, end = connection.response(1)
        if status != 200 or not content.rstrip().endswith(path.rsplit("/", 1)[1].encode()):
            raise Fault(f"the answer to /probe{self.count} behind it", f"{status} {content[-80:]!r} {end}")

    def run(self, form):
        """None if it was refused; otherwise the one request that arrived. Raises `Fault`."""
        self.count += 1
        self.origin.take()
        path = f"{self.kit.path.rstrip('/')}/form{self.count}"
        fields, pseudo = self.fields(form, path)
        frames = [headers(1, block(fields), end=not form.content and form.trailers is None)]
        for at, piece in enumerate(form.content):
            last = at == len(form.content) - 1 and form.trailers is None
            frames.append(data(1, piece, end=last, padding=form.padding))
        if form.trailers is not None:
            frames.append(headers(1, b"".join(literal(*one) for one in form.trailers)))
        with self.connection() as connection:
            connection.open()
            if form.pause:
                connection.send(frames.pop(0), frames.pop(0))
                while frames:
                    time.sleep(form.pause)
                    connection.send(frames.pop(0))
            connection.send(*frames)
            status, _, content, end = connection.response(1)
        if end == "silence":
            raise Fault("an answer, or its refusal", "silence")
        before = self.origin.take()
        self.probe()
        time.sleep(0.02)
        after = self.origin.take()
        arrived = [one for one in before[0] + after[0] if "/probe" not in one.target]
        for problem in before[1] + after[1]:
            raise Fault("one reading", f"at the origin {problem}")
        if not arrived:
            if 200 <= status < 300:
                raise Fault("a refusal", f"{status}, with nothing at the origin", mild=True)
            return None
        if len(arrived) > 1:
            raise Fault("one request", "; ".join(map(str, arrived)))
        self.compare(form, pseudo, path, arrived[0])
        if form.refused:
            raise Fault("a refusal", f"{arrived[0]} at the origin, in one reading", mild=True)
        return arrived[0]

    def compare(self, form, pseudo, path, request):
        body, host = b"".join(form.content) if form.arrives is None else form.arrives, request.values("host")[0]
        if MARK in request.target or any(MARK in name for name, _ in request.fields + request.trailers):
            raise Fault("nothing smuggled", str(request))
        if request.method != pseudo[":method"] or request.body != body:
            raise Fault(f"{pseudo[':method']} with {len(body)} bytes", f"{request}, {request.body[:40]!r}")
        wanted, got = (unquote(target.rsplit("/", 1)[-1], "latin-1") for target in (pseudo.get(":path", path), request.target))
        if ":path" in pseudo and wanted != got:
            raise Fault(f"the target {pseudo.get(':path', path)}", request.target)
        allowed = {self.kit.authority.lower(), pseudo.get(":authority", self.kit.authority).lower(), (form.host or "").replace("AUTHORITY", self.kit.authority).lower()}
        if form.host is None and host.lower() not in allowed and not host.startswith("127.0.0.1:") and host not in ("origin", "localhost"):
            raise Fault(f"Host {self.kit.authority}", host)
        for name, value in form.expects.items():
            if request.values(name) != [value]:
                raise Fault(f"{name}: {value!r}", str(request.values(name)))
