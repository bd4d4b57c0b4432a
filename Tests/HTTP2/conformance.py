#!/usr/bin/env python3
"""Asks a server of HTTP/2 whether it keeps the rules: the 147 cases of h2spec, some more, and requests that could mean two things downgraded.

    conformance.py --server sluice [--binary .build/debug/sluice]    starts a gateway in front of an origin of its own; --server nginx, haproxy, h2o, ...
    conformance.py --address 127.0.0.1:8080 [--tls] [--path /x]      asks one that runs, whose --path has a content of at least five bytes;
                                                                     the forms of downgrade are asked with --origin PORT, which it forwards to

Prints a line for every case that is not kept, and a summary. What is allowed by the RFC but not what is asked for is shown as "mild" and is a failure
only with --strict. Exit status: 0 if nothing failed, 1 if something did, 2 if it could not be asked. README.md describes the judges.
"""

import argparse
import concurrent.futures
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
try:
    from judges import cases, downgrade, more_cases
    from judges.expect import Fault
    from judges.framed_origin import FramedOrigin
    from judges.origin import Origin
    from judges.wire import Connection
except ImportError as problem:
    print(f"conformance: {problem}: pip install -r {Path(__file__).resolve().parent}/requirements.txt", file=sys.stderr)
    sys.exit(2)
from judges import servers  # noqa: E402
from suite import process  # noqa: E402


def ask(case, address, tls, kit, timeout):
    """None, or what is wrong."""
    try:
        with Connection(address, tls, timeout) as connection:
            if not case.raw:
                connection.open()
            held = []
            for step in case.steps(kit, connection):
                if callable(step):
                    connection.send(*held)
                    held = []
                    step(connection)
                else:
                    held.append(step)
            connection.send(*held)
            case.check(connection)
    except Fault as fault:
        return fault
    except OSError as problem:
        return Fault("a connection", f"{type(problem).__name__}: {problem}")
    return None


class Score:
    def __init__(self, options):
        self.options, self.kept, self.mild, self.failed = options, 0, 0, 0

    def count(self, where, case, fault):
        if fault is None:
            self.kept += 1
            if self.options.verbose:
                print(f"kept    {where} {case}")
        elif fault.mild and not self.options.strict:
            self.mild += 1
            if not self.options.quiet:
                print(f"mild    {where} {case}: {fault}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED  {where} {case}: {fault}", flush=True)

    def line(self, what):
        return f"{what}: {self.kept} kept, {self.mild} mild, {self.failed} failed"


def ask_all(name, some, where, address, tls, kit, options):
    some = [case for case in some if options.case in str(case) and not (case.needs and case.needs in options.without)]
    score = Score(options)
    with concurrent.futures.ThreadPoolExecutor(options.lanes) as pool:
        for case, fault in zip(some, pool.map(lambda case: ask(case, address, tls, kit, options.timeout), some)):
            score.count(where, case, fault)
    return [score.line(f"{where} {name}")] if some else [], score.failed


def downgrade_all(where, address, tls, kit, origin, options):
    judge, score, arrived = downgrade.Judge(address, tls, kit, origin, options.timeout), Score(options), 0
    some = [form for form in downgrade.all_forms() if options.case in f"downgrade: {form.name}"]
    try:
        judge.probe()
    except Fault as fault:
        return [f"{where} downgrade: a plain request is not served: {fault}"], 1
    for form in some:
        try:
            arrived += judge.run(form) is not None
            fault = None
        except Fault as found:
            fault = found
        except OSError as problem:
            fault = Fault("a connection", f"{type(problem).__name__}: {problem}")
        score.count(where, f"downgrade: {form.name}", fault)
    return [score.line(f"{where} downgrade") + f" ({arrived} of the kept arrived in one reading)"] if some else [], score.failed


def ask_server(addresses, path, origin, options):
    lines, failed = [], 0
    for where, address in addresses.items():
        tls = where == "tls"
        kit = cases.Kit("https" if tls else "http", f"{address[0]}:{address[1]}", path)
        for name, some in (("h2spec", cases.all_cases()), ("more", more_cases.all_cases())):
            if name in options.parts:
                told, bad = ask_all(name, some, where, address, tls, kit, options)
                lines, failed = lines + told, failed + bad
        if origin and "downgrade" in options.parts:
            told, bad = downgrade_all(where, address, tls, kit, origin, options)
            lines, failed = lines + told, failed + bad
    print("\n".join(lines))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", help=f"starts one of {', '.join(servers.STARTERS)}")
    parser.add_argument("--binary", help="another binary than the usual one")
    parser.add_argument("--address", help="HOST:PORT of one that runs")
    parser.add_argument("--tls", action="store_true", help="the address speaks TLS")
    parser.add_argument("--path", default="/", help="what is asked for (/)")
    parser.add_argument("--only", choices=("clear", "tls"), help="one of the two ports of a server that is started")
    parser.add_argument("--upstream", choices=("http", "h2c"), default="http", help="what a server that is started speaks to its origin (http)")
    parser.add_argument("--parts", default="h2spec,more,downgrade", help="which parts (h2spec,more,downgrade)")
    parser.add_argument("--case", default="", help="cases whose name has this part")
    parser.add_argument("--without", default="", help="leaves out a group of cases: dependences, which RFC 9113 has taken away")
    parser.add_argument("--timeout", type=float, default=2, help="seconds until silence is an answer (2)")
    parser.add_argument("--lanes", type=int, default=6, help="cases at once (6)")
    parser.add_argument("--strict", action="store_true", help="mild deviations fail, too")
    parser.add_argument("--quiet", action="store_true", help="says nothing of mild ones")
    parser.add_argument("--verbose", action="store_true", help="names every case")
    parser.add_argument("--list", action="store_true", help="names the cases and stops")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if options.list:
        print("\n".join([str(case) for case in (*cases.all_cases(), *more_cases.all_cases())] + [f"downgrade: {form.name}" for form in downgrade.all_forms()]))
        return 0
    if bool(options.server) == bool(options.address):
        parser.error("name either --server or --address")

    begun = time.monotonic()
    process.raise_file_limit()
    if options.address:
        host, _, port = options.address.rpartition(":")
        failed = ask_server({"tls" if options.tls else "clear": (host, int(port))}, options.path, None, options)
    else:
        origin = FramedOrigin() if options.upstream == "h2c" else Origin()
        server = servers.start(options.server, process.scratch(), origin.port, binary=options.binary, upstream=options.upstream)
        try:
            addresses = {name: ("127.0.0.1", port) for name, port in (("clear", server.clear), ("tls", server.tls)) if port and options.only in (None, name)}
            failed = ask_server(addresses, options.path, origin if server.has_origin else None, options)
            if server.process.child.poll() is not None:
                print(f"FAILED  {options.server} has ended: status {server.process.child.returncode}")
                failed += 1
        finally:
            server.stop()
            origin.close()
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except process.Failure as problem:
        print(f"conformance: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
