#!/usr/bin/env python3
"""Has other makers' clients ask through a gateway, and other makers' servers answer: curl, nghttp, h2load, httpx, grpcio, grpclib, Chromium, Firefox; nginx,
Apache, hypercorn, nghttpd, grpcio, grpclib.

    interop.py --server sluice [--binary .build/debug/sluice]    or another gateway: --server haproxy, nginx

Prints a line for every check. What is not installed is left out and said so. Exit status: 0 if nothing failed, 1 if something did, 2 if it could not be
asked. It needs the packages of requirements-interop.txt; without them the checks with Python's clients are left out.
"""

import argparse
import asyncio
import hashlib
import re
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
try:
    from judges import cases, servers, wire
    from judges.checks import Checks, expect, program, run
    from judges.framed_origin import FramedOrigin
    from judges.origin import Origin
except ImportError as problem:
    print(f"interop: {problem}: pip install -r {Path(__file__).resolve().parent}/requirements-interop.txt", file=sys.stderr)
    sys.exit(2)
from suite import process  # noqa: E402
from suite.process import Process, free_port  # noqa: E402

try:
    import httpx
except ImportError:
    httpx = None
try:
    import hypercorn
    from judges import browser
except ImportError:
    hypercorn = None
try:
    from judges import grpc_service
    import grpc
except ImportError:
    grpc = None
try:
    from judges import grpclib_peer
except ImportError:
    grpclib_peer = None

MIB = 1 << 20


def respond(request):
    """The origin's answers: so many bytes, trailers, or what it got, in short."""
    name = request.target.split("?")[0].rsplit("/", 1)[-1]
    if name.startswith("bytes"):
        body = b"x" * int(name.removeprefix("bytes"))
    elif name == "trailers":
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 17\r\n\r\n"
    elif name == "nothing":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    else:
        body = f"{request.method} {len(request.body)} {hashlib.sha256(request.body).hexdigest()} {dict(request.trailers)}".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nX-Cookie: {';'.join(request.values('cookie'))}\r\n\r\n".encode()
    return head if request.method == "HEAD" else head + body


# ---------------------------------------------------------------- clients of other makers

def curl(url, *more, http="2"):
    """Version, status and content."""
    version = {"2": "--http2", "1": "--http1.1"}[http] if url.startswith("https") else {"2": "--http2-prior-knowledge", "1": "--http1.1"}[http]
    output = run(["curl", "-sk", "--max-time", "30", version, "-w", "\n%{http_version} %{http_code}", *more, url])
    content, _, last = output.rpartition(b"\n")
    return *last.decode().split(), content


def told_of(method, body, trailers="{}"):
    return f"{method} {len(body)} {hashlib.sha256(body).hexdigest()} {trailers}".encode()


