#!/usr/bin/env python3
"""Runs the corpus against Sluice, nginx and HAProxy on loopback and prints their scores side by side.

    compare.py [--sluice BINARY] [--only sluice,nginx,haproxy] [--case TEXT] [--whole] [--verbose]

Nothing but the standard library. Servers run in a temporary folder and end with the script. README.md describes the files.
"""
import argparse, base64, concurrent.futures, glob, hashlib, hmac, os, random, re, select, shutil, signal, socket, struct
import subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
LANES = 4
SECRET = b"conformance"


def token():
    part = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=")
    text = part(b'{"alg":"HS256"}') + b"." + part(b'{"sub":"sub"}')
    return text + b"." + part(hmac.new(SECRET, text, hashlib.sha256).digest())


# ---------------------------------------------------------------- the corpus

ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def unescape(text):
    """The bytes that a text stands for: escapes, and \\[text*N] for a repetition."""
    out, i = bytearray(), 0
    while i < len(text):
        c = text[i]
        if c != "\\":
            out += c.encode()
            i += 1
        elif text[i + 1] == "x":
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
        elif text[i + 1] == "[":
            end = text.index("]", i)
            body, count = text[i + 2:end].rsplit("*", 1)
            out += unescape(body) * int(count)
            i = end + 1
        else:
            out += ESCAPES[text[i + 1]]
            i += 2
    return bytes(out)


class Case:
    def __init__(self, file, name):
        self.file, self.name, self.keys, self.lines = file, name, {}, []

    def one(self, key, default=None):
        return self.keys.get(key, [default])[0]

    def many(self, key):
        return self.keys.get(key, [])

    def __str__(self):
        return f"{self.file}: {self.name}"


def corpus(kind):
    cases = []
    for path in sorted(glob.glob(os.path.join(HERE, kind, "*.txt"))):
        case, inside = None, False
        for line in open(path, encoding="utf-8"):
            line = line.rstrip("\n")
            if line.startswith("### "):
                case, inside = Case(f"{kind}/{os.path.basename(path)}", line[4:]), False
                cases.append(case)
            elif not line:
                inside = False
                case = None
            elif inside:
                case.lines.append(line)
            elif case and line == "--":
                inside = True
            elif case:
                key, value = line.split(":", 1)
                case.keys.setdefault(key, []).append(value[1:])
    return cases


# ---------------------------------------------------------------- the upstream

class Ended(Exception):
    pass


