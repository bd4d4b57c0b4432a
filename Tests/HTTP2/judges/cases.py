"""What h2spec asks of a server, 147 cases, said anew as a table: what is sent, and what has to happen.

The sections are h2spec's: those of RFC 7540 under `http2`, of RFC 7541 under `hpack`; `generic` is what every server has to take. Where RFC 9113
is stricter or milder than RFC 7540, the case says so.
"""

from dataclasses import dataclass
from collections.abc import Callable

from . import expect
from .expect import answered, connection_error, pong, stream_error
from .wire import (
    COMPRESSION_ERROR, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
    REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, block, continuation, data, frame, goaway, headers, integer, literal, number, ping,
    priority, reset, settings, window)

LARGEST = 0x7FFF_FFFF
BIG_FIELD = ("x-dummy0", "x" * 4000)


@dataclass
class Kit:
    """What is asked for: a resource whose content has at least five bytes."""
    scheme: str
    authority: str
    path: str

    def fields(self, method="GET", /, *more, **changed):
        """The head of a request; `changed`: another value of a pseudo-header field, None to leave it out."""
        whole = {"method": method, "scheme": self.scheme, "path": self.path, "authority": self.authority, **changed}
        return [(f":{name}", value) for name, value in whole.items() if value is not None] + list(more)

    def block(self, method="GET", /, *more, **changed):
        return block(self.fields(method, *more, **changed))

    def get(self, stream=1, *more, end=True, **changed):
        return headers(stream, self.block("GET", *more, **changed), end=end)

    def post(self, stream=1, *more, end=False, **changed):
        return headers(stream, self.block("POST", *more, **changed), end=end)


@dataclass
class Case:
    section: str
    name: str
    steps: Callable    # from a kit and a connection to bytes, which are sent together, and checks in between
    check: Callable    # of `expect`
    raw: bool = False    # nothing was exchanged before
    needs: str = ""    # a group that not every server takes part in

    def __str__(self):
        return f"{self.section}: {self.name}"


def of(section):
    return lambda name, steps, check, **more: Case(section, name, steps, check, **more)


PONG = b"judge\0\0\0"
STILL_WELL = pong(PONG)


