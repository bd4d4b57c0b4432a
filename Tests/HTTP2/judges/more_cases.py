"""What h2spec does not ask: what other servers had to mend, and what a client may send that few do."""

from . import expect
from .cases import LARGEST, PONG, STILL_WELL, of
from .expect import Fault, answered, connection_error, pong, stream_error
from .wire import (
    COMPRESSION_ERROR, CONTINUATION, END_HEADERS, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE,
    PREFACE, PROTOCOL_ERROR, WINDOW_UPDATE, continuation, data, frame, goaway, headers, integer, literal, number, ping, reset, settings,
    window)


def reserved_bits():
    case = of("more/reserved bits")
    yield case("WINDOW_UPDATE", lambda k, c: [frame(WINDOW_UPDATE, 0, 0, number(0x8000_0001)), ping(PONG)], STILL_WELL)
    yield case("WINDOW_UPDATE by 0", lambda k, c: [frame(WINDOW_UPDATE, 0, 0, number(0x8000_0000))], connection_error(PROTOCOL_ERROR))
    yield case("GOAWAY", lambda k, c: [frame(GOAWAY, 0, 0, number(0x8000_0000) + number(0)), ping(PONG)], pong(PONG, or_the_end=True))
    yield case("HEADERS", lambda k, c: [headers(0x8000_0001, k.block())], answered(1))
    yield case("the exclusive bit belongs to no number", lambda k, c: [headers(1, k.block(), dependence=(3, 255, True))], answered(1))


def send_padded(k, c):
    """POSTs some 200 KiB of frames with one byte of content each, within the windows: they grow again only if padding is given back."""
    initial, sent = c.settings.get(INITIAL_WINDOW_SIZE, 65535), 0
    c.send(k.post())
    while sent < 800:
        if min(c.credit[0], initial + c.credit.get(1, 0)) >= 257 * (sent + 1):
            c.send(data(1, b"x", padding=255))
            sent += 1
            continue
        event = c.event()
        if event.kind in ("silence", "closed", "reset", "GOAWAY", "RST_STREAM"):
            raise Fault("credit for padding", f"{event} after {sent} frames")
    return [data(1, b"", end=True)]


def flow_control():
    case = of("more/flow control")
    yield case("padding is given back", send_padded, answered(1))
    yield case("a setting lifts a stream's window above 2^31-1", lambda k, c: [
        settings((INITIAL_WINDOW_SIZE, 0)), expect.acknowledged, k.get(end=False), window(1, LARGEST), settings((INITIAL_WINDOW_SIZE, 1))],
        connection_error(FLOW_CONTROL_ERROR))
    yield case("WINDOW_UPDATE of a closed stream", lambda k, c: [k.get(), expect.stream_over(1), window(1, 1), ping(PONG)], STILL_WELL)
    yield case("RST_STREAM of a closed stream", lambda k, c: [k.get(), expect.stream_over(1), reset(1), ping(PONG)], STILL_WELL)
    yield case("a window of a byte at a time", one_byte_windows, lambda c: None)


def one_byte_windows(k, c):
    c.send(settings((INITIAL_WINDOW_SIZE, 0)))
    expect.acknowledged(c)
    c.send(k.get())
    for at in range(5):
        c.send(window(1, 1))
        expect.content(1, 1)(c)
    return []


def settings_and_errors():
    case = of("more/settings")
    yield case("MAX_FRAME_SIZE of 0", lambda k, c: [settings((MAX_FRAME_SIZE, 0)), k.get()], connection_error(PROTOCOL_ERROR))
    yield case("all windows shut, then opened", lambda k, c: [
        settings((INITIAL_WINDOW_SIZE, 0)), k.get(), expect.silence_about(("DATA",)), settings((INITIAL_WINDOW_SIZE, 65535))], expect.content(1))
    yield case("a table of no size", lambda k, c: [settings((1, 0)), expect.acknowledged, k.get()], answered(1, ends=True))
    case = of("more/errors")
    yield case("no frame counts behind an error", lambda k, c: [frame(6, 0, 0, bytes(3)), *(k.get(2 * at + 1) for at in range(20))], nothing_behind_goaway)
    yield case("frames of other documents", lambda k, c: [
        frame(0x0A, 0, 0, b"\0\0"), frame(0x0C, 0, 0, b"\0\0"), frame(0x10, 0, 0, number(1) + b"u=3"), frame(0xFF, 0xFF, 7, b"x"), ping(PONG)], STILL_WELL)
    yield case("a client's GOAWAY ends no stream", lambda k, c: [k.get(), goaway()], answered(1, ends=True))
    yield case("HTTP/1.1 behind the preface", lambda k, c: [PREFACE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], expect.end_of_connection, raw=True)
    yield case("the first frame is no SETTINGS", lambda k, c: [PREFACE, k.get()], connection_error(PROTOCOL_ERROR), raw=True)