class Reader:
    """Reads HTTP/1.1 off a socket, strictly."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            raise Ended(self.buffer)
        self.buffer += data

    def line(self):
        while b"\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise ValueError(b"a line without CR: " + line[:60])
        return line[:-1]

    def bytes(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def fields(self):
        fields = []
        while True:
            line = self.line()
            if not line:
                return fields
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(rb"[\0-\x08\x0a-\x1f\x7f]", value):
                raise ValueError(b"a malformed field: " + line[:60])
            fields.append((name, value.strip(b" \t")))

    def chunks(self):
        body = b""
        while True:
            size = self.line()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
                raise ValueError(b"a malformed chunk size: " + size[:60])
            if int(size, 16) == 0:
                return body, self.fields()
            body += self.bytes(int(size, 16))
            if self.bytes(2) != b"\r\n":
                raise ValueError(b"a chunk without its CRLF")


def value(fields, name):
    for key, text in fields:
        if key.lower() == name:
            return text
    return None


class Request:
    method = target = b""
    framing, body, whole, fault = "none", b"", False, None

    def __init__(self):
        self.fields, self.trailers, self.connection = [], [], 0

    def __repr__(self):
        return f"{self.method.decode('latin1')} {self.target.decode('latin1')[:60]} {self.framing} body={self.body[:40]!r} whole={self.whole} fault={self.fault}"


class Upstream:
    """Records every request that reaches it, byte-strict, and answers by the case at hand."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.requests, self.connections, self.script, self.early = [], [], None, None
        self.lock = threading.Lock()
        self.accepted = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.accepted += 1
                self.connections.append(sock)
                number = self.accepted
            threading.Thread(target=self.serve, args=(sock, number), daemon=True).start()

    def serve(self, sock, number):
        reader = Reader(sock)
        try:
            if self.early:
                sock.sendall(self.early)
            while self.one(sock, reader, number):
                pass
        except OSError:
            pass
        with self.lock:
            if sock in self.connections:
                self.connections.remove(sock)
        sock.close()

    def one(self, sock, reader, number):
        request = Request()
        request.connection = number
        recorded = False

        def record():
            nonlocal recorded
            if not recorded:
                recorded = True
                with self.lock:
                    self.requests.append(request)
        try:
            line = reader.line()
            record()
            parts = line.split(b" ")
            if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
                raise ValueError(b"a malformed request line: " + line[:80])
            request.method, request.target = parts[0], parts[1]
            request.fields = reader.fields()
            coding, length = value(request.fields, b"transfer-encoding"), value(request.fields, b"content-length")
            names = [name.lower() for name, _ in request.fields]
            if coding is not None and length is not None or names.count(b"content-length") > 1 or names.count(b"host") != 1:
                raise ValueError(b"ambiguous framing or Host")
            if coding is not None and coding != b"chunked" or length is not None and not length.isdigit():
                raise ValueError(b"unknown framing")
            request.framing = "chunked" if coding else "none" if length is None else f"length={int(length)}"
            script = self.script if request.target.startswith(b"/r/") else None
            if script and script.early_answer:
                return self.answer(sock, script, request)
            if value(request.fields, b"expect") is not None:
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if coding:
                request.body, request.trailers = reader.chunks()
            elif length:
                request.body = reader.bytes(int(length))
            request.whole = True
        except Ended as end:
            if end.args[0] and not recorded:
                request.fault = b"an incomplete line: " + end.args[0][:60]
                record()
            return False
        except ValueError as fault:
            request.fault = fault.args[0]
            record()
            return False
        if script:
            return self.answer(sock, script, request)
        body = request.method + b" " + request.target
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + (b"" if request.method == b"HEAD" else body))
        return True

    def answer(self, sock, script, request):
        for piece in script.pieces(request.target.rsplit(b"/", 1)[1]):
            if piece is None:
                time.sleep(0.03)
            elif piece == "hang":
                try:
                    sock.settimeout(5)
                    while sock.recv(65536):
                        pass
                except OSError:
                    pass
                return False
            else:
                sock.sendall(piece)
        if script.then == "close":
            return False
        if script.then == "reset":
            time.sleep(0.02)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return not script.early_answer

    def take(self):
        with self.lock:
            requests, self.requests = self.requests, []
            return requests

    def drop_connections(self):
        with self.lock:
            connections = list(self.connections)
        for sock in connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        time.sleep(0.02)


class Script:
    """What the upstream sends to a request for /r/..."""

    def __init__(self, case, split=None):
        self.text = "".join(case.lines)
        self.then = case.one("then")
        self.early_answer = case.one("request") == "POST-early"
        self.split = split

    def pieces(self, nonce):
        for part in re.split(r"(\{pause\}|\{hang\})", self.text):
            if part == "{pause}":
                yield None
            elif part == "{hang}":
                yield "hang"
            elif part:
                data = unescape(part.replace("{n}", nonce.decode()))
                if self.split is None:
                    yield data
                else:
                    yield data[:self.split]
                    yield None
                    yield data[self.split:]


# ---------------------------------------------------------------- the client

def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=2.5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Response:
    def __init__(self, status, fields, body, cut, raw):
        self.status, self.fields, self.body, self.cut, self.raw = status, fields, body, cut, raw

    @property
    def closes(self):
        return b"close" in (value(self.fields, b"connection") or b"").lower()


def read_response(reader, head=False, old=False):
    """The next response; None where the connection ended without one. `cut` where it ended inside one."""
    try:
        line = reader.line()
    except Ended as end:
        if end.args[0]:
            raise ValueError(b"rubbish instead of a response: " + end.args[0][:80])
        return None
    match = re.fullmatch(rb"HTTP/1\.[01] (\d\d\d) .*", line)
    if not match:
        raise ValueError(b"not a status line: " + line[:80])
    status, body, cut, fields = int(match[1]), b"", False, []
    try:
        fields = reader.fields()
        if head or status < 200 or status in (204, 304):
            pass
        elif value(fields, b"transfer-encoding") is not None:
            if value(fields, b"content-length") is not None:
                raise ValueError(b"a response with two framings")
            body, _trailers = reader.chunks()
            fields += _trailers
        elif value(fields, b"content-length") is not None:
            body = reader.bytes(int(value(fields, b"content-length")))
        else:
            while True:
                try:
                    data = reader.sock.recv(65536)
                except ConnectionResetError:
                    cut = True
                    break
                if not data:
                    break
                reader.buffer += data
            body, reader.buffer = reader.buffer, b""
    except Ended as end:
        cut = True
    return Response(status, fields, body, cut, line)


