"""Requests as they go over the wire, and the credentials that they carry."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass, field

SECRET = "a-secret-of-the-benchmark-and-of-nothing-else"
TIMESTAMP = "2026-11-22T19:00:00Z"  # the policies compare no clocks, so that one signature can be sent for ever
EXPIRY = 4102444800  # 2100-01-01

# What a browser sends; a request with N fields has the Host and the first N - 1 of these.
BROWSER = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "http://www.example.com/members"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef"),
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("X-Client", "benchmark"),
] + [(f"X-Field-{number:02}", f"value-{number:02}-0123456789abcdef") for number in range(1, 60)]


@dataclass(frozen=True)
class Request:
    method: str = "GET"
    target: str = "/plain/v1/members/7"
    fields: int = 10
    """Header fields in all, Host included, credentials and framing included."""
    body: bytes = b""
    chunked: bool = False
    credentials: tuple = field(default=())
    """Field name and value pairs."""

    def header(self):
        own = list(self.credentials)
        if self.chunked:
            own.append(("Transfer-Encoding", "chunked"))
        elif self.body:
            own.append(("Content-Length", str(len(self.body))))
        return [("Host", "gateway.example.com"), *BROWSER[: max(0, self.fields - 1 - len(own))], *own]

    def framed_body(self):
        if not self.chunked:
            return self.body
        pieces = [self.body[at : at + 4096] for at in range(0, len(self.body), 4096)]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    def wire(self):
        lines = [f"{self.method} {self.target} HTTP/1.1"] + [f"{name}: {value}" for name, value in self.header()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.framed_body()

    def wrk_script(self):
        """A Lua script for wrk: the same request, and a `done` that prints one line of JSON."""
        headers = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.header())
        return f"""wrk.method = {json.dumps(self.method)}
wrk.path = {json.dumps(self.target)}
{headers}
done = function(summary, latency)
  local e = summary.errors
  print(string.format('JSON {{"requests": %d, "failed": %d, "timeouts": %d, "other": 0, "seconds": %.4f, "perSecond": %.0f, "p50": %.1f, "p99": %.1f, "p999": %.1f}}',
    summary.requests, e.connect + e.read + e.write + e.status, e.timeout, summary.duration / 1e6, summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""


def signed(method="GET", target="/plain/v1/members/7", secret=SECRET):
    text = f"{method}\n{target}\n{TIMESTAMP}".encode()
    signature = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return (("X-TC-Timestamp", TIMESTAMP), ("Authorization", signature))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned_token(algorithm, serial=0):
    claims = {"iss": "benchmark", "sub": "member-7", "scope": "read", "jti": f"{serial:012}", "exp": EXPIRY}
    return ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))


def hs256(secret=SECRET):
    text = unsigned_token("HS256")
    return (("Authorization", "Bearer " + text + "." + base64url(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())),)


def rs256(key, serial=0):
    text = unsigned_token("RS256", serial)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), capture_output=True, check=True).stdout
    return (("Authorization", "Bearer " + text + "." + base64url(signature)),)


def many_rs256(tool, key, count):
    """Credentials with `count` different tokens."""
    texts = [unsigned_token("RS256", serial) for serial in range(1, count + 1)]
    signatures = subprocess.run([str(tool), str(key)], input="\n".join(texts) + "\n", capture_output=True, text=True, check=True).stdout.split()
    return [(("Authorization", f"Bearer {text}.{signature}"),) for text, signature in zip(texts, signatures, strict=True)]


def make_keys(folder):
    """An RSA key with its public half, and a P-256 certificate with its key; both together for HAProxy."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    openssl("genrsa", "-out", "rsa.key", "2048")
    openssl("rsa", "-in", "rsa.key", "-pubout", "-out", "rsa.pub")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls.key", "-out", "tls.crt",
            "-days", "30", "-subj", "/CN=gateway.example.com", "-addext", "subjectAltName=DNS:gateway.example.com")
    (folder / "tls.pem").write_bytes((folder / "tls.crt").read_bytes() + (folder / "tls.key").read_bytes())
    for file in ("rsa.pub", "tls.crt", "tls.key", "tls.pem"):
        (folder / file).chmod(0o644)


def ask(port, request, tls=False):
    """One request on a connection of its own: status, header fields (names in lower case) and body."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        stream = plain
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            stream = context.wrap_socket(plain, server_hostname="gateway.example.com")
        stream.sendall(request.wire())
        data = b""
        while b"\r\n\r\n" not in data:
            data += more(stream)
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        header = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        if header.get("transfer-encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += more(stream)
            body = unchunk(body)
        else:
            while len(body) < int(header.get("content-length", 0)):
                body += more(stream)
        return int(lines[0].split()[1]), header, body


def more(stream):
    data = stream.recv(65536)
    if not data:
        raise ConnectionError("the connection ended before the answer did")
    return data


def unchunk(data):
    body = b""
    while True:
        size, data = data.split(b"\r\n", 1)
        count = int(size.split(b";")[0], 16)
        if count == 0:
            return body
        body, data = body + data[:count], data[count + 2 :]
