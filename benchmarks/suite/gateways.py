"""The programs that are compared, each started with the least configuration that does a scenario's work.

All of them: one worker on the core that is measured, keep-alive to the client without an end and to the upstream with a pool as large as the
number of connections, no access log unless the scenario is about logs. nginx, HAProxy and nginx+Lua add no forwarding fields of their own, where
Sluice always adds its six: the comparison is with the cheapest that they can be.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field, replace

from .process import Failure, Process, TOOLS

MODULES = "/usr/lib/nginx/modules"


@dataclass
class Setting:
    """What a scenario asks of a gateway; each program reads its own part."""
    sluice: dict = field(default_factory=dict)    # ceiling, top (lines of the file), domain and endpoint (policy lines), path, endpoints, workers
    variants: dict = field(default_factory=dict)    # label: another `sluice` part; the scenario then compares Sluice with itself
    nginx: dict | None = field(default_factory=dict)    # http, location, proxied
    lua: dict | None = None    # the same as nginx
    haproxy: dict | None = field(default_factory=dict)    # frontend (lines), extra (sections), proxied
    h2o: bool = False    # H2O does what the scenario asks
    floor: bool | str = False    # "pool": clients share upstream connections
    http2: bool = False    # clients speak HTTP/2: by ALPN with TLS, else from the first byte
    streams: int = 1    # requests at once on each connection, with HTTP/2
    service: str = "http"    # what the service speaks: http, h2c, or grpc over h2c
    both_cores: bool = False    # the gateways may use both cores, beside the load
    tls: bool = False
    logs: bool = False
    connections: int = 64


@dataclass
class Place:
    """Where a gateway is started."""
    folder: object
    sluice: object
    core: object
    upstream: int    # a port
    ports: object    # makes free ports
    under: tuple = ()    # a program that runs the gateway, with its arguments
    binary: object = None    # another one than Debian's, or than the Sluice that is measured


def sluice(setting, place, port, name="sluice"):
    own = setting.sluice
    lines = ["listeners:", f"  - address: 127.0.0.1:{port}"]
    if setting.http2 and not setting.tls:
        lines.append("    http2: cleartext")
    if setting.tls:
        lines.append(f"    tls: {{certificate: {place.folder}/tls.crt, key: {{file: {place.folder}/tls.key}}}}")
    lines += own.get("top", [])
    lines += ["projects:", f"  bench: {{ceiling: {own.get('ceiling', 10_000_000)}}}", "domains:", "  - key: plain", "    project: bench"]
    lines.append(f"    upstream: {'http' if setting.service == 'http' else 'h2c'}://127.0.0.1:{place.upstream}")
    if own.get("domain"):
        lines += ["    policies:"] + [f"      {line}" for line in own["domain"]]
    lines.append("    endpoints:")
    for number in range(own.get("endpoints", 1) - 1):
        lines += [f"      - path: /v{number % 50}/resource{number}/{{id}}", "        methods: [GET]"]
    lines.append(f"      - path: {own.get('path', '/**')}")
    if own.get("endpoint"):
        lines += ["        policies:"] + [f"          {line}" for line in own["endpoint"]]
    configuration = place.folder / f"{name.replace(' ', '-')}.yaml"
    text = "\n".join(lines) + "\n"
    configuration.write_text(text.replace("@FOLDER@", str(place.folder)).replace("@UPSTREAM@", str(place.upstream)))
    environment = {
        "SLUICE_WORKERS": str(own.get("workers", 1)), "SLUICE_ADMIN_LISTEN": f"127.0.0.1:{place.ports()}",
        "SLUICE_UPSTREAM_POOL_SIZE": str(max(256, setting.connections * setting.streams)), "SLUICE_LOG_LEVEL": "warning",
        "SLUICE_ACCESS_LOG": str(place.folder / "sluice-access.log") if setting.logs else "off",
    }
    name = name.replace(" ", "-")
    process = Process(name, [*place.under, place.binary or place.sluice, "run", "--config", configuration], place.core, environment, place.folder)
    return process.wait_until_listening(port, seconds=60)


def version(binary, option):
    """Of a program, as numbers."""
    done = subprocess.run([binary, option], capture_output=True, text=True)
    found = re.search(r"(\d+)\.(\d+)(?:\.|-dev)(\d+)", done.stdout + done.stderr)
    if not found:
        raise Failure(f"{binary} {option} names no version")
    return tuple(map(int, found.groups()))


def nginx(setting, place, port, name="nginx"):
    own = setting.lua if name == "nginx+Lua" else setting.nginx
    name = name.replace(" ", "-")
    binary = place.binary or "/usr/sbin/nginx"
    is_new = version(binary, "-v") >= (1, 25, 1)
    if setting.service == "h2c" and version(binary, "-v") < (1, 29, 4):
        raise Failure("speaks HTTP/2 to services since 1.29.4 only")
    modules = [f"load_module {MODULES}/ndk_http_module.so;", f"load_module {MODULES}/ngx_http_lua_module.so;"] if name == "nginx+Lua" else []
    log_format = (
        """log_format line escape=json '{"time":"$time_iso8601","requestId":"$request_id","client":"$remote_addr","method":"$request_method",' """
        """'"path":"$uri","status":$status,"requestBytes":$request_length,"responseBytes":$bytes_sent,"duration":$request_time,"upstream":"$upstream_response_time"}';""")
    access = f"access_log {place.folder}/{name}-access.log line buffer=64k flush=1s;" if setting.logs else "access_log off;"
    proxied = [] if own.get("proxied") is False else ["grpc_pass grpc://upstream;"] if setting.service == "grpc" else [f"proxy_pass {own.get('pass', 'http://upstream')};"]
    listen = f"listen 127.0.0.1:{port}" + (" ssl" if setting.tls else "") + (" http2" if setting.http2 and not is_new else "") + " backlog=4096;"
    if setting.http2:
        listen += " http2_max_concurrent_streams 1000;" + (" http2 on;" if is_new else "")
    certificate = [f"ssl_certificate {place.folder}/tls.crt;", f"ssl_certificate_key {place.folder}/tls.key;", "ssl_protocols TLSv1.2 TLSv1.3;"] if setting.tls else []
    text = "\n".join([
        *modules, "daemon off;", "worker_processes 1;", "worker_rlimit_nofile 16384;", f"pid {place.folder}/{name}.pid;", "error_log stderr crit;",
        "events { worker_connections 16000; }", "http {", log_format if setting.logs else "", access,
        "keepalive_requests 100000000; keepalive_timeout 75s; tcp_nodelay on; client_body_buffer_size 64k;",
        *(f"{kind}_temp_path {place.folder}/{name}-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
        f"upstream upstream {{ server 127.0.0.1:{place.upstream}; keepalive {max(256, setting.connections * setting.streams)}; keepalive_requests 100000000; }}",
        *own.get("http", []), "server {", listen, *certificate, *own.get("server", []), "location / {",
        f'proxy_http_version {2 if setting.service == "h2c" else 1.1}; proxy_set_header Connection "";', *own.get("location", []), *proxied, "}", "}", "}"]) + "\n"
    configuration = place.folder / f"{name}.conf"
    configuration.write_text(text.replace("@FOLDER@", str(place.folder)).replace("@UPSTREAM@", str(place.upstream)))
    command = [binary, "-p", place.folder, "-c", configuration, "-e", "stderr"]
    return Process(name, command, place.core, None, place.folder).wait_until_listening(port)


def lua(setting, place, port):
    return nginx(setting, place, port, name="nginx+Lua")


def haproxy(setting, place, port, name="HAProxy"):
    own = setting.haproxy
    name = name.replace(" ", "-")
    bind = f"bind 127.0.0.1:{port} backlog 4096" + (f" ssl crt {place.folder}/tls.pem" if setting.tls else "")
    if setting.http2:
        bind += " alpn h2" if setting.tls else " proto h2"
    log = ["log stdout format raw local0"] if setting.logs else []
    backend = [] if own.get("proxied") is False else [
        "backend service", "http-reuse always", f"server upstream 127.0.0.1:{place.upstream} pool-max-conn {max(256, setting.connections * setting.streams)}" + ("" if setting.service == "http" else " proto h2")]
    text = "\n".join([
        "global", "nbthread 1", "maxconn 7000", "tune.ssl.default-dh-param 2048", *log,
        "defaults", "mode http", "timeout connect 5s", "timeout client 75s", "timeout server 60s", *(["log global", "option httplog"] if setting.logs else []),
        *own.get("extra", []),
        "frontend gateway", bind, *own.get("frontend", []), *(["default_backend service"] if backend else []), *backend]) + "\n"
    configuration = place.folder / f"{name}.cfg"
    configuration.write_text(text.replace("@FOLDER@", str(place.folder)).replace("@UPSTREAM@", str(place.upstream)))
    return Process(name, [place.binary or "/usr/sbin/haproxy", "-db", "-f", configuration], place.core, None, place.folder).wait_until_listening(port)


def h2o(setting, place, port, name="H2O"):
    name = name.replace(" ", "-")
    binary = place.binary or "/usr/bin/h2o"
    if setting.service != "http" and version(binary, "-v") < (2, 3, 0):
        raise Failure("speaks HTTP/2 to services since 2.3 only")
    to_service = [] if setting.service == "http" else ["        proxy.http2.ratio: 100", "        proxy.http2.force-cleartext: ON"]
    tls = f", ssl: {{certificate-file: {place.folder}/tls.crt, key-file: {place.folder}/tls.key}}" if setting.tls else ""
    configuration = place.folder / f"{name}.conf"
    configuration.write_text("\n".join([
        "num-threads: 1", f"listen: {{host: 127.0.0.1, port: {port}{tls}}}", "http2-max-concurrent-requests-per-connection: 1000", "hosts:", "  default:", "    paths:", "      /:",
        f"        proxy.reverse.url: http://127.0.0.1:{place.upstream}/", "        proxy.timeout.keepalive: 60000", *to_service, "user: root"]) + "\n")
    return Process(name, [binary, "-c", configuration], place.core, None, place.folder, serves_itself=True).wait_until_listening(port)


def floor(setting, place, port):
    return Process("floor", [TOOLS / "floor", port, place.upstream, *(["--pool"] if setting.floor == "pool" else [])], place.core, None, place.folder).wait_until_listening(port)


STARTERS = {"Sluice": sluice, "nginx": nginx, "HAProxy": haproxy, "nginx+Lua": lua, "H2O": h2o, "floor": floor}
BEFORE = "Sluice before"
OTHERS = {}    # programs that the caller named: one of the names above and a version, to a binary


def add_other(kind, binary):
    """Another version of nginx, HAProxy or H2O takes part wherever that one does. Its name."""
    try:
        name = f"{kind} {'.'.join(map(str, version(binary, '-v')))}"
    except OSError as problem:
        raise Failure(f"{binary}: {problem.strerror}") from None
    OTHERS[name] = binary
    return name


def add_before(binary):
    """An earlier binary of Sluice takes part beside the one that is measured. Its name."""
    if not os.access(binary, os.X_OK):
        raise Failure(f"{binary} is no program")
    OTHERS[BEFORE] = binary
    return BEFORE


def start(program, setting, place, port):
    if program in setting.variants:
        own = replace(setting, sluice=setting.variants[program])
        return sluice(own, place, port, name=program.replace(" ", "-").replace(",", ""))
    if program in OTHERS:
        return STARTERS[program.split(" ")[0]](setting, replace(place, binary=OTHERS[program]), port, name=program)
    if program not in STARTERS:
        raise Failure(f"no program named {program}")
    return STARTERS[program](setting, place, port)


def programs(setting):
    """Those that can do what the scenario asks."""
    if setting.variants:
        return ["Sluice", *setting.variants]
    own = [name for name, has in (
        ("Sluice", True), ("nginx", setting.nginx is not None), ("HAProxy", setting.haproxy is not None), ("nginx+Lua", setting.lua is not None), ("H2O", setting.h2o),
        ("floor", setting.floor)) if has]
    return own + [name for name in OTHERS if name.split(" ")[0] in own]
