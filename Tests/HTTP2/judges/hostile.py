"""Services that break the rules of HTTP/2, or bend them: what each does once a request has come, and what the gateway's client may see of it."""

import socket
import threading
import time
from dataclasses import dataclass
from collections.abc import Callable

from .wire import (
    CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, HEADERS, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, NO_ERROR, PING, PREFACE,
    PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, block, continuation, data, frame, goaway, headers, number, ping, priority, reset, settings, window)

LARGEST = 0x7FFF_FFFF
CUT = "cut"    # a response that has begun and is not completed, in a way that the client can tell
GOOD = block([(":status", "200"), ("content-length", "2")])


def answer(stream, text=b"ok", *more, status="200", end=True):
    """A whole response; `more` are fields."""
    fields = block([(":status", status), *more])
    return headers(stream, fields, end=not text and end) + (data(stream, text, end=end) if text else b"")


@dataclass
class Hostile:
    name: str
    act: Callable    # from a stream to bytes, or to an iterator of bytes
    sees: tuple = (502,)    # statuses, or CUT
    first: bytes = settings()    # before anything has come; None: nothing is sent, and the request is not awaited
    method: str = "GET"
    body: bytes = b""
    text: bytes | None = None    # what a 200 has to carry
    seconds: float = 4    # until the client has to have its answer
    port: int = 0
    connections: int = 0
    over: bool = False


class Service:
    """Serves one of them on a port of its own."""

    def __init__(self, hostile):
        self.hostile = hostile
        self.listener = socket.create_server(("127.0.0.1", 0))
        hostile.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.hostile.connections += 1
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        peer.settimeout(10)
        with peer:
            try:
                if self.hostile.first is None:
                    self.send(peer, self.hostile.act(1))
                    return self.drain(peer)
                peer.sendall(self.hostile.first)
                buffer = b""
                while (more := peer.recv(65536)):
                    buffer += more
                    if buffer.startswith(PREFACE):
                        buffer = buffer[len(PREFACE):]
                    while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
                        length, kind, flags, stream = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4], int.from_bytes(buffer[5:9], "big")
                        buffer = buffer[9 + length:]
                        if kind == 4 and not flags & 1:
                            peer.sendall(settings(ack=True))
                        elif kind == HEADERS and flags & END_HEADERS:
                            self.send(peer, self.hostile.act(stream))
            except OSError:
                pass

    def send(self, peer, parts):
        for part in [parts] if isinstance(parts, bytes) else parts:
            if self.hostile.over:
                return
            peer.sendall(part)

    def drain(self, peer):
        while peer.recv(65536):
            pass

    def close(self):
        self.hostile.over = True
        self.listener.close()


def end(_):
    """The connection ends."""
    raise OSError


