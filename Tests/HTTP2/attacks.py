#!/usr/bin/env python3
"""Attacks a gateway at full speed from one connection, one attack after another, and measures what that costs others.

    attacks.py --server sluice [--binary .build/release/sluice]    starts a gateway in front of an origin of its own; --server nginx, haproxy, h2o, ...
    attacks.py --address 127.0.0.1:8080 --pid 4711 [--path /x]     attacks one that runs, and speaks HTTP/2 without TLS; PATH/64k has a large content

For each attack: a quiet time, then the attack, each --seconds long, with a well-behaved client beside it that sends --rate requests a second from
another address. The bars: after the first second the attack takes at most 10 % of a core, resident memory grows by at most 4 MiB (or, where there are
many connections, by what each may take), and the client's p99 is at most twice its quiet one, with no request failed. A p99 below --noise counts as
that. Exit status: 0 if all are met, 1 if not, 2 if it could not be done.
"""

import argparse
import json
import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
try:
    from judges import attacks, cases
    from judges.wire import END_STREAM, INITIAL_WINDOW_SIZE, PREFACE, headers, settings, window
except ImportError as problem:
    print(f"attacks: {problem}: pip install -r {Path(__file__).resolve().parent}/requirements.txt", file=sys.stderr)
    sys.exit(2)
from judges import servers  # noqa: E402
from suite import process  # noqa: E402

CPU_MAX, MEMORY_MAX_KIB, TAIL_MAX = 0.10, 4096, 2.0
CLIENT_ADDRESS = "127.0.0.2"
GATEWAY_CORE, OTHER_CORE = 0, 1


# ---------------------------------------------------------------- the gateway, from outside

class Gateway:
    def __init__(self, pid):
        self.pid = pid

    def pids(self):
        """With its children: some have a master."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid] + [int(child) for child in children]

    def cpu(self):
        """Seconds of processor time so far."""
        total = 0
        for pid in self.pids():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                try:
                    total += int((thread / "schedstat").read_text().split()[0])
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return total / 1e9

    def resident(self):
        """KiB."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    @property
    def lives(self):
        try:
            return "\nState:\tZ" not in Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return False


# ---------------------------------------------------------------- the client beside it