def send_pieces(sock, data, cuts):
    last = 0
    for cut in list(cuts) + [len(data)]:
        try:
            sock.sendall(data[last:cut])
        except OSError:
            return
        last = cut
        if cut < len(data):
            time.sleep(0.0007)


class Lane:
    """One proxy with an upstream of its own: whatever reaches that upstream during a case belongs to the case."""

    def __init__(self, proxy, folder, number):
        self.upstream = Upstream()
        self.proxy = proxy(folder, number, self.upstream.port)
        self.random = random.Random(number)
        self.count = 0
        self.name = self.proxy.name

    def nonce(self):
        self.count += 1
        return "%08x" % self.random.getrandbits(32)

    # ---- requests

    def request_case(self, case, splits):
        text = "".join(case.lines).replace("{port}", str(self.upstream.port)).replace("{token}", token().decode())
        data = unescape(text)
        splits = 0 if case.one("pieces") == "no" else splits
        cuts = sorted(self.random.sample(range(1, len(data)), min(len(data) - 1, splits))) if splits and len(data) > 1 else []
        self.upstream.take()
        faults, exact = [], True
        expected = case.one("expect").split()
        ending = expected.pop()
        sock = connect(self.proxy.port)
        reader = Reader(sock)
        closed = False
        try:
            send_pieces(sock, data, cuts)
            if case.one("end") == "half":
                sock.shutdown(socket.SHUT_WR)
            for want in expected:
                status, _, kind = want.partition("/")
                response = read_response(reader, head=kind == "head")
                if response is None:
                    closed = True
                    # A refusal without a response is a refusal.
                    exact = False
                    if int(status) < 400 or ending == "keep":
                        faults.append(f"closed instead of {want}")
                    break
                if response.cut:
                    faults.append(f"{response.status} cut short")
                    break
                if response.status != int(status):
                    exact = False
                    if response.status < 400 or int(status) < 400:
                        faults.append(f"{response.status} instead of {want}")
                        break
            if not faults:
                if ending == "close" and not closed:
                    try:
                        extra = read_response(reader)
                        if extra is not None:
                            faults.append(f"another response: {extra.status}")
                    except TimeoutError:
                        faults.append("not closed")
                elif ending == "wait":
                    if select.select([sock], [], [], 0.15)[0] or reader.buffer:
                        faults.append(f"did not wait: {reader.buffer or sock.recv(200)!r}")
                elif ending == "keep" and not closed:
                    probe = self.nonce()
                    sock.sendall(b"GET /api/probe-%s HTTP/1.1\r\nHost: h\r\n\r\n" % probe.encode())
                    response = read_response(reader)
                    if response is None:
                        exact = False
                        if int(expected[-1].split("/")[0]) < 400:
                            faults.append("closed instead of kept")
                    elif response.body != b"GET /probe-" + probe.encode():
                        faults.append(f"the probe got {response.status} {response.body[:60]!r}")
        except (ValueError, TimeoutError, OSError) as error:
            faults.append(f"{type(error).__name__} {error}")
        finally:
            sock.close()
        if ending != "keep":
            time.sleep(0.01)  # what was given up may be on its way
        seen = [r for r in self.upstream.take() if not r.target.startswith(b"/probe-")]
        unsafe = self.check_upstream(case, seen, faults)
        return faults, exact, unsafe

    def check_upstream(self, case, seen, faults):
        unsafe = False
        want = case.one("upstream")
        saw = case.many("saw")
        incomplete = saw == ["incomplete"]
        if any(r.fault for r in seen):
            unsafe = True
            faults.append(f"the upstream got something malformed: {[r.fault for r in seen if r.fault]}")
        whole = [r for r in seen if r.whole]
        if incomplete:
            if whole:
                unsafe = True
                faults.append(f"the upstream got a whole request: {whole}")
            return unsafe
        if want is not None:
            if len(whole) > int(want) or len(seen) > int(want) and int(want) > 0:
                unsafe = True
            if len(seen) != int(want):
                faults.append(f"{len(seen)} requests reached the upstream, not {want}: {seen[:3]}")
                if int(want) == 0 and not whole:
                    pass
                return unsafe
        for text, request in zip(saw, seen):
            method, target, framing = text.split(" ", 3)[:3]
            rest = text.split(" ", 3)[3] if text.count(" ") >= 3 else ""
            got = (request.method, request.target, request.framing)
            if got != (unescape(method), unescape(target), framing) or rest.startswith("body=") and request.body != unescape(rest[5:]):
                faults.append(f"the upstream saw {request}, not {text[:80]}")
                unsafe = unsafe or request.framing != framing or rest.startswith("body=") and request.body != unescape(rest[5:])
        for request in seen:
            lines = [name.lower() + b": " + text for name, text in request.fields]
            for has in case.many("has"):
                name, _, text = has.replace("{port}", str(self.upstream.port)).partition(":")
                if unescape(name).lower() + b": " + unescape(text.strip()) not in lines:
                    faults.append(f"the upstream did not see {has}")
            for name in case.many("lacks"):
                if value(request.fields, name.lower().encode()) is not None:
                    faults.append(f"the upstream saw {name}: {value(request.fields, name.lower().encode())}")
        if case.file.endswith("chunks.txt"):
            for request in seen[:1]:
                got = [name + b": " + text for name, text in request.trailers]
                if got != [unescape(t) for t in case.many("trailer")]:
                    faults.append(f"trailers {got}")
        return unsafe

    # ---- responses

    def response_case(self, case, split=None):
        up = self.upstream
        faults, exact, unsafe = [], True, False
        script = Script(case, split)
        if case.one("early"):
            up.drop_connections()
            up.early, up.script = unescape(script.text), script
            script.text = ""
        up.script = script
        up.take()
        nonce = self.nonce()
        kind = case.one("request", "GET")
        version = case.one("version", "1.1")
        method = kind.split("-")[0]
        lines = f"{method} /api/r/{nonce} HTTP/{version}\r\nHost: h\r\n"
        if kind == "POST-early":
            lines += "Content-Length: 100\r\n"
        if version == "1.0":
            lines += "Connection: keep-alive\r\n"
        sock = connect(self.proxy.port)
        reader = Reader(sock)
        kept = False
        try:
            sock.sendall(lines.encode() + b"\r\n")
            got, response = [], None
            while True:
                response = read_response(reader, head=method == "HEAD")
                if response is None:
                    break
                got.append(response)
                if response.status >= 200:
                    break
            faults += self.check_response(case, got, nonce)
            exact = not faults
            last = got[-1] if got else None
            if last and b"WRONG" in last.body and "WRONG" not in case.one("expect"):
                unsafe = True
            if last and not last.cut and last.status >= 200 and not last.closes and kind != "POST-early":
                up.script, up.early = None, None
                if "{pause}" in script.text:
                    time.sleep(0.07)  # what comes unasked is there before the next request
                kept = True
                unsafe |= self.probe(sock, reader, faults, "the same connection", last.status >= 500)
        except (ValueError, OSError) as error:
            faults.append(f"{type(error).__name__} {error}")
        finally:
            sock.close()
        up.script, up.early = None, None
        try:
            with connect(self.proxy.port) as other:
                unsafe |= self.probe(other, Reader(other), faults, "another connection")
        except OSError as error:
            faults.append(f"another connection: {error}")
        seen = up.take()
        case_connections = [r.connection for r in seen if r.target.startswith(b"/r/")]
        probes = [r.connection for r in seen if r.target.startswith(b"/probe-")]
        if case_connections and probes and case.one("reuse"):
            reused = case_connections[-1] in probes
            if reused and case.one("reuse") == "no":
                unsafe = True
                faults.append("the upstream connection was used again")
            if not reused and case.one("reuse") == "yes" and self.name == "sluice":
                faults.append("the upstream connection was not used again")
        if len(case_connections) > (2 if case.one("resend") else 1):
            faults.append(f"the request was sent {len(case_connections)} times")
        return faults, exact, unsafe

    def probe(self, sock, reader, faults, what, may_close=False):
        nonce = self.nonce().encode()
        try:
            sock.sendall(b"GET /api/probe-%s HTTP/1.1\r\nHost: h\r\n\r\n" % nonce)
            response = read_response(reader)
        except (ValueError, OSError) as error:
            faults.append(f"{what}: {type(error).__name__} {error}")
            return isinstance(error, ValueError)
        if response is None:
            if not may_close:
                faults.append(f"{what} was closed")
            return False
        if response.body != b"GET /probe-" + nonce:
            faults.append(f"{what} got {response.status} {response.body[:50]!r}")
            return response.status < 400
        return False

    def check_response(self, case, got, nonce):
        text = case.one("expect").replace("{n}", nonce)
        head, _, body = text.partition("body=")
        words = head.split()
        body_known = "body=" in text
        if body_known and body.endswith(" close"):
            body = body[:-6]
        faults = []
        cut = words[0] == "cut" if words else False
        if cut:
            if not got:
                return []
            # The case may have come in one piece with its head: the client can be told then.
            if not got[-1].cut and (len(words) > 1 or got[-1].status != 502):
                return [f"{got[-1].status} whole ({got[-1].body[:40]!r}) instead of cut"]
            return []
        want = [int(word.split("/")[0]) for word in words]
        if [r.status for r in got] != want:
            return [f"{[r.status for r in got]} instead of {want}"]
        last = got[-1]
        if last.cut:
            return [f"{last.status} cut short after {len(last.body)} bytes"]
        if body_known and last.body != unescape(body):
            return [f"body {last.body[:60]!r} ({len(last.body)} bytes)"]
        lines = [name.lower() + b": " + text for name, text in last.fields]
        for has in case.many("has"):
            name, _, text = has.partition(":")
            if unescape(name).lower() + b": " + unescape(text.strip()) not in lines:
                faults.append(f"the client did not see {has}")
        for name in case.many("lacks"):
            if value(last.fields, name.lower().encode()) is not None:
                faults.append(f"the client saw {name}")
        return faults