def nothing_behind_goaway(c):
    connection_error(FRAME_SIZE_ERROR)(c)
    if any(event.kind == "HEADERS" for event in iter(c.parsed, None)):
        raise Fault("no response", "a response")


def byte_by_byte(k, c):
    for byte in PREFACE + settings() + k.get():
        c.send(bytes([byte]))
    return []


def blocks():
    case = of("more/blocks")
    yield case("everything byte by byte", byte_by_byte, answered(1), raw=True)
    yield case("HEADERS without a byte, then CONTINUATION", lambda k, c: [headers(1, b"", complete=False), continuation(1, k.block())], answered(1))
    yield case("CONTINUATION without a byte", lambda k, c: [headers(1, k.block(), complete=False), continuation(1, b"")], answered(1))
    yield case("CONTINUATION knows no padding", lambda k, c: [headers(1, b"", complete=False), frame(CONTINUATION, END_HEADERS | 8, 1, k.block())], answered(1))
    yield case("padding and priority at once", lambda k, c: [headers(1, k.block(), padding=0, dependence=(0, 15, True))], answered(1))
    yield case("an integer without an end", lambda k, c: [headers(1, k.block() + b"\xff" + b"\xff" * 12)], connection_error(COMPRESSION_ERROR))
    yield case("an integer of more than 64 bits", lambda k, c: [headers(1, k.block() + b"\xff" + b"\x80" * 20 + b"\x01")], connection_error(COMPRESSION_ERROR))
    yield case("a string longer than its block", lambda k, c: [headers(1, k.block() + b"\0\x7f" + integer(1 << 30, 7)[1:])], connection_error(COMPRESSION_ERROR))
    yield case("three changes of the table's size", lambda k, c: [headers(1, b"\x20\x3f\xe1\x1f\x20" + k.block())], answered(1))
    yield case("a field larger than the table empties it", lambda k, c: [
        headers(1, k.block() + b"\x40" + literal("x-large", "y" * 5000)[1:]), headers(3, k.block() + b"\xbe")], connection_error(COMPRESSION_ERROR))


def messages():
    case = of("more/messages")
    malformed = stream_error(1, PROTOCOL_ERROR, malformed=True)
    yield case("TE: trailers", lambda k, c: [k.get(1, ("te", "trailers"))], answered(1))
    yield case("DATA without a byte ends a request", lambda k, c: [k.post(), data(1, b"", end=True)], answered(1))
    yield case("Content-Length counts no padding", lambda k, c: [k.post(1, ("content-length", "4")), data(1, b"test", end=True, padding=9)], answered(1))
    yield case("END_STREAM with a Content-Length", lambda k, c: [k.post(1, ("content-length", "4"), end=True)], malformed)
    yield case("END_STREAM with Content-Length 0", lambda k, c: [k.post(1, ("content-length", "0"), end=True)], answered(1))
    yield case("a trailer in upper case", lambda k, c: [k.post(), data(1, b"test"), headers(1, literal("X-Test", "ok"))], malformed)
    yield case(":protocol without CONNECT", lambda k, c: [k.get(1, protocol="websocket")], malformed)
    yield case("CONNECT with :path", lambda k, c: [headers(1, k.block("CONNECT"), end=False)], malformed)
    yield case("Expect", lambda k, c: [k.post(1, ("expect", "100-continue"), ("content-length", "4")), data(1, b"test", end=True)], answered(1))
    yield case("HEAD has no content", lambda k, c: [headers(1, k.block("HEAD"))], no_content)
    yield case("the largest number of a stream", lambda k, c: [k.get(LARGEST)], answered(LARGEST))
    yield case("as many streams as were announced", as_many_as_announced, lambda c: None)
    yield case("a resource is the same after a reset", lambda k, c: [k.get(1), reset(1), k.get(3)], answered(3, ends=True))


def no_content(c):
    _, seen = c.until(lambda event: event.ends)
    if not seen[-1].ends or any(event.payload for event in seen if event.kind == "DATA"):
        raise Fault("a head alone", expect.told(seen))


def as_many_as_announced(k, c):
    count = min(c.settings.get(MAX_CONCURRENT_STREAMS, 100), 1000)
    c.send(*(k.get(2 * at + 1) for at in range(count)))
    open_streams = {2 * at + 1 for at in range(count)}
    while open_streams:
        event = c.event()
        if event.ends:
            open_streams.discard(event.stream)
        elif event.kind in ("RST_STREAM", "GOAWAY", "closed", "reset", "silence"):
            raise Fault(f"{count} responses", f"{event}, with {len(open_streams)} left")
        elif event.kind == "DATA" and event.payload:
            c.send(window(0, len(event.payload)), window(event.stream, len(event.payload)))
    return []


def all_cases():
    for group in (reserved_bits, flow_control, settings_and_errors, blocks, messages):
        yield from group()