class Client:
    """One request at a time over one connection, which is opened again where it has ended."""

    def __init__(self, address, head):
        self.address, self.head, self.socket = address, head, None

    def ask(self):
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=5, source_address=(CLIENT_ADDRESS, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(PREFACE + settings((INITIAL_WINDOW_SIZE, 1 << 30)) + settings(ack=True) + window(0, 1 << 30))
            self.stream, self.rest = 1, b""
        self.socket.sendall(headers(self.stream, self.head))
        while True:
            while len(self.rest) < 9 or len(self.rest) < 9 + int.from_bytes(self.rest[:3], "big"):
                more = self.socket.recv(65536)
                if not more:
                    raise ConnectionError("ended")
                self.rest += more
            length = int.from_bytes(self.rest[:3], "big")
            kind, flags, stream = self.rest[3], self.rest[4], int.from_bytes(self.rest[5:9], "big")
            self.rest = self.rest[9 + length:]
            if kind == 3 or kind == 7:
                raise ConnectionError("reset")
            if kind in (0, 1) and stream == self.stream and flags & END_STREAM:
                self.stream += 2
                return

    def drop(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None


def behave(address, head, rate, pipe):
    """A process: at every number of seconds that comes through the pipe, sends for so long, and gives latencies in ms and failures back."""
    client = Client(address, head)
    while (seconds := pipe.recv()) is not None:
        latencies, failed, begun, count = [], 0, time.monotonic(), 0
        while time.monotonic() < begun + seconds:
            due = begun + count / rate
            time.sleep(max(0, due - time.monotonic()))
            count += 1
            try:
                client.ask()
                latencies.append((time.monotonic() - due) * 1000)
            except OSError:
                failed += 1
                client.drop()
        pipe.send((sorted(latencies), failed))


def attack_process(attack, address, seconds, kit, pipe):
    os.nice(10)    # the client beside it is to wait for the gateway, not for the attacker's turn on a core
    stage = attacks.Stage(address, seconds, kit)
    try:
        attack.play(stage)
    except OSError as problem:
        stage.refused += 1
        pipe.send({**stage.outcome(), "problem": str(problem)})
        return
    stage.sit()
    pipe.send(stage.outcome())


def percentile(latencies, share):
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] if latencies else float("inf")


# ---------------------------------------------------------------- a run

class Run:
    def __init__(self, gateway, address, kit, options):
        self.gateway, self.address, self.kit, self.options = gateway, address, kit, options
        self.context = multiprocessing.get_context("fork")
        self.pipe, other = self.context.Pipe()
        self.client = self.context.Process(target=behave, args=(address, kit.block(), options.rate, other), daemon=True)
        self.client.start()

    def warm_up(self):
        """What honest clients make a gateway take, before its memory is compared: large responses on many streams, and connections."""
        stage = attacks.Stage(self.address, 2, self.kit)
        many = [stage.connect(((INITIAL_WINDOW_SIZE, 1 << 30),)) for _ in range(20)]
        get = attacks.opener(stage, True, *[(f"x-field-{at}", "y" * 50) for at in range(40)], path=attacks.large(stage))
        for one in many:
            one.push(window(0, 1 << 30))
        for turn in range(4):
            for one in many:
                one.push(b"".join(get(2 * (100 * turn + at) + 1) for at in range(100)))
            time.sleep(0.4)
        for one in many:
            one.socket.close()
        time.sleep(0.5)

    def beside(self, seconds, during=None):
        """The client's latencies and failures of so many seconds; CPU and memory are looked at in between."""
        before, began, cpu = self.gateway.resident(), time.monotonic(), self.gateway.cpu()
        self.pipe.send(seconds)
        peak, later, later_at = before, None, None
        while not self.pipe.poll(0.05):
            if not self.gateway.lives:
                raise process.Failure("the gateway has died")
            peak = max(peak, self.gateway.resident())
            if later is None and time.monotonic() >= began + 1:
                later, later_at = self.gateway.cpu(), time.monotonic()
            if time.monotonic() > began + seconds + 15:
                raise process.Failure("the client beside it hangs")
        latencies, failed = self.pipe.recv()
        share = (self.gateway.cpu() - later) / (time.monotonic() - later_at)
        return {"p50": percentile(latencies, 0.5), "p99": percentile(latencies, 0.99), "failed": failed, "share": share, "growth": peak - before,
                "first": (later - cpu) / (later_at - began)}

    def attack(self, attack):
        seconds = self.options.seconds
        quiet = self.beside(seconds)
        pipe, other = self.context.Pipe()
        attacker = self.context.Process(target=attack_process, args=(attack, self.address, seconds, self.kit, other), daemon=True)
        attacker.start()
        under = self.beside(seconds)
        outcome = pipe.recv() if pipe.poll(10) else {"problem": "the attacker hangs"}
        attacker.join(5)
        if attacker.is_alive():
            attacker.kill()
        return self.verdict(attack, quiet, under, outcome)

    def verdict(self, attack, quiet, under, outcome):
        missed, options = [], self.options
        share = max(0, under["share"] - quiet["share"])
        allowed = max(MEMORY_MAX_KIB, attack.each * outcome.get("connections", 0))
        tail = max(under["p99"], options.noise) / max(quiet["p99"], options.noise)
        if share > CPU_MAX:
            missed.append(f"CPU {share:.0%}")
        if under["growth"] > allowed:
            missed.append(f"memory {under['growth'] / 1024:.1f} MiB")
        if tail > TAIL_MAX:
            missed.append(f"p99 x{tail:.1f}")
        if under["failed"]:
            missed.append(f"{under['failed']} failed")
        if attack.ends and outcome.get("alive"):
            missed.append("goes on")
        if "problem" in outcome:
            missed.append(outcome["problem"])
        return {"attack": attack.name, "missed": missed, "share": share, "first": under["first"], "growth": under["growth"] / 1024, "quiet": quiet["p99"],
                "under": under["p99"], **outcome}


def ended(result):
    many, alive = result.get("connections", 0), result.get("alive", 0)
    if many == 0:
        return "not connected"
    how = "/".join(result["codes"]) or "closed"
    if alive == many:
        return "open"
    return (f"{how} at {result['last']:.1f} s" if result["last"] is not None else how) + (f", {alive} of {many} open" if alive else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", nargs="*", help="parts of names of attacks (all)")
    parser.add_argument("--server", help=f"starts one of {', '.join(servers.STARTERS)}")
    parser.add_argument("--binary", help="another binary than the usual one")
    parser.add_argument("--address", help="HOST:PORT of one that runs")
    parser.add_argument("--pid", type=int, help="its process")
    parser.add_argument("--path", default="/", help="what is asked for (/)")
    parser.add_argument("--seconds", type=float, default=5, help="of each attack, and of the quiet time before it (5)")
    parser.add_argument("--rate", type=int, default=200, help="requests a second of the client beside it (200)")
    parser.add_argument("--noise", type=float, default=1.0, help="ms of p99 that are the machine's own (1.0)")
    parser.add_argument("--tries", type=int, default=3, help="how often an attack is tried that misses nothing but p99 (3)")
    parser.add_argument("--json", type=Path, help="writes the figures to this file")
    parser.add_argument("--list", action="store_true", help="names the attacks and stops")
    options = parser.parse_args()
    some = [attack for attack in attacks.all_attacks() if not options.attack or any(part in attack.name for part in options.attack)]
    if options.list:
        print("\n".join(attack.name for attack in some))
        return 0
    if bool(options.server) == bool(options.address) or bool(options.address) != bool(options.pid):
        parser.error("name either --server, or --address and --pid")
    if options.seconds < 2:
        parser.error("--seconds is at least 2")

    process.raise_file_limit()
    server = upstream = None
    if options.server:
        process.build_tools()
        folder, port = process.scratch(), process.free_port()
        upstream = process.Process("upstream", [process.TOOLS / "upstream", port], OTHER_CORE, None, folder).wait_until_listening(port)
        server = servers.start(options.server, folder, port, binary=options.binary, core=GATEWAY_CORE)
        pid, address = server.process.child.pid, ("127.0.0.1", server.clear)
        os.sched_setaffinity(0, {OTHER_CORE})
    else:
        host, _, port = options.address.rpartition(":")
        pid, address = options.pid, (host, int(port))

    results = []
    try:
        run = Run(Gateway(pid), address, cases.Kit("http", f"{address[0]}:{address[1]}", options.path), options)
        run.warm_up()
        print(f"{'attack':42} {'sent':>9} {'ended':34} {'1st s':>6} {'CPU':>5} {'memory':>9} {'p99':>14}  verdict")
        for attack in some:
            one = run.attack(attack)
            for _ in range(options.tries - 1):
                # A latency is also what else the machine did: it is the gateway's if it comes again.
                if not one["missed"] or any(not what.startswith("p99") for what in one["missed"]):
                    break
                one = run.attack(attack)
            results.append(one)
            verdict = "met" if not one["missed"] else "MISSED: " + ", ".join(one["missed"])
            print(f"{one['attack']:42} {one.get('sent', 0) / 1e6:6.1f} MB {ended(one):34} {one['first']:6.0%} {one['share']:5.0%} {one['growth']:5.1f} MiB "
                  f"{one['quiet']:5.1f} > {one['under']:4.1f} ms  {verdict}", flush=True)
    finally:
        for one in (server, upstream):
            if one:
                one.stop()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    missed = sum(bool(one["missed"]) for one in results)
    print(f"{len(results)} attacks, {missed} not met")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.Failure as problem:
        print(f"attacks: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