def generic():
    case = of("generic/1")
    yield case("the preface", lambda k, c: [PREFACE, settings((INITIAL_WINDOW_SIZE, 65535))], expect.first_is_settings, raw=True)

    case = of("generic/2")
    shut = settings((INITIAL_WINDOW_SIZE, 0))
    yield case("PRIORITY of an idle stream", lambda k, c: [priority(1), ping(PONG)], STILL_WELL)
    yield case("WINDOW_UPDATE of a half-closed stream", lambda k, c: [shut, k.get(), window(1, 1)], expect.content(1))
    yield case("PRIORITY of a half-closed stream", lambda k, c: [shut, k.get(), priority(1), window(1, 1)], expect.content(1))
    yield case("RST_STREAM of a half-closed stream", lambda k, c: [k.get(), reset(1), ping(PONG)], pong(PONG, or_the_end=True))
    yield case("PRIORITY of a closed stream", lambda k, c: [k.get(), expect.stream_over(1), priority(1), ping(PONG)], STILL_WELL)

    case = of("generic/3.1")
    yield case("DATA", lambda k, c: [k.post(), data(1, b"test", end=True)], answered(1))
    yield case("DATA twice", lambda k, c: [k.post(), data(1, b"test"), data(1, b"test", end=True)], answered(1))
    yield case("DATA with padding", lambda k, c: [k.post(), data(1, b"test", end=True, padding=5)], answered(1))

    case = of("generic/3.2")
    yield case("HEADERS", lambda k, c: [k.get()], answered(1))
    yield case("HEADERS with padding", lambda k, c: [headers(1, k.block(), padding=8)], answered(1))
    yield case("HEADERS with priority", lambda k, c: [headers(1, k.block(), dependence=(0, 255, False))], answered(1))

    case = of("generic/3.3")
    yield case("PRIORITY with weight 1", lambda k, c: [priority(1, weight=0), k.get()], answered(1))
    yield case("PRIORITY with weight 256", lambda k, c: [priority(1, weight=255), k.get()], answered(1))
    yield case("PRIORITY that depends on another stream", lambda k, c: [priority(3, on=1, weight=0), k.get()], answered(1))
    yield case("PRIORITY, exclusive", lambda k, c: [priority(1, weight=0, exclusive=True), k.get()], answered(1))
    yield case("PRIORITY of an idle stream, HEADERS of a lower one", lambda k, c: [priority(3), k.get(1)], answered(1))

    yield of("generic/3.4")("RST_STREAM", lambda k, c: [k.get(end=False), reset(1), ping(PONG)], pong(PONG, or_the_end=True))
    yield of("generic/3.5")("SETTINGS, all that there are", lambda k, c: [settings(
        (HEADER_TABLE_SIZE, 4096), (ENABLE_PUSH, 1), (MAX_CONCURRENT_STREAMS, 100), (INITIAL_WINDOW_SIZE, 65535), (MAX_FRAME_SIZE, 16384),
        (MAX_HEADER_LIST_SIZE, 100))], expect.acknowledged)
    yield of("generic/3.7")("PING", lambda k, c: [ping(PONG)], STILL_WELL)
    yield of("generic/3.8")("GOAWAY", lambda k, c: [goaway(debug=b"judge"), ping(PONG)], pong(PONG, or_the_end=True))

    case = of("generic/3.9")
    yield case("WINDOW_UPDATE of the connection", lambda k, c: [window(0, 1), ping(PONG)], STILL_WELL)
    yield case("WINDOW_UPDATE of a stream", lambda k, c: [k.get(), window(1, 1)], answered(1))

    case = of("generic/3.10")
    yield case("CONTINUATION", lambda k, c: [headers(1, k.block()[:5], complete=False), continuation(1, k.block()[5:])], answered(1))
    yield case("CONTINUATION twice", lambda k, c: [headers(1, k.block()[:5], complete=False), continuation(1, k.block()[5:10], complete=False),
                                                   continuation(1, k.block()[10:])], answered(1))

    case = of("generic/4")
    yield case("GET", lambda k, c: [k.get()], answered(1))
    yield case("HEAD", lambda k, c: [headers(1, k.block("HEAD"))], answered(1))
    yield case("POST", lambda k, c: [k.post(), data(1, b"test", end=True)], answered(1))
    yield case("POST with trailers", lambda k, c: [k.post(1, ("trailer", "x-test")), data(1, b"test"), headers(1, literal("x-test", "ok"))], answered(1))

    case = of("generic/5")
    test, test_coded = b"\x06x-test", bytes.fromhex("85f2b24a84ff")
    value, value_coded = b"\x06judges", bytes.fromhex("849c48aca4")
    yield case("an indexed field", lambda k, c: [headers(1, k.block() + b"\xba")], answered(1))
    for kind, first in (("with indexing", b"\x40"), ("without indexing", b"\x00"), ("never indexed", b"\x10")):
        index = {b"\x40": b"\x7a", b"\x00": b"\x0f\x2b", b"\x10": b"\x1f\x2b"}[first]
        for name, coded, plain in (("a name of the table", index, index), ("a new name", first + test_coded, first + test)):
            yield case(f"literal {kind}, {name}", lambda k, c, it=plain + value: [headers(1, k.block() + it)], answered(1))
            yield case(f"literal {kind}, {name}, Huffman-coded", lambda k, c, it=coded + value_coded: [headers(1, k.block() + it)], answered(1))
    yield case("a change of the table's size", lambda k, c: [headers(1, integer(128, 5, 0x20) + k.block())], answered(1))
    yield case("two changes of the table's size", lambda k, c: [headers(1, integer(128, 5, 0x20) + integer(4096, 5, 0x20) + k.block())], answered(1))


def starting():
    case = of("http2/3.5")
    yield case("SETTINGS are the server's first frame", lambda k, c: [PREFACE, settings((INITIAL_WINDOW_SIZE, 65535))], expect.first_is_settings, raw=True)
    yield case("a wrong preface", lambda k, c: [b"INVALID CONNECTION PREFACE\r\n\r\n"], expect.end_of_connection, raw=True)


