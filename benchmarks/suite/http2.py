"""HTTP/2 for the comparison: h2load as the client, curl for the check before, nghttpd as a service that speaks it."""

import re
import subprocess

from .process import Failure, Process

# h2load names these itself; the others of a request are given as they are.
PSEUDO = {"Host": ":authority"}
UPSTREAM_PATHS = ("plain/v1/members", "v1/members")
GRPC_MESSAGE = b"\0" + (127).to_bytes(4, "big") + b"x" * 127


def url(port, request, tls):
    return f"{'https' if tls else 'http'}://127.0.0.1:{port}{request.target}"


def fields(request):
    return [f"{PSEUDO.get(name, name.lower())}: {value}" for name, value in request.header() if name not in ("Content-Length", "Transfer-Encoding")]


def command(setting, port, request, requests, body, log):
    """So many requests over the setting's connections, each with so many streams at once; `body` is a file, `log` gets a line for each."""
    command = ["h2load", "-t1", f"-c{setting.connections}", f"-m{setting.streams}", f"-n{requests}", f"--log-file={log}"]
    for field in fields(request):
        command += ["-H", field]
    return command + ([f"--data={body}"] if request.body else []) + [url(port, request, setting.tls)]


def figures(output, log, status, body):
    """As `load` would have printed them. Each line of the log is a start, a status and a duration, in microseconds."""
    requests = re.search(r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded", output, re.M)
    took = re.search(r"^finished in ([\d.]+)(us|ms|s),", output, re.M)
    traffic = re.search(r"^traffic: .*\((\d+)\) data", output, re.M)
    if not requests or not took or not traffic:
        raise Failure(f"h2load said: {output.strip()[-500:]}")
    total, _, succeeded = map(int, requests.groups())
    durations, other = [], 0
    for line in log.read_text().splitlines():
        _, code, duration = line.split("\t")[:3]
        durations.append(int(duration))
        other += int(code) != status
    log.unlink()
    failed = max(total - succeeded, other) if status < 400 else other
    if body is not None and not failed and int(traffic[1]) != total * body:
        raise Failure(f"{traffic[1]} bytes of content came for {total} requests, not {body} for each")
    durations.sort()
    at = lambda share: durations[min(len(durations) - 1, int(len(durations) * share))]
    seconds = float(took[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1}[took[2]]
    return {"requests": total, "failed": failed, "other": 0, "seconds": seconds, "perSecond": total / seconds, "p50": at(0.5), "p99": at(0.99), "p999": at(0.999)}


def ask(port, request, tls, body):
    """Status, header fields (names in lower case, trailers among them) and body."""
    command = ["curl", "-sk", "--max-time", "5", "-D", "/dev/stderr", "-X", request.method, "--http2" if tls else "--http2-prior-knowledge"]
    for name, value in request.header():
        command += ["-H", f"{name}: {value}"]
    command += ["--data-binary", f"@{body}"] if request.body else []
    done = subprocess.run([*command, url(port, request, tls)], capture_output=True)
    lines = done.stderr.decode("latin-1").split("\r\n")
    if done.returncode or not lines[0].startswith("HTTP/2 "):
        raise Failure(f"curl ended with {done.returncode}: {lines[0][:100]}")
    header = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:] if ":" in line)}
    if ("TE", "trailers") in request.header():
        header.update(trailers(port, request, tls, body))
    return int(lines[0].split()[1]), header, done.stdout


def trailers(port, request, tls, body):
    """All fields that come back, as nghttp shows them: curl keeps trailers to itself."""
    command = ["nghttp", "-nv", f"--data={body}"] if request.body else ["nghttp", "-nv"]
    for field in fields(request):
        command += ["-H", field]
    output = subprocess.run([*command, "-H", f":method: {request.method}", url(port, request, tls)], capture_output=True, text=True, timeout=10).stdout
    return dict(re.findall(r"recv \(stream_id=\d+\) ([a-z-]+): (.*)", re.sub(r"\x1b\[[0-9;]*m", "", output)))


def upstream(port, core, folder, grpc=False):
    """nghttpd, with a file for each path that a gateway asks for. It answers POST as it does GET, and ends with a trailer where that is gRPC's."""
    for path in UPSTREAM_PATHS:
        place = folder / "files" / path
        place.mkdir(parents=True)
        (place / "7").write_bytes(GRPC_MESSAGE if grpc else b"x" * 128)
    more = ["--trailer=grpc-status: 0"] if grpc else []
    return Process("nghttpd", ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-m", "1000", "-d", folder / "files", *more, port], core, None, folder).wait_until_listening(port)
