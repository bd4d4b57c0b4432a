#!/usr/bin/env python3
"""Puts services that break the rules of HTTP/2 behind a gateway, and asks through it: what the client sees must be one of a few things, and soon.

    hostile.py [--binary .build/debug/sluice] [--case TEXT]

Every service has a domain of its own, so that none is ejected for what another does. While and after they do their worst the gateway has to serve a plain one.
Exit status: 0 if all was as it has to be, 1 if not, 2 if it could not be asked.
"""

import argparse
import concurrent.futures
import http.client
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
try:
    from judges import hostile, servers
except ImportError as problem:
    print(f"hostile: {problem}: pip install -r {Path(__file__).resolve().parent}/requirements.txt", file=sys.stderr)
    sys.exit(2)
from suite import process  # noqa: E402
from suite.process import Process, free_port  # noqa: E402


class Response(http.client.HTTPResponse):
    def _read_status(self):
        """The final one: the library itself passes over 100 only."""
        while True:
            version, status, reason = super()._read_status()
            if not 100 <= status < 200 or status == 101:
                return version, status, reason
            http.client.parse_headers(self.fp)


def ask(port, number, one, timeout):
    """The status, or `CUT`, or what else came; and the content."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.response_class = Response
    status = None
    try:
        connection.request(one.method, f"/s{number}/x", body=one.body or None)
        answer = connection.getresponse()
        status = answer.status
        if one.method == "HEAD":
            return status, b""
        return status, answer.read()
    except TimeoutError:
        return "silence", b""
    except (http.client.HTTPException, OSError) as problem:
        return hostile.CUT if status else f"no answer ({type(problem).__name__})", b""
    finally:
        connection.close()


def judge(port, number, one):
    """None, or what is wrong."""
    begun = time.monotonic()
    saw, content = ask(port, number, one, one.seconds + 4)
    took = time.monotonic() - begun
    if saw not in one.sees:
        return f"the client sees {saw}, not {' or '.join(map(str, one.sees))}"
    if saw == 200 and one.text is not None and content != one.text:
        return f"the client gets {content[:40]!r}"
    if took > one.seconds:
        return f"{saw} after {took:.1f} s"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=servers.ROOT / ".build/debug/sluice", help="the binary (.build/debug/sluice)")
    parser.add_argument("--case", default="", help="services whose name has this part")
    parser.add_argument("--lanes", type=int, default=4, help="services at once (4)")
    parser.add_argument("--verbose", action="store_true", help="names every service")
    parser.add_argument("--list", action="store_true", help="names the services and stops")
    options = parser.parse_args()
    some = [one for one in hostile.all_of_them() if options.case in one.name]
    if options.list:
        print("\n".join(one.name for one in some))
        return 0
    process.raise_file_limit()
    folder = process.scratch()
    plain = hostile.Hostile("plain", lambda stream: hostile.answer(stream), (200,), text=b"ok", seconds=2)
    services = [hostile.Service(one) for one in (plain, *some)]
    port = free_port()
    configuration = servers.write(folder / "sluice.yaml", [
        f"listeners: [{{address: '127.0.0.1:{port}'}}]", "projects:", "  judged: {ceiling: 10000000}", "domains:",
        *(line for number, service in enumerate(services) for line in (
            f"  - key: s{number}", "    project: judged", f"    upstream: h2c://127.0.0.1:{service.hostile.port}", "    upstreamTimeoutMs: 3000", "    endpoints: [{path: /**}]"))])
    settings = {"SLUICE_WORKERS": "1", "SLUICE_ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "SLUICE_ACCESS_LOG": "off", "SLUICE_LOG_LEVEL": "error"}
    gateway = Process("sluice", [options.binary.resolve(), "run", "--config", configuration], None, settings, folder).wait_until_listening(port, seconds=30)
    failed = 0
    try:
        with concurrent.futures.ThreadPoolExecutor(options.lanes) as pool:
            beside = [pool.submit(judge, port, number, one) for number, one in enumerate(some, 1)]
            while not all(one.done() for one in beside):
                if problem := judge(port, 0, plain):
                    failed += 1
                    print(f"FAILED  the plain service beside: {problem}", flush=True)
                time.sleep(0.2)
        for one, done in zip(some, beside):
            if problem := done.result():
                failed += 1
                print(f"FAILED  {one.name}: {problem}")
            elif options.verbose:
                print(f"passed  {one.name}")
        if gateway.child.poll() is not None:
            failed += 1
            print(f"FAILED  the gateway has ended with {gateway.child.poll()}: {gateway.log.read_text()[-500:]}")
        elif problem := judge(port, 0, plain):
            failed += 1
            print(f"FAILED  the plain service afterwards: {problem}")
    finally:
        gateway.stop()
        for service in services:
            service.close()
    print(f"{len(some)} services, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.Failure as problem:
        print(f"hostile: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