def frames():
    case = of("http2/4.1")
    yield case("a frame of unknown type", lambda k, c: [frame(22, 0, 0, bytes(8)), ping(PONG)], STILL_WELL)
    yield case("undefined flags", lambda k, c: [frame(PING, 0x16, 0, PONG)], STILL_WELL)
    yield case("the reserved bit", lambda k, c: [frame(PING, 0x16, 0x8000_0000, PONG)], STILL_WELL)

    case = of("http2/4.2")
    largest = lambda c: c.settings.get(MAX_FRAME_SIZE, 16384)
    yield case("DATA of 2^14 bytes", lambda k, c: [k.post(), data(1, b"x" * 16384, end=True)], answered(1))
    yield case("DATA longer than was announced", lambda k, c: [k.post(), data(1, b"x" * (largest(c) + 1), end=True)], stream_error(1, FRAME_SIZE_ERROR))
    yield case("HEADERS longer than was announced", lambda k, c: [headers(1, k.block() + block([BIG_FIELD] * (largest(c) // 4000 + 1)))],
               connection_error(FRAME_SIZE_ERROR))

    case = of("http2/4.3")
    yield case("a block that cannot be decoded", lambda k, c: [frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x40")], connection_error(COMPRESSION_ERROR))
    yield case("PRIORITY within a block", lambda k, c: [headers(1, k.block(), end=False, complete=False), priority(1), continuation(1, block([BIG_FIELD]))],
               connection_error(PROTOCOL_ERROR))
    yield case("HEADERS of another stream within a block", lambda k, c: [
        headers(1, k.block(), end=False, complete=False), k.get(3), continuation(1, block([BIG_FIELD]))], connection_error(PROTOCOL_ERROR))


def streams():
    case = of("http2/5.1")
    # RFC 9113 says PROTOCOL_ERROR for all of the first four; h2spec takes STREAM_CLOSED for DATA as well.
    yield case("idle: DATA", lambda k, c: [data(1, b"test", end=True)], connection_error(PROTOCOL_ERROR, STREAM_CLOSED))
    yield case("idle: RST_STREAM", lambda k, c: [reset(1)], connection_error(PROTOCOL_ERROR))
    yield case("idle: WINDOW_UPDATE", lambda k, c: [window(1, 100)], connection_error(PROTOCOL_ERROR))
    yield case("idle: CONTINUATION", lambda k, c: [continuation(1, k.block())], connection_error(PROTOCOL_ERROR))
    yield case("half-closed: DATA", lambda k, c: [k.get(), data(1, b"test", end=True)], stream_error(1, STREAM_CLOSED))
    yield case("half-closed: HEADERS", lambda k, c: [k.get(), k.get()], stream_error(1, STREAM_CLOSED))
    yield case("half-closed: CONTINUATION", lambda k, c: [k.get(), continuation(1, k.block())], stream_error(1, STREAM_CLOSED, PROTOCOL_ERROR))
    yield case("closed by RST_STREAM: DATA", lambda k, c: [k.get(end=False), reset(1), data(1, b"test", end=True)], stream_error(1, STREAM_CLOSED))
    yield case("closed by RST_STREAM: HEADERS", lambda k, c: [k.get(end=False), reset(1), k.get()], stream_error(1, STREAM_CLOSED))
    yield case("closed by RST_STREAM: CONTINUATION", lambda k, c: [k.get(end=False), reset(1), continuation(1, block([BIG_FIELD]))],
               stream_error(1, STREAM_CLOSED, PROTOCOL_ERROR))
    yield case("closed: DATA", lambda k, c: [k.get(), expect.stream_over(1), data(1, b"test", end=True)], stream_error(1, STREAM_CLOSED))
    yield case("closed: HEADERS", lambda k, c: [k.get(), expect.stream_over(1), k.get()], connection_error(STREAM_CLOSED))
    yield case("closed: CONTINUATION", lambda k, c: [k.get(), expect.stream_over(1), continuation(1, block([BIG_FIELD]))],
               connection_error(STREAM_CLOSED, PROTOCOL_ERROR))

    case = of("http2/5.1.1")
    yield case("an even number", lambda k, c: [k.get(2)], connection_error(PROTOCOL_ERROR))
    yield case("a number below the last", lambda k, c: [k.get(5), k.get(3)], connection_error(PROTOCOL_ERROR))

    def one_too_many(k, c):
        count = c.settings.get(MAX_CONCURRENT_STREAMS, 0)
        if not 0 < count < 100_000:
            raise expect.Fault("a limit of streams", "none announced", mild=True)
        c.last = 2 * count + 1
        return [settings((INITIAL_WINDOW_SIZE, 0)), *(k.get(2 * at + 1) for at in range(count + 1))]
    yield of("http2/5.1.2")("more streams than were announced", one_too_many, lambda c: stream_error(c.last, PROTOCOL_ERROR, REFUSED_STREAM)(c))

    # RFC 9113 has taken the dependences away, and with them these two errors.
    case = of("http2/5.3.1")
    yield case("HEADERS that depends on itself", lambda k, c: [headers(1, k.block(), dependence=(1, 255, False))], stream_error(1, PROTOCOL_ERROR),
               needs="dependences")
    yield case("PRIORITY that depends on itself", lambda k, c: [priority(1, on=1)], stream_error(1, PROTOCOL_ERROR), needs="dependences")

    case = of("http2/5.4.1")
    yield case("an error of the connection ends it", lambda k, c: [frame(PING, 0, 3, bytes(8))], expect.end_of_connection)
    yield case("an error of the connection is told by GOAWAY", lambda k, c: [frame(PING, 0, 3, bytes(8))], expect.goaway(PROTOCOL_ERROR))

    case = of("http2/5.5")
    yield case("an unknown extension", lambda k, c: [frame(22, 0, 0, bytes(8)), ping(PONG)], STILL_WELL)
    yield case("an unknown extension within a block", lambda k, c: [headers(1, k.block(), complete=False), frame(22, 0, 0, bytes(8))],
               connection_error(PROTOCOL_ERROR))


def definitions():
    case = of("http2/6.1")
    yield case("DATA of stream 0", lambda k, c: [data(0, b"test", end=True)], connection_error(PROTOCOL_ERROR))
    yield case("DATA of a stream that is not open", lambda k, c: [k.post(end=True), data(1, b"test", end=True)], stream_error(1, STREAM_CLOSED))
    yield case("DATA with more padding than there is room for", lambda k, c: [k.post(1, ("content-length", "4")), frame(DATA, PADDED | END_STREAM, 1, b"\x06test")],
               connection_error(PROTOCOL_ERROR))

    case = of("http2/6.2")
    open_block = lambda k: headers(1, k.block(), end=False, complete=False)
    rest = continuation(1, block([BIG_FIELD]))
    yield case("PRIORITY before the block has ended", lambda k, c: [open_block(k), priority(1), rest], connection_error(PROTOCOL_ERROR))
    yield case("HEADERS of another stream before the block has ended", lambda k, c: [open_block(k), k.get(3), rest], connection_error(PROTOCOL_ERROR))
    yield case("HEADERS of stream 0", lambda k, c: [k.get(0)], connection_error(PROTOCOL_ERROR))
    yield case("HEADERS with more padding than there is room for", lambda k, c: [
        frame(HEADERS, PADDED | END_STREAM | END_HEADERS, 1, bytes([min(255, len(k.block()) + 2)]) + k.block()[:253])], stream_error(1, PROTOCOL_ERROR))

    case = of("http2/6.3")
    yield case("PRIORITY of stream 0", lambda k, c: [priority(0)], connection_error(PROTOCOL_ERROR))
    yield case("PRIORITY of 4 bytes", lambda k, c: [k.get(), frame(PRIORITY, 0, 1, number(0x8000_0001))], stream_error(1, FRAME_SIZE_ERROR))

    case = of("http2/6.4")
    yield case("RST_STREAM of stream 0", lambda k, c: [reset(0)], connection_error(PROTOCOL_ERROR))
    yield case("RST_STREAM of an idle stream", lambda k, c: [reset(1)], connection_error(PROTOCOL_ERROR))
    yield case("RST_STREAM of 3 bytes", lambda k, c: [k.get(), frame(RST_STREAM, 0, 1, bytes(3))], connection_error(FRAME_SIZE_ERROR))

    case = of("http2/6.5")
    yield case("SETTINGS with ACK and a payload", lambda k, c: [frame(SETTINGS, 1, 0, b"\0")], connection_error(FRAME_SIZE_ERROR))
    yield case("SETTINGS of a stream", lambda k, c: [frame(SETTINGS, 0, 1, b"\0\x03" + number(100))], connection_error(PROTOCOL_ERROR))
    yield case("SETTINGS of 3 bytes", lambda k, c: [frame(SETTINGS, 0, 0, b"\0\x03\0")], connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR))

    case = of("http2/6.5.2")
    yield case("ENABLE_PUSH of 2", lambda k, c: [settings((ENABLE_PUSH, 2))], connection_error(PROTOCOL_ERROR))
    yield case("INITIAL_WINDOW_SIZE of 2^31", lambda k, c: [settings((INITIAL_WINDOW_SIZE, LARGEST + 1))], connection_error(FLOW_CONTROL_ERROR))
    yield case("MAX_FRAME_SIZE below 2^14", lambda k, c: [settings((MAX_FRAME_SIZE, 16383))], connection_error(PROTOCOL_ERROR))
    yield case("MAX_FRAME_SIZE of 2^24", lambda k, c: [settings((MAX_FRAME_SIZE, 1 << 24))], connection_error(PROTOCOL_ERROR))
    yield case("an unknown setting", lambda k, c: [settings((0xFF, 1)), ping(PONG)], STILL_WELL)

    case = of("http2/6.5.3")
    yield case("a setting twice in one frame: the last holds", lambda k, c: [
        settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)), expect.acknowledged, k.get()], expect.content(1, 1))
    yield case("SETTINGS are acknowledged", lambda k, c: [settings((ENABLE_PUSH, 0))], expect.acknowledged)

    case = of("http2/6.7")
    yield case("PING is answered with its payload", lambda k, c: [ping(PONG)], STILL_WELL)
    yield case("PING with ACK is not answered", lambda k, c: [ping(b"invalid\0", ack=True), ping(PONG)], STILL_WELL)
    yield case("PING of a stream", lambda k, c: [frame(PING, 0, 1, bytes(8))], connection_error(PROTOCOL_ERROR))
    yield case("PING of 6 bytes", lambda k, c: [frame(PING, 0, 0, bytes(6))], connection_error(FRAME_SIZE_ERROR))

    yield of("http2/6.8")("GOAWAY of a stream", lambda k, c: [frame(GOAWAY, 0, 1, bytes(8))], connection_error(PROTOCOL_ERROR))

    case = of("http2/6.9")
    yield case("WINDOW_UPDATE by 0", lambda k, c: [window(0, 0)], connection_error(PROTOCOL_ERROR))
    yield case("WINDOW_UPDATE of a stream by 0", lambda k, c: [k.get(end=False), window(1, 0)], stream_error(1, PROTOCOL_ERROR))
    yield case("WINDOW_UPDATE of 3 bytes", lambda k, c: [frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")], connection_error(FRAME_SIZE_ERROR))

    case = of("http2/6.9.1")
    yield case("no more content than the window has room for", lambda k, c: [settings((INITIAL_WINDOW_SIZE, 1)), expect.acknowledged, k.get()],
               expect.content(1, 1))
    yield case("a window above 2^31-1", lambda k, c: [window(0, LARGEST), window(0, LARGEST)], expect.goaway(FLOW_CONTROL_ERROR))
    yield case("a stream's window above 2^31-1", lambda k, c: [k.get(end=False), window(1, LARGEST), window(1, LARGEST)],
               stream_error(1, FLOW_CONTROL_ERROR))

    case = of("http2/6.9.2")
    yield case("INITIAL_WINDOW_SIZE changes the windows of open streams", lambda k, c: [
        settings((INITIAL_WINDOW_SIZE, 0)), expect.acknowledged, k.get(), settings((INITIAL_WINDOW_SIZE, 1))], expect.content(1, 1))
    yield case("a window may become negative", lambda k, c: [
        settings((INITIAL_WINDOW_SIZE, 3)), expect.acknowledged, k.get(), expect.content(1, 3), settings((INITIAL_WINDOW_SIZE, 2)), expect.acknowledged,
        window(1, 2)], expect.content(1, 1))
    yield case("INITIAL_WINDOW_SIZE above 2^31-1", lambda k, c: [settings((INITIAL_WINDOW_SIZE, 0x8000_0000))], connection_error(FLOW_CONTROL_ERROR))

    case = of("http2/6.10")
    begun = lambda k, end=True: headers(1, k.block() if end else k.block("POST"), end=end, complete=False)
    more = lambda stream=1, complete=True: continuation(stream, block([BIG_FIELD]), complete)
    yield case("CONTINUATION twice", lambda k, c: [begun(k), more(complete=False), more()], answered(1))
    yield case("another frame behind CONTINUATION", lambda k, c: [begun(k, False), more(complete=False), data(1, b"test", end=True)], connection_error(PROTOCOL_ERROR))
    yield case("CONTINUATION of stream 0", lambda k, c: [begun(k), more(0)], connection_error(PROTOCOL_ERROR))
    yield case("CONTINUATION behind a whole HEADERS", lambda k, c: [k.get(), more()], connection_error(PROTOCOL_ERROR))
    yield case("CONTINUATION behind the last one", lambda k, c: [begun(k), more(), more()], connection_error(PROTOCOL_ERROR))
    yield case("CONTINUATION behind DATA", lambda k, c: [begun(k, False), data(1, b"test", end=True), more(complete=False), more(0)],
               connection_error(PROTOCOL_ERROR))

    case = of("http2/7")
    yield case("GOAWAY with an unknown code", lambda k, c: [goaway(code=0xFF), ping(PONG)], pong(PONG, or_the_end=True))
    yield case("RST_STREAM with an unknown code", lambda k, c: [k.post(), reset(1, 0xFF), ping(PONG)], pong(PONG, or_the_end=True))


def exchanges():
    malformed = stream_error(1, PROTOCOL_ERROR, malformed=True)
    yield of("http2/8.1")("a second HEADERS that does not end the stream", lambda k, c: [
        k.post(), data(1, b"test"), headers(1, literal("x-test", "ok"), end=False)], malformed)
    yield of("http2/8.1.2")("a name in upper case", lambda k, c: [k.get(1, ("X-TEST", "ok"))], malformed)

    case = of("http2/8.1.2.1")
    yield case("an unknown pseudo-header field", lambda k, c: [k.get(1, (":test", "ok"))], malformed)
    yield case("a pseudo-header field of responses", lambda k, c: [k.get(1, (":status", "200"))], malformed)
    yield case("a pseudo-header field as a trailer", lambda k, c: [k.post(), data(1, b"test"), headers(1, literal(":method", "POST"))], malformed)
    yield case("a pseudo-header field behind another field", lambda k, c: [headers(1, literal("x-test", "ok") + k.block())], malformed)

    case = of("http2/8.1.2.2")
    yield case("Connection", lambda k, c: [k.get(1, ("connection", "keep-alive"))], malformed)
    yield case("TE with more than trailers", lambda k, c: [k.get(1, ("trailers", "test"), ("te", "trailers, deflate"))], malformed)

    case = of("http2/8.1.2.3")
    yield case("an empty :path", lambda k, c: [k.get(path="")], malformed)
    yield case("no :method", lambda k, c: [k.get(method=None)], malformed)
    yield case("no :scheme", lambda k, c: [k.get(scheme=None)], malformed)
    yield case("no :path", lambda k, c: [k.get(path=None)], malformed)
    for name in ("method", "scheme", "path"):
        yield case(f":{name} twice", lambda k, c, name=name: [k.get(1, (f":{name}", dict(k.fields())[f":{name}"]))], malformed)

    case = of("http2/8.1.2.6")
    long = lambda k: k.post(1, ("content-length", "1"))
    yield case("Content-Length and one DATA differ", lambda k, c: [long(k), data(1, b"test", end=True)], malformed)
    yield case("Content-Length and several DATA differ", lambda k, c: [long(k), data(1, b"test"), data(1, b"test", end=True)], malformed)

    yield of("http2/8.2")("PUSH_PROMISE", lambda k, c: [frame(PUSH_PROMISE, END_HEADERS, 1, number(3) + k.block())], connection_error(PROTOCOL_ERROR))


def compression():
    broken = connection_error(COMPRESSION_ERROR)
    case = of("hpack/2.3.3")
    yield case("an index that nothing has", lambda k, c: [headers(1, k.block() + b"\xc6")], broken)
    yield case("a name whose index nothing has", lambda k, c: [headers(1, k.block() + b"\x7f\x07\x00")], broken)
    yield of("hpack/4.2")("a change of the table's size behind a field", lambda k, c: [headers(1, k.block() + b"\x21")], broken)
    case = of("hpack/5.2")
    name = b"\0" + bytes.fromhex("85f2b24a84ff")
    yield case("Huffman code with more than 7 bits of padding", lambda k, c: [headers(1, k.block() + name + bytes.fromhex("8449509fff"))], broken)
    yield case("Huffman code padded with zeros", lambda k, c: [headers(1, k.block() + name + bytes.fromhex("83495090"))], broken)
    yield case("Huffman code with EOS", lambda k, c: [headers(1, k.block() + name + bytes.fromhex("874951fffffffa7f"))], broken)
    yield of("hpack/6.1")("index 0", lambda k, c: [headers(1, k.block() + b"\x80")], broken)
    yield of("hpack/6.3")("a table larger than was announced", lambda k, c: [
        headers(1, integer(c.settings.get(HEADER_TABLE_SIZE, 4096) + 1, 5, 0x20) + k.block())], broken)


def all_cases():
    for group in (generic, starting, frames, streams, definitions, exchanges, compression):
        yield from group()
