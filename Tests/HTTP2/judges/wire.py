"""A client of HTTP/2 that sends whatever it is told to, rules or not, and reads what comes back frame by frame."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass

import hpack
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import Frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
TYPES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"]
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL,
 COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
CODES = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM",
         "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"]
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, _, _, ENABLE_CONNECT_PROTOCOL = range(1, 10)


def code_name(code):
    return CODES[code] if code < len(CODES) else f"{code:#x}"


# ---------------------------------------------------------------- frames, as bytes

def number(value):
    return struct.pack(">I", value)


def frame(kind, flags, stream, payload=b"", length=None):
    """A frame; `length` is what its header claims, if that is not the payload's own."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, ack=False):
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(data=b"12345678", ack=False):
    return frame(PING, ACK if ack else 0, 0, data)


def window(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, number(increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, number(code))


def priority(stream, on=0, weight=255, exclusive=False):
    return frame(PRIORITY, 0, stream, number(on | (0x8000_0000 if exclusive else 0)) + bytes([weight]))


def goaway(last=0, code=NO_ERROR, debug=b""):
    return frame(GOAWAY, 0, 0, number(last) + number(code) + debug)


def data(stream, content=b"", end=False, padding=None):
    if padding is None:
        return frame(DATA, END_STREAM if end else 0, stream, content)
    return frame(DATA, PADDED | (END_STREAM if end else 0), stream, bytes([padding]) + content + bytes(padding))


def headers(stream, block, end=True, complete=True, padding=None, dependence=None):
    """HEADERS with an encoded block; `dependence`: a stream, a weight and whether it is exclusive."""
    flags = (END_STREAM if end else 0) | (END_HEADERS if complete else 0)
    payload = block
    if dependence is not None:
        on, weight, exclusive = dependence
        flags, payload = flags | PRIORITISED, number(on | (0x8000_0000 if exclusive else 0)) + bytes([weight]) + payload
    if padding is not None:
        flags, payload = flags | PADDED, bytes([padding]) + payload + bytes(padding)
    return frame(HEADERS, flags, stream, payload)


def continuation(stream, block, complete=True):
    return frame(CONTINUATION, END_HEADERS if complete else 0, stream, block)


def integer(value, bits, first=0):
    """An integer of HPACK with a prefix of so many bits (RFC 7541, 5.1)."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = bytearray([first | limit]), value - limit
    while value >= 128:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    return bytes(out) + bytes([value])


def literal(name, value):
    """A field without indexing and without Huffman code: the same bytes whatever came before, and any byte may stand in it."""
    name, value = (part if isinstance(part, bytes) else part.encode("latin-1") for part in (name, value))
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def block(fields):
    return b"".join(literal(name, value) for name, value in fields)


# ---------------------------------------------------------------- a connection

@dataclass
class Event:
    """What came: a frame (by the name of its type), "closed", "reset" (of TCP) or "silence"."""
    kind: str
    stream: int = 0
    flags: int = 0
    payload: bytes = b""
    code: int = 0
    fields: tuple = ()

    def __str__(self):
        if self.kind in ("RST_STREAM", "GOAWAY"):
            return f"{self.kind} {code_name(self.code)}" + (f" of stream {self.stream}" if self.stream else "")
        if self.kind == "HEADERS":
            return f"HEADERS of stream {self.stream}: {dict(self.fields).get(':status', 'no status')}"
        return f"{self.kind} of stream {self.stream}" if self.stream else self.kind

    @property
    def ends(self):
        return self.kind in ("DATA", "HEADERS") and bool(self.flags & END_STREAM)


class Connection:
    """One connection. Every wait is bounded by `timeout` seconds."""

    def __init__(self, address, tls=False, timeout=2.0, name="localhost", receive_buffer=None):
        self.timeout = timeout
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(max(timeout, 5))
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
            if self.socket.selected_alpn_protocol() != "h2":
                raise ConnectionError("the server does not choose h2 by ALPN")
        self.buffer, self.over = b"", None
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self.settings = {}
        self.credit = {0: 65535}    # what WINDOW_UPDATE has granted, by stream; of the connection with what it begins with
        self.fragment = None
        self.acknowledges = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        """Sends in one piece; a connection that has gone is told by the next event."""
        try:
            self.socket.sendall(b"".join(parts))
        except OSError:
            pass

    def open(self, *pairs):
        """Both prefaces and both acknowledgements."""
        self.send(PREFACE, settings(*pairs))
        got, acknowledged, end = False, False, time.monotonic() + self.timeout
        while not (got and acknowledged):
            event = self.event(end)
            if event.kind == "SETTINGS":
                acknowledged, got = acknowledged or bool(event.flags & ACK), got or not event.flags & ACK
            elif event.kind in ("closed", "reset", "silence", "GOAWAY"):
                raise ConnectionError(f"no exchange of SETTINGS, but {event}")
        return self

    def event(self, end=None):
        """The next one; `end` is a time of the monotonic clock."""
        end = time.monotonic() + self.timeout if end is None else end
        while True:
            if (event := self.parsed()) is not None:
                return event
            if self.over:
                return self.over
            left = end - time.monotonic()
            if left <= 0:
                return Event("silence")
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError):
                return Event("silence")
            except (ConnectionError, ssl.SSLError, OSError):
                self.over = Event("reset")
                continue
            if not more:
                self.over = Event("closed")
            self.buffer += more

    def parsed(self):
        if len(self.buffer) < 9:
            return None
        length, kind, flags = int.from_bytes(self.buffer[:3], "big"), self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFF_FFFF
        if len(self.buffer) < 9 + length:
            return None
        whole, self.buffer = self.buffer[:9 + length], self.buffer[9 + length:]
        try:
            judged, _ = Frame.parse_frame_header(memoryview(whole[:9]))
            judged.parse_body(memoryview(whole[9:]))
        except HyperframeError as problem:
            return Event(f"no valid frame ({problem})", stream)
        event = Event(TYPES[kind] if kind < len(TYPES) else f"type {kind}", stream, flags, whole[9:])
        if event.kind == "SETTINGS" and not flags & ACK:
            self.settings.update(judged.settings)
            if self.acknowledges:
                self.send(settings(ack=True))
        elif event.kind == "PING" and not flags & ACK and self.acknowledges:
            self.send(ping(event.payload, ack=True))
        elif event.kind in ("RST_STREAM", "GOAWAY"):
            event.code = judged.error_code
        elif event.kind == "WINDOW_UPDATE":
            self.credit[stream] = self.credit.get(stream, 0) + judged.window_increment
        elif event.kind == "DATA":
            event.payload = judged.data
        elif event.kind in ("HEADERS", "CONTINUATION"):
            if event.kind == "HEADERS":
                self.fragment = (stream, flags, b"")
            self.fragment = (*self.fragment[:2], self.fragment[2] + judged.data)
            if not flags & END_HEADERS:
                return self.parsed()
            event = Event("HEADERS", stream, self.fragment[1], b"", 0, tuple(self.decoder.decode(self.fragment[2])))
        return event

    def until(self, wanted, seconds=None):
        """The first event that `wanted` takes, and all that came before it; the last one is silence, or the end, if none did."""
        end, seen = time.monotonic() + (self.timeout if seconds is None else seconds), []
        while True:
            event = self.event(end)
            seen.append(event)
            if wanted(event) or event.kind in ("closed", "reset", "silence"):
                return event, seen

    def response(self, stream, seconds=None):
        """Status (0: none), fields, content, and how it ended: "end", or the last event."""
        _, seen = self.until(lambda event: event.kind == "GOAWAY" and event.code or event.stream == stream and (event.ends or event.kind == "RST_STREAM"), seconds)
        own = [event for event in seen if event.stream == stream]
        heads = [dict(event.fields) for event in own if event.kind == "HEADERS" and not dict(event.fields).get(":status", "").startswith("1")]
        content = b"".join(event.payload for event in own if event.kind == "DATA")
        head = heads[0] if heads else {}
        return int(head.get(":status", 0)), head, content, "end" if seen[-1].ends else str(seen[-1])
