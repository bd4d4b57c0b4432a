#!/usr/bin/env python3
"""Asks Sluice over HTTP/2 without a pause while it is reloaded and replaced, and counts what gets no answer.

    continuity.py [--binary .build/release/sluice] [--requests 100000] [--reloads 20] [--take-overs 3] [--tls] [--upstream h2c]

Some connections hold --streams requests each under way. A connection that is told to end by GOAWAY is followed by another one; requests above the last
stream that it names, and those that are refused with REFUSED_STREAM, are sent again, as any client may. All others have to be answered with 200.
Reloads (SIGHUP, with a changed file) and take-overs (a new process beside the old one) are spread over the requests. Exit status: 0 if no request failed
and every process ended as it should, 1 if not, 2 if it could not be done.
"""

import argparse
import asyncio
import collections
import os
import shutil
import signal
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
try:
    from judges import cases, servers, wire
except ImportError as problem:
    print(f"continuity: {problem}: pip install -r {Path(__file__).resolve().parent}/requirements.txt", file=sys.stderr)
    sys.exit(2)
from suite import http2, process  # noqa: E402
from suite.process import Process  # noqa: E402

OK = 0x88    # :status 200 as an index of the static table
QUIET_SECONDS = 10


class Count:
    def __init__(self, wanted):
        self.left, self.answered, self.again, self.connections, self.failed = wanted, 0, 0, 0, collections.Counter()

    def take(self):
        if self.left == 0:
            return False
        self.left -= 1
        return True


class Client(asyncio.Protocol):
    """One connection, with so many requests under way as long as there are any."""

    def __init__(self, count, head, streams):
        self.count, self.head, self.streams = count, head, streams
        self.under_way, self.next, self.rest, self.last, self.over = {}, 1, b"", None, asyncio.get_running_loop().create_future()
        self.heard = time.monotonic()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(wire.PREFACE + wire.settings((wire.INITIAL_WINDOW_SIZE, 1 << 30)) + wire.settings(ack=True) + wire.window(0, 1 << 30))
        self.ask()

    def ask(self):
        frames = []
        while self.last is None and len(self.under_way) < self.streams and self.count.take():
            frames.append(wire.headers(self.next, self.head))
            self.under_way[self.next] = None
            self.next += 2
        if frames:
            self.transport.write(b"".join(frames))
        elif not self.under_way:
            self.transport.close()

    def data_received(self, data):
        self.heard = time.monotonic()
        self.rest += data
        at = 0
        while len(self.rest) - at >= 9:
            length = int.from_bytes(self.rest[at:at + 3], "big")
            if len(self.rest) - at < 9 + length:
                break
            kind, flags, stream = self.rest[at + 3], self.rest[at + 4], int.from_bytes(self.rest[at + 5:at + 9], "big")
            self.frame(kind, flags, stream, self.rest[at + 9:at + 9 + length])
            at += 9 + length
        self.rest = self.rest[at:]
        self.ask()

    def frame(self, kind, flags, stream, payload):
        if kind == wire.PING and not flags & wire.ACK:
            self.transport.write(wire.ping(payload, ack=True))
        elif kind == wire.GOAWAY:
            last, code = int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")
            if code:
                self.count.failed[f"GOAWAY {wire.code_name(code)}"] += 1
            self.last = last
            for number in [number for number in self.under_way if number > last]:
                self.send_again(number)
        elif kind == wire.RST_STREAM and stream in self.under_way:
            code = int.from_bytes(payload, "big")
            if code == wire.REFUSED_STREAM:
                self.send_again(stream)
            else:
                self.fail(stream, f"RST_STREAM {wire.code_name(code)}")
        elif kind in (wire.HEADERS, wire.DATA) and stream in self.under_way:
            if kind == wire.HEADERS and self.under_way[stream] is None:
                self.under_way[stream] = payload[0] if payload else 0
            if flags & wire.END_STREAM:
                if self.under_way[stream] == OK:
                    self.count.answered += 1
                    del self.under_way[stream]
                else:
                    self.fail(stream, "another status than 200")

    def send_again(self, stream):
        del self.under_way[stream]
        self.count.again += 1
        self.count.left += 1

    def fail(self, stream, why):
        del self.under_way[stream]
        self.count.failed[why] += 1

    def connection_lost(self, problem):
        for stream in list(self.under_way):
            self.fail(stream, "the connection ended before the answer")
        if not self.over.done():
            self.over.set_result(None)


async def keep_asking(address, context, count, head, streams):
    while count.left:
        count.connections += 1
        try:
            _, client = await asyncio.get_running_loop().create_connection(lambda: Client(count, head, streams), *address, ssl=context, server_hostname="localhost" if context else None)
        except OSError as problem:
            count.failed[f"no connection: {problem}"] += 1
            await asyncio.sleep(0.05)
            continue
        while not client.over.done():
            await asyncio.wait([client.over], timeout=1)
            if time.monotonic() - client.heard > QUIET_SECONDS:
                client.transport.abort()