# ---------------------------------------------------------------- the proxies

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Proxy:
    name = ""

    def __init__(self, folder, number, upstream):
        self.folder = os.path.join(folder, f"{self.name}-{number}")
        os.makedirs(self.folder)
        self.port, self.admin = free_port(), free_port()
        path = os.path.join(self.folder, "configuration")
        with open(path, "w") as file:
            file.write(self.configuration(upstream))
        log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(self.command(path), stdout=log, stderr=log, env=self.environment(), cwd=self.folder)
        for _ in range(500):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{self.name} did not start: {open(os.path.join(self.folder, 'log')).read()}")

    def environment(self):
        return {"PATH": os.environ["PATH"]}

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM if self.name != "sluice" else signal.SIGQUIT)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Sluice(Proxy):
    name = "sluice"
    binary = None

    def environment(self):
        return super().environment() | {
            "SLUICE_LISTEN": f"127.0.0.1:{self.port}", "SLUICE_ADMIN_LISTEN": f"127.0.0.1:{self.admin}", "SLUICE_WORKERS": "1",
            "SLUICE_STATE_DIR": os.path.join(self.folder, "state"), "SLUICE_MAX_BODY_BYTES": "262144",
            "SLUICE_UPSTREAM_TIMEOUT_MS": "1000", "SLUICE_CIRCUIT_AFTER_FAILURES": "0"}

    def configuration(self, upstream):
        domain = lambda key, more="": f"""
  - key: {key}
    project: main
    upstream: http://127.0.0.1:{upstream}
{more}    endpoints:
      - path: "/**"
        methods: [GET, POST, PUT, PATCH, DELETE, OPTIONS]"""
        jwt = "    policies: {jwt: {algorithm: HS256, secret: " + SECRET.decode() + ", expiry: optional, forward: {sub: X-User}}}\n"
        return ("projects:\n  main: {ceiling: 1000000}\ndomains:" + domain("api") + domain("kept", "    encodedSlashes: keep\n")
                + domain("named", "    hosts: [named.test]\n") + domain("who", jwt) + "\n")

    def command(self, path):
        os.rename(path, path + ".yaml")
        return [self.binary, "run", "--config", path + ".yaml"]