def for_seconds(chunk, last=b"", seconds=2.0):
    """The same over and over for a while, then the last."""
    def act(stream):
        until = time.monotonic() + seconds
        piece = chunk(stream)
        piece *= max(1, 16_384 // len(piece))
        while time.monotonic() < until:
            yield piece
        yield last(stream) if callable(last) else last
    return act


def table(stream):
    """A field in the table, and references to it."""
    big = b"\x40\x01x" + b"\x7f" + bytes([0x80 | (3000 - 127) & 0x7F, (3000 - 127) >> 7]) + b"y" * 3000
    return headers(stream, GOOD + big + b"\xbe" * 10_000, end=True)


def malformed():
    one = lambda *fields: lambda stream: headers(stream, block(fields), end=True)
    ok = (":status", "200")
    for name, act in (
            ("no :status", one(("x-a", "b"))), (":status twice", one(ok, ok)), (":status abc", one((":status", "abc"))), (":status 99", one((":status", "99"))),
            (":status 1000", one((":status", "1000"))), (":status 101", one((":status", "101"))), (":status behind a field", one(("x-a", "b"), ok)), (":path in a response", one(ok, (":path", "/"))),
            ("a name in upper case", one(ok, ("X-A", "b"))), ("a value with CRLF", one(ok, ("x-a", "b\r\nx-c: d"))), ("a value with LF", one(ok, ("x-a", "b\nx-c: d"))),
            ("a value with NUL", one(ok, ("x-a", "b\0"))), ("a name with a colon", one(ok, ("x:a", "b"))), ("an empty name", one(ok, ("", "b"))), ("Connection", one(ok, ("connection", "close"))),
            ("Transfer-Encoding", one(ok, ("transfer-encoding", "chunked"))), ("two lengths", one(ok, ("content-length", "2"), ("content-length", "3"))),
            ("a length that is none", one(ok, ("content-length", "+2"))), ("END_STREAM with a length", one(ok, ("content-length", "2"))),
            ("content before the head", lambda stream: data(stream, b"ok", end=True)), ("a block that cannot be decoded", lambda stream: headers(stream, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
            ("index 0", lambda stream: headers(stream, b"\x80")), ("a table larger than was announced", lambda stream: headers(stream, b"\x3f\xff\xff\x7f" + GOOD))):
        yield Hostile(f"malformed: {name}", act)
    yield Hostile("content longer than its length", lambda stream: headers(stream, GOOD, end=False) + data(stream, b"okay", end=True), (502, CUT))
    yield Hostile("content shorter than its length", lambda stream: headers(stream, GOOD, end=False) + data(stream, b"o", end=True), (502, CUT))
    yield Hostile("a trailer with CRLF", lambda stream: answer(stream, end=False) + headers(stream, block([("x-a", "b\r\nc")])), (502, CUT))
    yield Hostile("a pseudo-header field as a trailer", lambda stream: answer(stream, end=False) + headers(stream, block([(":status", "200")])), (502, CUT))
    yield Hostile("trailers that do not end the stream", lambda stream: answer(stream, end=False) + headers(stream, block([("x-a", "b")]), end=False), (502, CUT))
    yield Hostile("204 with content", lambda stream: answer(stream, b"ok", status="204"), (204, 502, CUT))
    yield Hostile("HEAD with content", lambda stream: answer(stream, b"ok"), (200, 502), method="HEAD")


def framing():
    reply = lambda stream: answer(stream)
    for name, first in (("MAX_FRAME_SIZE of 0", settings((MAX_FRAME_SIZE, 0))), ("INITIAL_WINDOW_SIZE of 2^31", settings((INITIAL_WINDOW_SIZE, 1 << 31))), ("ENABLE_PUSH of 1", settings((ENABLE_PUSH, 1))),
                        ("no SETTINGS first", ping()), ("HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ("a frame of 16 MiB", b"\xff\xff\xff\0\0\0\0\0\1")):
        yield Hostile(f"it begins with {name}", reply, first=first)
    for name, bad in (("PUSH_PROMISE", lambda stream: frame(PUSH_PROMISE, END_HEADERS, stream, number(2) + GOOD)), ("HEADERS of an even stream", lambda stream: headers(2, GOOD)),
                      ("HEADERS of a stream that nobody opened", lambda stream: headers(stream + 100, GOOD)), ("DATA of stream 0", lambda stream: data(0, b"x")),
                      ("WINDOW_UPDATE by 0", lambda stream: window(0, 0)), ("a window above 2^31-1", lambda stream: window(0, LARGEST) * 2), ("PING of 3 bytes", lambda stream: frame(PING, 0, 0, b"abc")),
                      ("CONTINUATION without a block", lambda stream: continuation(stream, GOOD)), ("a block that another frame breaks", lambda stream: headers(stream, GOOD, complete=False) + ping()),
                      ("RST_STREAM of 3 bytes", lambda stream: frame(RST_STREAM, 0, stream, b"abc")), ("RST_STREAM of an idle stream", lambda stream: reset(stream + 100)),
                      ("padding longer than its frame", lambda stream: frame(DATA, 8, stream, b"\xffx"))):
        yield Hostile(f"frames: {name}", bad)
    yield Hostile("more content than the window has room for", lambda stream: [headers(stream, block([(":status", "200")]), end=False), data(stream, b"x" * 16_384) * 4096], (200, 502, CUT), seconds=10)


def endings():
    yield Hostile("a plain answer", lambda stream: answer(stream), (200,), text=b"ok")
    yield Hostile("an answer in pieces, with padding", lambda stream: [headers(stream, GOOD[:3], end=False, complete=False), continuation(stream, GOOD[3:]), data(stream, b"o", padding=100), data(stream, b"k", end=True, padding=0)],
                  (200,), text=b"ok")
    yield Hostile("the connection ends at once", end, first=None)
    yield Hostile("the connection ends behind the request", end)
    yield Hostile("the connection ends within the content", lambda stream: (part for part in (headers(stream, GOOD, end=False) + data(stream, b"o"), end(stream))), (502, CUT))
    yield Hostile("RST_STREAM, NO_ERROR, before an answer", lambda stream: reset(stream, NO_ERROR))
    yield Hostile("REFUSED_STREAM, always", lambda stream: reset(stream, REFUSED_STREAM), (502, 503))
    yield Hostile("GOAWAY that knows of no request, always", lambda stream: goaway(0), (502, 503))
    yield Hostile("GOAWAY, then the answer", lambda stream: goaway(stream) + answer(stream), (200,), text=b"ok")
    yield Hostile("an early answer to an upload, and NO_ERROR", lambda stream: answer(stream) + reset(stream, NO_ERROR), (200,), method="POST", body=b"x" * 2_000_000, text=b"ok")
    yield Hostile("silence", lambda stream: b"", (504,), seconds=6)
    yield Hostile("half a frame, and silence", lambda stream: frame(HEADERS, END_HEADERS, stream, b"\x88", length=100), (504,), seconds=6)
    yield Hostile("half a block, and silence", lambda stream: headers(stream, GOOD, complete=False), (504,), seconds=6)
    yield Hostile("no SETTINGS, and silence", lambda stream: [], (502, 503, 504), first=None, seconds=6)
    # Until SETTINGS come, one may be sent (RFC 9113, 6.5.2).
    yield Hostile("no stream is allowed", lambda stream: answer(stream), (200, 502, 503, 504), first=settings((MAX_CONCURRENT_STREAMS, 0)), seconds=6)
    yield Hostile("an upload whose window stays shut", lambda stream: b"", (502, 504), first=settings((INITIAL_WINDOW_SIZE, 0)), method="POST", body=b"x" * 1000, seconds=6)


def floods():
    whole = lambda stream: answer(stream)
    yield Hostile("interim responses without end", for_seconds(lambda stream: headers(stream, block([(":status", "103")]), end=False)))
    yield Hostile("CONTINUATION without end", lambda stream: [headers(stream, GOOD, complete=False)] + [frame(CONTINUATION, 0, stream, block([("x", "y" * 1000)])) * 16] * 200)
    yield Hostile("CONTINUATION without a byte, without end", lambda stream: [headers(stream, GOOD, complete=False)] + [frame(CONTINUATION, 0, stream) * 1000] * 100)
    yield Hostile("HPACK bomb", table)
    yield Hostile("a head of 200 KB", lambda stream: [headers(stream, GOOD, complete=False)] + [continuation(stream, block([(f"x-{at}", "y" * 14_000)]), complete=at == 13) for at in range(14)])
    yield Hostile("2,000 fields", lambda stream: headers(stream, GOOD + block([("x", "y")] * 2000), end=True))
    for name, chunk in (("PING", lambda stream: ping()), ("SETTINGS", lambda stream: settings((HEADER_TABLE_SIZE, 4096))), ("WINDOW_UPDATE", lambda stream: window(stream, 1)),
                        ("PRIORITY", lambda stream: priority(stream)), ("frames of unknown types", lambda stream: frame(0xEE, 0, 0, b"x"))):
        yield Hostile(f"{name} for two seconds, then the answer", for_seconds(chunk, whole), (200, 502))
    yield Hostile("DATA without a byte for two seconds", for_seconds(lambda stream: data(stream), lambda stream: data(stream, b"ok", end=True)), (200, 502, CUT))


def all_of_them():
    for group in (endings, malformed, framing, floods):
        yield from group()
