"""An HTTP/1.1 origin that takes nothing but the strictest form, records every byte, and says in its answer which request it answers."""

import re
import socket
import threading
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[ \t\x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?\Z")
TARGET = re.compile(rb"[\x21-\x7e]+\Z")
HEAD_BYTES_MAX = 1 << 20


class Unclear(Exception):
    """What has arrived can be read in more ways than one, or in none."""


@dataclass
class Request:
    method: str
    target: str
    fields: list    # names in lower case
    body: bytes = b""
    trailers: list = field(default_factory=list)

    def values(self, name):
        return [value for own, value in self.fields if own == name]

    def __str__(self):
        return f"{self.method} {self.target} with {len(self.body)} bytes"


class Reader:
    def __init__(self, peer, record):
        self.socket, self.record, self.buffer = peer, record, b""

    def more(self):
        data = self.socket.recv(65536)
        self.record.extend(data)
        self.buffer += data
        return bool(data)

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self.more():
                raise EOFError
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > HEAD_BYTES_MAX:
                raise Unclear("a line without an end")
            if not self.more():
                raise EOFError
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise Unclear(f"CR or LF alone: {line[-60:]!r}")
        return line[:-1]

    def fields(self):
        fields = []
        while line := self.line():
            name, colon, value = line.partition(b":")
            value = value.strip(b" \t")
            if not colon or not TOKEN.match(name) or not VALUE.match(value):
                raise Unclear(f"no field line: {line[:80]!r}")
            fields.append((name.decode().lower(), value.decode("latin-1")))
        return fields

    def request(self):
        parts = self.line().split(b" ")
        if len(parts) != 3 or not TOKEN.match(parts[0]) or not TARGET.match(parts[1]) or parts[2] != b"HTTP/1.1":
            raise Unclear(f"no request line: {b' '.join(parts)[:80]!r}")
        request = Request(parts[0].decode(), parts[1].decode(), self.fields())
        lengths, codings = request.values("content-length"), request.values("transfer-encoding")
        if len(request.values("host")) != 1:
            raise Unclear(f"Host: {request.values('host')}")
        if len(lengths) > 1 or len(codings) > 1 or lengths and codings:
            raise Unclear(f"framing: {lengths} {codings}")
        if lengths:
            if not re.fullmatch(r"[0-9]{1,15}", lengths[0]):
                raise Unclear(f"Content-Length: {lengths[0]!r}")
            request.body = self.exactly(int(lengths[0]))
        elif codings:
            if codings != ["chunked"]:
                raise Unclear(f"Transfer-Encoding: {codings}")
            while True:
                size = self.line()
                if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
                    raise Unclear(f"no chunk size: {size!r}")
                if int(size, 16) == 0:
                    break
                request.body += self.exactly(int(size, 16))
                if self.line():
                    raise Unclear("a chunk longer than its size")
            request.trailers = self.fields()
        return request


class Origin:
    """Answers on a port of loopback, in threads of its own. The answer's content is the target that was asked for."""

    def __init__(self, respond=None):
        self.respond = respond
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.lock, self.requests, self.unclear, self.partial = threading.Lock(), [], [], {}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        record = bytearray()
        reader = Reader(peer, record)
        with peer:
            while True:
                try:
                    with self.lock:
                        self.partial[id(record)] = record
                    request = reader.request()
                except (EOFError, OSError):
                    return self.leave(record)
                except Unclear as problem:
                    with self.lock:
                        self.unclear.append(str(problem))
                    return self.leave(record)
                with self.lock:
                    self.requests.append(request)
                    record.clear()
                    record.extend(reader.buffer)
                try:
                    peer.sendall(self.respond(request) if self.respond else self.answer(request))
                except OSError:
                    return self.leave(record)

    def answer(self, request):
        body = (request.target + "\n").encode().rjust(64, b".")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return head if request.method == "HEAD" else head + body

    def leave(self, record):
        with self.lock:
            self.partial.pop(id(record), None)

    def take(self):
        """The requests and the complaints since the last call, and the bytes of requests that are not whole."""
        with self.lock:
            found = self.requests, self.unclear, sum(len(record) for record in self.partial.values())
            self.requests, self.unclear = [], []
            return found

    def close(self):
        self.listener.close()