class Nginx(Proxy):
    name = "nginx"

    def configuration(self, upstream):
        return f"""daemon off; pid {self.folder}/pid; error_log {self.folder}/error; worker_processes 1; events {{}}
http {{ access_log off; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s; client_max_body_size 256k; large_client_header_buffers 4 32k;
client_header_buffer_size 32k; proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
proxy_read_timeout 1s; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream error timeout;
upstream u {{ server 127.0.0.1:{upstream} max_fails=0; keepalive 16; }}
server {{ listen 127.0.0.1:{self.port}; server_name h; proxy_request_buffering off;
 location = /api {{ proxy_pass http://u/; }} location /api/ {{ proxy_pass http://u/; }} location /kept/ {{ proxy_pass http://u/; }}
 location / {{ return 404; }} }}
server {{ listen 127.0.0.1:{self.port}; server_name named.test; location / {{ proxy_pass http://u; }} }} }}
"""

    def command(self, path):
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.folder, "-c", path]


class HAProxy(Proxy):
    name = "haproxy"

    def configuration(self, upstream):
        return f"""global
  expose-experimental-directives
  tune.bufsize 65536
  tune.maxrewrite 16384
  tune.http.maxhdr 129
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 1s
  timeout http-request 5s
  http-reuse always
frontend f
  bind 127.0.0.1:{self.port}
  http-request normalize-uri path-strip-dot
  http-request normalize-uri path-strip-dotdot full
  http-request normalize-uri percent-decode-unreserved
  acl named hdr(host),field(1,:) -i named.test
  acl keyed path_reg ^/(api|kept)(/|$)
  http-request return status 404 content-type text/plain string no if !named !keyed
  http-request replace-path ^/(?:api|kept)/?(.*) /\\1 if !named
  http-request deny deny_status 413 if {{ req.body_size gt 262144 }}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""

    def command(self, path):
        return [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", path]


# ---------------------------------------------------------------- scores

def run(lanes, cases, work):
    """Runs the cases over the lanes; the results in the order of the cases."""
    results = [None] * len(cases)

    def lane_work(index):
        for number in range(index, len(cases), len(lanes)):
            results[number] = work(lanes[index], cases[number])
    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        for future in [pool.submit(lane_work, index) for index in range(len(lanes))]:
            future.result()
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sluice", default=os.path.join(HERE, "..", "..", ".build", "debug", "sluice"))
    parser.add_argument("--only", default="sluice,nginx,haproxy")
    parser.add_argument("--case", default="", help="only cases whose file and name contain this text")
    parser.add_argument("--whole", action="store_true", help="do not repeat the requests in pieces")
    parser.add_argument("--verbose", action="store_true", help="name the failed cases of the other two as well")
    options = parser.parse_args()
    Sluice.binary = os.path.abspath(options.sluice)
    requests = [c for c in corpus("requests") if options.case in str(c)]
    responses = [c for c in corpus("responses") if options.case in str(c)]
    table, failed = {}, False
    for proxy in (Sluice, Nginx, HAProxy):
        if proxy.name not in options.only.split(","):
            continue
        folder = tempfile.mkdtemp(prefix="conformance-")
        lanes = []
        started = time.monotonic()
        try:
            for number in range(LANES):
                lanes.append(Lane(proxy, folder, number))
            passes = [("requests, whole", requests, lambda lane, case: lane.request_case(case, 0))]
            if not options.whole:
                passes.append(("requests, in pieces", requests, lambda lane, case: lane.request_case(case, 5)))
            passes.append(("responses", responses, lambda lane, case: lane.response_case(case)))
            for title, cases, work in passes:
                for case, (faults, exact, unsafe) in zip(cases, run(lanes, cases, work)):
                    good, same, bad, total = table.setdefault(proxy.name, {}).setdefault((title, case.file), (0, 0, 0, 0))
                    table[proxy.name][(title, case.file)] = (good + (not faults), same + (exact and not faults), bad + unsafe, total + 1)
                    if faults and (proxy is Sluice or options.verbose):
                        print(f"{proxy.name}: {title}: {case}{' (more got through)' if unsafe else ''}")
                        for fault in faults:
                            print(f"    {fault}"[:300])
                    failed |= proxy is Sluice and (bool(faults) or not exact)
                    if proxy is Sluice and not faults and not exact:
                        print(f"sluice: {title}: {case}: another status")
            for lane in lanes:
                if lane.proxy.process.poll() is not None:
                    print(f"{proxy.name} ended with {lane.proxy.process.returncode}: {open(lane.proxy.folder + '/log').read()[-500:]}")
                    failed = True
        finally:
            for lane in lanes:
                lane.proxy.end()
            shutil.rmtree(folder, ignore_errors=True)
        print(f"{proxy.name}: {time.monotonic() - started:.1f} s")
    names = list(table)
    print(f"\n{'passed, with exactly this status; more got through':52}" + "".join(f"{name:>24}" for name in names))
    for key in next(iter(table.values()), {}):
        print(f"{key[0] + ' ' + key[1].split('/')[1]:52}" + "".join("{:>24}".format("{}, {} of {}; {}".format(*[table[n][key][i] for i in (0, 1, 3, 2)])) for n in names))
    sums = {n: [sum(v[i] for v in table[n].values()) for i in range(4)] for n in names}
    print(f"{'all':52}" + "".join("{:>24}".format("{}, {} of {}; {}".format(*[sums[n][i] for i in (0, 1, 3, 2)])) for n in names))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