class Succession:
    """The process that serves, and those that served before."""

    def __init__(self, server, folder, binary):
        self.server, self.folder, self.binary, self.current, self.old = server, folder, binary, server.process, []

    def reload(self, number):
        path = self.folder / "sluice.yaml"
        path.write_text(path.read_text().split("\n# ")[0] + f"\n# {number}\n")
        os.kill(self.current.child.pid, signal.SIGHUP)

    def take_over(self, number):
        before, environment = self.current, self.server.environment
        self.current = Process(f"sluice-{number}", [self.binary, "run", "--config", self.folder / "sluice.yaml"], None, environment, self.folder)
        self.old.append(before)
        return before

    def stop(self):
        for one in [*self.old, self.current]:
            one.stop()


async def disturb(succession, count, wanted, options):
    """Spreads what happens evenly over the requests."""
    events = sorted([((at + 1) / (options.reloads + 1), "reload") for at in range(options.reloads)] + [((at + 1) / (options.take_overs + 1), "take over") for at in range(options.take_overs)])
    problems = []
    for number, (share, what) in enumerate(events):
        while count.answered + sum(count.failed.values()) < wanted * share:
            await asyncio.sleep(0.01)
        if succession.current.child.poll() is not None:
            return problems + [f"the process that serves has ended with {succession.current.child.poll()}: {succession.current.log.read_text()[-1000:]}"]
        if what == "reload":
            succession.reload(number)
            continue
        before = succession.take_over(number)
        end = time.monotonic() + 30
        while before.child.poll() is None and time.monotonic() < end:
            await asyncio.sleep(0.05)
        if succession.current.child.poll() is not None:
            problems.append(f"the new process has ended with {succession.current.child.poll()}: {succession.current.log.read_text()[-1000:]}")
            succession.current = before    # which goes on serving
            succession.old.remove(before)
        elif before.child.poll() != 0:
            problems.append(f"the process before take-over {number} ended with {before.child.poll()}")
    return problems


async def ask_all(server, succession, count, options):
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
    port = server.tls if options.tls else server.clear
    kit = cases.Kit("https" if options.tls else "http", f"127.0.0.1:{port}", "/v1/members/7")
    asking = [keep_asking(("127.0.0.1", port), context, count, kit.block(), options.streams) for _ in range(options.connections)]
    return (await asyncio.gather(disturb(succession, count, options.requests, options), *asking))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=servers.ROOT / ".build/debug/sluice", help="the binary (.build/debug/sluice)")
    parser.add_argument("--requests", type=int, default=100_000, help="requests in all (100000)")
    parser.add_argument("--reloads", type=int, default=20, help="reloads in between (20)")
    parser.add_argument("--take-overs", type=int, default=3, help="take-overs in between (3)")
    parser.add_argument("--connections", type=int, default=10, help="connections at once (10)")
    parser.add_argument("--streams", type=int, default=20, help="requests at once on each (20)")
    parser.add_argument("--tls", action="store_true", help="over TLS")
    parser.add_argument("--upstream", choices=("http", "h2c"), default="http", help="what the service speaks (http)")
    options = parser.parse_args()
    process.raise_file_limit()
    process.build_tools()
    folder, port = process.scratch(), process.free_port()
    if options.upstream == "h2c":
        if not shutil.which("nghttpd"):
            raise process.Failure("not installed: nghttpd")
        upstream = http2.upstream(port, None, folder)
    else:
        upstream = Process("upstream", [process.TOOLS / "upstream", port], None, None, folder).wait_until_listening(port)
    server = servers.start("sluice", folder, port, binary=options.binary, upstream=options.upstream, environment={"SLUICE_TAKEOVER_SOCKET": str(folder / "takeover.sock")})
    succession, count, begun = Succession(server, folder, options.binary.resolve()), Count(options.requests), time.monotonic()
    try:
        problems = asyncio.run(ask_all(server, succession, count, options))
    finally:
        succession.stop()
        upstream.stop()
    seconds = time.monotonic() - begun
    for why, number in [*count.failed.items(), *((problem, 1) for problem in problems)]:
        print(f"FAILED  {number} times: {why}")
    print(f"{count.answered} of {options.requests} answered, {sum(count.failed.values())} failed, {count.again} sent again, over {count.connections} connections, "
          f"{options.reloads} reloads and {options.take_overs} take-overs; {seconds:.0f} s, {count.answered / seconds:.0f}/s")
    return 1 if count.failed or problems or count.answered != options.requests else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.Failure as problem:
        print(f"continuity: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