def with_clients(checks, where, base, folder):
    """`base` is https://... or http://..., without a slash at its end."""
    upload = folder / "upload"
    upload.write_bytes(bytes(range(256)) * (4 * MIB // 256))
    whole = upload.read_bytes()

    def get():
        expect(curl(base + "/bytes5") == ("2", "200", b"xxxxx"), "not what was asked for")

    def head():
        expect(curl(base + "/bytes5", "-I")[:2] == ("2", "200"), "not 200 over HTTP/2")

    def first_version():
        expect(curl(base + "/bytes5", http="1") == ("1.1", "200", b"xxxxx"), "not what was asked for")

    def post():
        expect(curl(base + "/echo", "--data-binary", f"@{upload}") == ("2", "200", told_of("POST", whole)), "what arrived is not what was sent")

    def put_in_pieces():
        # From a pipe, so without a length.
        output = run(["curl", "-sk", "--max-time", "30", "--http2" if base.startswith("https") else "--http2-prior-knowledge", "-T", "-", base + "/echo"], input=whole)
        expect(output == told_of("PUT", whole), "what arrived is not what was sent")

    def expectation():
        expect(curl(base + "/echo", "-H", "Expect: 100-continue", "--data-binary", "hello") == ("2", "200", told_of("POST", b"hello")), "what arrived is not what was sent")

    def large():
        expect(len(curl(f"{base}/bytes{16 * MIB}")[2]) == 16 * MIB, "cut")

    def many():
        output = run(["curl", "-sk", "--max-time", "30", "--http2" if base.startswith("https") else "--http2-prior-knowledge", "-Z", "--parallel-immediate", f"{base}/bytes5?[1-40]"])
        expect(output == b"xxxxx" * 40, f"{len(output)} bytes")

    def empty():
        expect(curl(base + "/nothing") == ("2", "204", b""), "not 204")

    for name, action in (("GET", get), ("HEAD", head), ("HTTP/1.1 at the same port", first_version), ("POST of 4 MiB", post), ("PUT without a length", put_in_pieces),
                         ("Expect", expectation), ("16 MiB down", large), ("40 at once", many), ("204", empty)):
        checks.check(f"{where}: curl, {name}", action, ["curl"])

    def nghttp_get():
        output = run(["nghttp", "-nv", base + "/bytes5"]).decode()
        expect(":status: 200" in output, "no 200")

    def nghttp_trailer():
        output = run(["nghttp", "--no-content-length", f"--data={upload}", "--trailer=x-checked: yes", base + "/echo"])
        expect(output == told_of("POST", whole, "{'x-checked': 'yes'}"), f"got {output[-80:]!r}")

    def nghttp_response_trailer():
        expect("x-sum: 17" in run(["nghttp", "-nv", base + "/trailers"]).decode(), "no trailer")

    def nghttp_small_windows():
        expect(len(run(["nghttp", "-w", "10", "-W", "12", f"{base}/bytes{MIB}"])) == MIB, "cut")

    for name, action in (("GET", nghttp_get), ("POST with a trailer", nghttp_trailer), ("a response with a trailer", nghttp_response_trailer), ("windows of 1 KiB", nghttp_small_windows)):
        checks.check(f"{where}: nghttp, {name}", action, ["nghttp"])

    def h2load(*more, count):
        def action():
            output = run(["h2load", "-n", count, *more], seconds=120).decode()
            found = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
            expect(found and found.groups() == (str(count), "0", "0", "0"), found[0] if found else output[-200:])
            expect(f"status codes: {count} 2xx" in output, "another status")
        return action

    checks.check(f"{where}: h2load, 10 connections with 32 streams", h2load("-c10", "-m32", base + "/bytes5", count=2000), ["h2load"])
    checks.check(f"{where}: h2load, 10 connections with 100 streams", h2load("-c10", "-m100", base + "/bytes5", count=5000), ["h2load"])
    small = folder / "small"
    small.write_bytes(b"p" * 16_384)
    checks.check(f"{where}: h2load, POST of 16 KiB", h2load("-c10", "-m10", "-d", small, base + "/echo", count=500), ["h2load"])
    checks.check(f"{where}: h2load, 1 MiB down with windows of 4 KiB", h2load("-c2", "-m5", "-w12", "-W14", f"{base}/bytes{MIB}", count=20), ["h2load"])

    if httpx is None:
        return checks.leave_out(f"{where}: httpx", "not installed")
    over = {"verify": False, "http2": True, "http1": False, "timeout": 30}

    def httpx_get():
        with httpx.Client(**over) as client:
            answer = client.get(base + "/bytes5", cookies={"a": "1", "b": "2"})
            expect((answer.http_version, answer.content) == ("HTTP/2", b"xxxxx"), f"{answer.http_version} {answer.content[:20]}")
            expect(answer.headers["x-cookie"] == "a=1; b=2", answer.headers["x-cookie"])

    def httpx_post():
        with httpx.Client(**over) as client:
            answer = client.post(base + "/echo", content=iter([whole[:70_000], whole[70_000:]]))
            expect(answer.content == told_of("POST", whole), "what arrived is not what was sent")

    def httpx_many():
        async def all_of_them():
            async with httpx.AsyncClient(**over) as client:
                answers = await asyncio.gather(*(client.post(f"{base}/echo", content=b"%d" % at * 1000) for at in range(90)))
                for at, answer in enumerate(answers):
                    expect(answer.content == told_of("POST", b"%d" % at * 1000), f"the answer to another one for {at}")
        asyncio.run(all_of_them())

    for name, action in (("GET with cookies", httpx_get), ("POST in pieces", httpx_post), ("90 at once", httpx_many)):
        checks.check(f"{where}: httpx, {name}", action)


# ---------------------------------------------------------------- gRPC

def with_grpc(checks, where, channel, service):
    call = grpc_service.calls(channel)
    wait = {"timeout": 10}

    def unary():
        expect(call["Unary"](b"hello", **wait) == b"hello", "another answer")
        expect(call["Unary"](b"", **wait) == b"", "another answer to nothing")

    def collect():
        expect(call["Collect"](iter([b"a" * 1000] * 50), **wait) == b"50 of 50000 bytes", "another answer")

    def spread():
        expect([int(one) for one in call["Spread"](b"200", **wait)] == list(range(200)), "another answer")

    def talk():
        turn, heard = threading.Semaphore(1), []

        def words():
            for word in (b"one", b"two", b"three"):
                expect(turn.acquire(timeout=5), "no answer to the word before")
                yield word
        for answer in call["Talk"](words(), **wait):
            heard.append(answer)
            turn.release()
        expect(heard == [b"ONE", b"TWO", b"THREE"], f"heard {heard}")

    def metadata():
        sent = (("x-plain", "a value"), ("x-some-bin", bytes(range(256))))
        answer, done = call["Unary"].with_call(b"hello", metadata=sent, **wait)
        expect(sorted(sent) == sorted((name, value) for name, value in done.initial_metadata() if name.startswith("x-plain") or name.startswith("x-some")), "initial metadata differ")
        late = dict(done.trailing_metadata())
        expect(late.get("x-plain-late") == "a value" and late.get("x-some-late-bin") == bytes(range(256)), f"trailing metadata: {late}")

    def large():
        message = bytes(range(256)) * (4 * MIB // 256 - 16)
        expect(call["Unary"](message, timeout=30) == message, "another answer")

    def trailers_only():
        code, details = grpc_service.failure(lambda: call["Unary"](b"fail", **wait))
        expect((code, details) == (grpc.StatusCode.FAILED_PRECONDITION, "it is 100% wrong: \u00e9\n"), f"{code} {details!r}")

    def fails_late():
        heard = []
        code, details = grpc_service.failure(lambda: [heard.append(one) for one in call["Talk"](iter([b"a", b"b", b"fail late"]), **wait)])
        expect((code, details, heard) == (grpc.StatusCode.ABORTED, "late", [b"A", b"B"]), f"{code} {details!r} {heard}")

    def unknown():
        code, _ = grpc_service.failure(lambda: call["Nothing"](b"", **wait))
        expect(code == grpc.StatusCode.UNIMPLEMENTED, f"{code}")

    def deadline():
        begun = time.monotonic()
        code, _ = grpc_service.failure(lambda: call["Unary"](b"sleep", timeout=0.3))
        expect(code == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begun < 1, f"{code} after {time.monotonic() - begun:.2f} s")
        expect(service.remaining is not None and service.remaining <= 0.35, f"the service was told {service.remaining}")

    def cancel():
        stream = call["Spread"](b"-500", **wait)
        next(stream)
        begun = time.monotonic()
        stream.cancel()
        expect(service.ended.wait(2), "the service is not told")
        took = service.ended_at - begun
        expect(took < 0.5, f"the service is told after {took * 1000:.0f} ms")

    def many():
        pending = [call["Unary"].future(b"%d" % at, timeout=30) for at in range(2000)]
        expect(all(one.result() == b"%d" % at for at, one in enumerate(pending)), "another answer")

    def many_streams():
        pending = [call["Spread"](b"20", timeout=30) for _ in range(20)]
        expect(all(len(list(one)) == 20 for one in pending), "cut")

    for name, action in (("unary", unary), ("client stream", collect), ("server stream", spread), ("both streams", talk), ("metadata, binary too", metadata),
                         ("messages of 4 MiB", large), ("an error without a message", trailers_only), ("an error behind messages", fails_late), ("an unknown method", unknown),
                         ("a deadline", deadline), ("cancelling", cancel), ("2,000 calls", many), ("20 streams at once", many_streams)):
        checks.check(f"{where}: grpcio, {name}", action)


def ask_grpc(checks, options, folder):
    """Both makers' clients before both makers' services."""
    for maker, peer in (("grpcio", grpc and grpc_service), ("grpclib", grpclib_peer)):
        if peer is None:
            checks.leave_out(f"gRPC of {maker}", "not installed")
            continue
        service, place = peer.Service(), folder / f"grpc-{maker}"
        place.mkdir()
        gateway = servers.start(options.server, place, service.port, binary=options.binary, upstream="h2c")
        try:
            ask_grpc_service(checks, maker, service, gateway, place / "tls.crt")
        finally:
            service.stop()
            gateway.stop()


def ask_grpc_service(checks, maker, service, gateway, certificate):
    name = f"service of {maker}"
    if grpclib_peer:
        for how, port, trust in (("in cleartext", gateway.clear, None), ("over TLS", gateway.tls, certificate)):
            for what, action in grpclib_peer.client_checks(port, trust, service):
                checks.check(f"gRPC {how}, {name}: grpclib, {what}", action)
    if grpc is None:
        service.stop()
        return checks.check(f"gRPC over TLS, {name}: grpclib, a service that is gone", lambda: grpclib_peer.gone(gateway.tls, certificate))
    with grpc.insecure_channel(f"127.0.0.1:{gateway.clear}", options=grpc_service.OPTIONS) as channel:
        with_grpc(checks, f"gRPC in cleartext, {name}", channel, service)
    with grpc.secure_channel(f"localhost:{gateway.tls}", grpc.ssl_channel_credentials(certificate.read_bytes()), options=grpc_service.OPTIONS) as channel:
        with_grpc(checks, f"gRPC over TLS, {name}", channel, service)
        service.stop()

        def unavailable():
            code, details = grpc_service.failure(lambda: grpc_service.calls(channel)["Unary"](b"hello", timeout=10))
            expect(code == grpc.StatusCode.UNAVAILABLE, f"{code} {details!r}")
        checks.check(f"gRPC over TLS, {name}: grpcio, a service that is gone", unavailable)
    if grpclib_peer:
        checks.check(f"gRPC over TLS, {name}: grpclib, a service that is gone", lambda: grpclib_peer.gone(gateway.tls, certificate))


class Silent(FramedOrigin):
    """Takes every request and answers none."""

    def reply(self, connection, stream, request):
        pass


def ask_deadline(checks, options, folder):
    """A client that leaves its deadline to others, and a service that does so too: the gateway ends the call."""
    origin, place = Silent(), folder / "silent"
    place.mkdir()
    gateway = servers.start(options.server, place, origin.port, binary=options.binary, upstream="h2c")

    def action():
        kit = cases.Kit("http", f"127.0.0.1:{gateway.clear}", "/judge.Echo/Unary")
        with wire.Connection(("127.0.0.1", gateway.clear), timeout=5) as connection:
            connection.open()
            begun = time.monotonic()
            connection.send(kit.post(1, ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "400m")), wire.data(1, b"\0\0\0\0\1x", end=True))
            status, fields, _, end = connection.response(1)
            took = time.monotonic() - begun
        expect((status, fields.get("grpc-status"), end) == (200, "4", "end"), f"{status}, grpc-status {fields.get('grpc-status')}, {end}")
        expect(0.35 < took < 1.5, f"after {took:.2f} s")
    try:
        checks.check("gRPC in cleartext: a deadline that nobody else keeps", action)
    finally:
        gateway.stop()
        origin.close()


# ---------------------------------------------------------------- services of other makers

HYPERCORN = '''
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    name = scope["path"].rsplit("/", 1)[-1]
    content = b"x" * 4194304 if name == "large" else b"x" * 64 if not body else b"%d" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})
'''


def files(folder):
    place = folder / "files"
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    (place / "small").write_text("x" * 64)
    (place / "large").write_text("x" * (4 * MIB))
    return place


def nghttpd_service(folder, port, tls=False):
    command = ["nghttpd", *([] if tls else ["--no-tls"]), "-a", "127.0.0.1", "-d", files(folder), port, *([folder / "tls.key", folder / "tls.crt"] if tls else [])]
    return Process("nghttpd-service", command, None, None, folder)


def nginx_service(folder, port, tls=False):
    certificate = f"ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;" if tls else ""
    configuration = servers.write(folder / "service.conf", [
        "daemon off; worker_processes 1; error_log stderr crit;", f"pid {folder}/service.pid;", "events {}", "http {", "access_log off;",
        *(f"{kind}_temp_path {folder}/service-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")), "client_max_body_size 100m;",
        f"server {{ listen 127.0.0.1:{port} http2{' ssl' if tls else ''}; {certificate} location / {{ root {files(folder)}; }} }}", "}"])
    return Process("nginx-service", ["/usr/sbin/nginx", "-p", folder, "-c", configuration, "-e", "stderr"], None, None, folder)


def apache_service(folder, port, tls=False):
    certificate = ["SSLEngine on", f"SSLCertificateFile {folder}/tls.crt", f"SSLCertificateKeyFile {folder}/tls.key"] if tls else []
    modules = Path("/usr/lib/apache2/modules")
    configuration = servers.write(folder / "service-apache.conf", [
        *(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in ("mpm_event", "http2", "authz_core", "ssl", "socache_shmcb")), f"ServerRoot {folder}", f"PidFile {folder}/service-apache.pid",
        "ServerName localhost", f"Listen 127.0.0.1:{port}", "ErrorLog /dev/stderr", "LogLevel crit", f"Protocols {'h2' if tls else 'h2c'} http/1.1", f"H2Direct {'off' if tls else 'on'}", *certificate, f"DocumentRoot {files(folder)}",
        f"<Directory {files(folder)}>", "Require all granted", "</Directory>"])
    return Process("apache-service", ["/usr/sbin/apache2", "-X", "-f", configuration], None, None, folder)


def hypercorn_service(folder, port, tls=False):
    # Behind its GOAWAY it answers none of the requests that it has taken, whoever asks: it must not come to that.
    (folder / "service.py").write_text(HYPERCORN)
    configuration = servers.write(folder / "hypercorn.toml", [f'bind = "127.0.0.1:{port}"', "h2_max_concurrent_streams = 100", "keep_alive_max_requests = 1000000",
                                                                  *([f'certfile = "{folder}/tls.crt"', f'keyfile = "{folder}/tls.key"'] if tls else [])])
    return Process("hypercorn-service", [sys.executable, "-m", "hypercorn", "--config", configuration, "service:app"], None, {"PYTHONPATH": str(folder)}, folder)


def with_service(checks, name, how, base):
    def get():
        version, status, content = curl(base + "/small")
        expect((status, content) == ("200", b"x" * 64), f"{status}, {content[:80]!r}")

    def head():
        expect(curl(base + "/small", "-I")[1] == "200", "not 200")

    def large():
        expect(len(curl(base + "/large")[2]) == 4 * MIB, "cut")

    def many():
        output = run(["h2load", "-n", 2000, "-c10", "-m20", base + "/small"], seconds=120).decode()
        expect("2000 succeeded, 0 failed, 0 errored, 0 timeout" in output and "status codes: 2000 2xx" in output, (re.search(r"status codes.*", output) or [output[-200:]])[0])

    def first_version():
        expect(curl(base + "/small", http="1")[1:] == ("200", b"x" * 64), "not what was asked for")

    for what, action in (("GET", get), ("HEAD", head), ("4 MiB", large), ("2,000 requests", many), ("a client of HTTP/1.1", first_version)):
        checks.check(f"service over {how}: {name}, {what}", action, ["curl", "h2load"])
    if name == "hypercorn":
        def post():
            body = b"y" * 300_000
            content = run(["curl", "-sk", "--max-time", "30", "--http2", "--data-binary", "@-", base + "/small"], input=body)
            expect(content == b"%d" % len(body), f"{content[:80]!r}")
        checks.check(f"service over {how}: {name}, POST of 300 KB", post, ["curl"])


def ask_services(checks, options, folder):
    for name, start, needed in (("nghttpd", nghttpd_service, "nghttpd"), ("nginx", nginx_service, "nginx"), ("Apache", apache_service, "apache2"), ("hypercorn", hypercorn_service, None)):
        if needed and program(needed) is None or needed is None and httpx is None:
            checks.leave_out(f"services: {name}", "not installed")
            continue
        # Only of Sluice is it known here how it is told to choose by ALPN.
        for how in ("h2c", "TLS") if options.server == "sluice" else ("h2c",):
            place, port = folder / f"{name}-{how}", free_port()
            place.mkdir()
            place.chmod(0o755)
            servers.make_certificate(place)
            service = start(place, port, how == "TLS").wait_until_listening(port)
            more = {"upstream": "h2c"} if how == "h2c" else {"upstream": "https", "domain": ["http2: true", f"upstreamTls: {{ca: {place}/tls.crt}}"]}
            gateway = None
            try:
                gateway = servers.start(options.server, place, port, binary=options.binary, **more)
                with_service(checks, name, how, f"https://127.0.0.1:{gateway.tls}")
            finally:
                for one in (gateway, service):
                    if one:
                        one.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="sluice", help=f"the gateway: {', '.join(servers.STARTERS)} (sluice)")
    parser.add_argument("--binary", help="another binary than the usual one")
    parser.add_argument("--parts", default="clients,grpc,services,browsers", help="which parts (clients,grpc,services,browsers)")
    parser.add_argument("--case", default="", help="checks whose name has this part")
    options = parser.parse_args()
    parts = options.parts.split(",")
    process.raise_file_limit()
    failures = [*([httpx.HTTPError] if httpx else []), *([grpc.RpcError] if grpc else [])]
    checks, folder = Checks(options.case, failures), process.scratch()
    if "clients" in parts:
        origin, place = Origin(respond), folder / "clients"
        place.mkdir()
        gateway = servers.start(options.server, place, origin.port, binary=options.binary)
        try:
            with_clients(checks, "clients over TLS", f"https://127.0.0.1:{gateway.tls}", place)
            with_clients(checks, "clients in cleartext", f"http://127.0.0.1:{gateway.clear}", place)
        finally:
            gateway.stop()
            origin.close()
    if "grpc" in parts:
        ask_grpc(checks, options, folder)
        ask_deadline(checks, options, folder)
    if "services" in parts:
        ask_services(checks, options, folder)
    if "browsers" in parts and hypercorn is None:
        checks.leave_out("browsers", "hypercorn, which serves their page, is not installed")
    elif "browsers" in parts:
        browser.ask(checks, options, folder)
    print(f"{checks.passed} passed, {checks.failed} failed, {checks.left_out} left out")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.Failure as problem:
        print(f"interop: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
