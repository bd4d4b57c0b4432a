"""Servers of several makers on loopback, each with a cleartext port and a TLS port that speak HTTP/2, in front of an origin."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "benchmarks"))
from suite.process import Failure, Process, free_port  # noqa: E402

CERTIFICATE = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls.key", "-out", "tls.crt", "-days", "30",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]


@dataclass
class Server:
    name: str
    clear: int    # ports; 0: it has none
    tls: int
    process: Process
    has_origin: bool = True
    environment: dict = field(default_factory=dict)    # what it was started with

    def stop(self):
        self.process.stop()


def make_certificate(folder):
    if not (folder / "tls.crt").exists():
        subprocess.run(CERTIFICATE, check=True, capture_output=True, cwd=folder)
        (folder / "tls.pem").write_bytes((folder / "tls.crt").read_bytes() + (folder / "tls.key").read_bytes())
        for name in ("tls.crt", "tls.key", "tls.pem"):
            (folder / name).chmod(0o644)


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def sluice(folder, origin, binary=None, core=None, upstream="http", domain=(), environment=None):
    """One domain for every host. `upstream` is the scheme towards the origin, `domain` are further lines of the domain."""
    binary = Path(binary or ROOT / ".build/debug/sluice").resolve()
    if not binary.exists():
        raise Failure(f"{binary} does not exist: build it, or name one with --binary")
    clear, tls, admin = free_port(), free_port(), free_port()
    configuration = write(folder / "sluice.yaml", [
        "listeners:", f"  - {{address: '127.0.0.1:{clear}', http2: cleartext}}",
        f"  - {{address: '127.0.0.1:{tls}', tls: {{certificate: {folder}/tls.crt, key: {{file: {folder}/tls.key}}}}}}",
        "projects:", "  judged: {ceiling: 10000000}", "domains:", "  - key: judged", "    hosts: \"*\"", "    project: judged", f"    upstream: {upstream}://127.0.0.1:{origin}",
        *(f"    {line}" for line in domain), "    endpoints:", "      - path: /**"])
    settings = {"SLUICE_WORKERS": "1", "SLUICE_ADMIN_LISTEN": f"127.0.0.1:{admin}", "SLUICE_ACCESS_LOG": "off", "SLUICE_LOG_LEVEL": "warning",
                "SLUICE_UPSTREAM_POOL_SIZE": "512", **(environment or {})}
    process = Process("sluice", [binary, "run", "--config", configuration], core, settings, folder)
    return Server("sluice", clear, tls, process.wait_until_listening(clear, seconds=30), environment=settings)


def nginx(folder, origin, binary=None, core=None, upstream="http", **_):
    """Towards services, HTTP/2 is for gRPC only."""
    clear, tls = free_port(), free_port()
    passed = "proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host;" if upstream == "http" else "grpc_pass grpc://origin;"
    configuration = write(folder / "nginx.conf", [
        "daemon off; worker_processes 1; error_log stderr crit;", f"pid {folder}/nginx.pid;", "events { worker_connections 8000; }", "http {", "access_log off;",
        *(f"{kind}_temp_path {folder}/nginx-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")), "keepalive_requests 100000000;",
        f"upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 100000000; }}",
        "server {", f"listen 127.0.0.1:{clear} http2;", f"listen 127.0.0.1:{tls} ssl http2;", f"ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;",
        f"client_max_body_size 100m; location / {{ {passed} }}", "}", "}"])
    process = Process("nginx", [binary or "/usr/sbin/nginx", "-p", folder, "-c", configuration, "-e", "stderr"], core, None, folder)
    return Server("nginx", clear, tls, process.wait_until_listening(clear))


def haproxy(folder, origin, binary=None, core=None, upstream="http", **_):
    clear, tls = free_port(), free_port()
    configuration = write(folder / "haproxy.cfg", [
        "global", "nbthread 1", "maxconn 7000", "defaults", "mode http", "timeout connect 5s", "timeout client 75s", "timeout server 60s", "frontend gateway",
        f"bind 127.0.0.1:{clear} proto h2", f"bind 127.0.0.1:{tls} ssl crt {folder}/tls.pem alpn h2", "default_backend service",
        "backend service", f"server origin 127.0.0.1:{origin}" + ("" if upstream == "http" else " proto h2")])
    process = Process("haproxy", [binary or "/usr/sbin/haproxy", "-db", "-f", configuration], core, None, folder)
    return Server("haproxy", clear, tls, process.wait_until_listening(clear))


def h2o(folder, origin, binary=None, core=None, **_):
    clear, tls = free_port(), free_port()
    configuration = write(folder / "h2o.conf", [
        "num-threads: 1", f"listen: {{host: 127.0.0.1, port: {clear}}}",
        f"listen: {{host: 127.0.0.1, port: {tls}, ssl: {{certificate-file: {folder}/tls.crt, key-file: {folder}/tls.key}}}}",
        "hosts:", "  default:", "    paths:", "      /:", f"        proxy.reverse.url: http://127.0.0.1:{origin}/", "        proxy.preserve-host: ON", "user: root"])
    process = Process("h2o", [binary or "/usr/bin/h2o", "-c", configuration], core, None, folder)
    return Server("h2o", clear, tls, process.wait_until_listening(clear))


def apache(folder, origin, binary=None, core=None, **_):
    clear, tls = free_port(), free_port()
    modules = Path("/usr/lib/apache2/modules")
    names = {"mpm_event": "mpm_event", "http2": "http2", "proxy": "proxy", "proxy_http": "proxy_http", "ssl": "ssl", "authz_core": "authz_core", "socache_shmcb": "socache_shmcb"}
    configuration = write(folder / "apache.conf", [
        *(f"LoadModule {name}_module {modules}/mod_{file}.so" for name, file in names.items()), f"ServerRoot {folder}", f"PidFile {folder}/apache.pid", "ServerName localhost",
        f"Listen 127.0.0.1:{clear}", f"Listen 127.0.0.1:{tls}", "ErrorLog /dev/stderr", "LogLevel crit", "Protocols h2c h2 http/1.1", "H2Direct on", "ProxyPreserveHost on",
        f"ProxyPass / http://127.0.0.1:{origin}/", f"<VirtualHost 127.0.0.1:{tls}>", "SSLEngine on", f"SSLCertificateFile {folder}/tls.crt", f"SSLCertificateKeyFile {folder}/tls.key",
        "</VirtualHost>"])
    process = Process("apache", [binary or "/usr/sbin/apache2", "-X", "-f", configuration], core, None, folder)
    return Server("apache", clear, tls, process.wait_until_listening(clear))


def nghttpx(folder, origin, binary=None, core=None, **_):
    clear, tls = free_port(), free_port()
    process = Process("nghttpx", [
        binary or "nghttpx", f"--frontend=127.0.0.1,{clear};no-tls", f"--frontend=127.0.0.1,{tls}", f"--backend=127.0.0.1,{origin}", "--conf=/dev/null", "--workers=1",
        "--no-location-rewrite", "--errorlog-file=/dev/stderr", folder / "tls.key", folder / "tls.crt"], core, None, folder)
    return Server("nghttpx", clear, tls, process.wait_until_listening(clear))


def nghttpd(folder, origin, binary=None, core=None, **_):
    """Serves a file itself: a server for the cases that need no origin."""
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "index.html").write_text("x" * 64)
    clear = free_port()
    process = Process("nghttpd", [binary or "nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", folder / "files", str(clear)], core, None, folder)
    return Server("nghttpd", clear, 0, process.wait_until_listening(clear), has_origin=False)


STARTERS = {one.__name__: one for one in (sluice, nginx, haproxy, h2o, apache, nghttpx, nghttpd)}


def start(name, folder, origin, **options):
    if name not in STARTERS:
        raise Failure(f"no server named {name}: there are {', '.join(STARTERS)}")
    make_certificate(folder)
    try:
        return STARTERS[name](folder, origin, **options)
    except FileNotFoundError as problem:
        raise Failure(f"not installed: {problem.filename}") from None
