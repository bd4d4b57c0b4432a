#!/usr/bin/env python3
"""Sends mutated cases of the corpus, from both sides, for a time, and checks what must hold whatever the bytes are:

- the gateway lives, and answers or closes in time;
- whatever reaches the upstream is well formed and has one reading; a client gets whole responses or a broken connection;
- every next request gets its own answer (a nonce), on the same connection and on others;
- when all is over no connection and no block is held.

    mutate.py [--sluice BINARY] [--seconds 60] [--seed 1]        exit 1 with the bytes of every case that broke a rule
"""
import argparse, os, random, shutil, socket, sys, tempfile, threading, time, urllib.request

import compare

PIECES = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b'"', b"-", b"+", b"/", b"..", b"%2e", b"%00", b"\xff",
          b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked", b"0\r\n\r\n", b"5\r\n", b"ffffffffffffffff",
          b"GET /api/x HTTP/1.1\r\nHost: h\r\n\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0", b"HEAD",
          b"POST", b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
GAUGES = ("connections", "exchange_blocks", "output_blocks", "upstream_connections", "upstream_idle_connections")


def mutate(chance, data):
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 3, 5])):
        at, way = chance.randrange(len(data) + 1), chance.randrange(5)
        if way == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif way == 1:
            data[at:at] = chance.choice(PIECES)
        elif way == 2:
            del data[at:at + chance.choice([1, 1, 2, 5])]
        elif way == 3:
            data[at:at] = data[max(0, at - chance.randrange(60)):at]
        else:
            data[at:at] = chance.choice(PIECES) + chance.choice(PIECES)
    return bytes(data)


class Mutated:
    """A script of the upstream: a mutated response, whole or in two pieces, and how the connection goes on."""
    early_answer = False

    def __init__(self, chance, data):
        self.data, self.chance = data, chance
        self.then = chance.choice([None, "close", "close", "reset"])

    def pieces(self, nonce):
        data = self.data.replace(b"{n}", nonce)
        split = self.chance.randrange(1, len(data)) if len(data) > 2 and self.chance.random() < 0.5 else len(data)
        yield data[:split]
        if split < len(data):
            yield None
            yield data[split:]


def send_request(lane, chance, data, found):
    cuts = sorted(chance.sample(range(1, len(data)), 3)) if len(data) > 4 and chance.random() < 0.5 else []
    with compare.connect(lane.proxy.port) as sock:
        compare.send_pieces(sock, data, cuts)
        try:
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
        except TimeoutError:
            found.append(("a client was left waiting", data))
        except OSError:
            pass
    time.sleep(0.001)
    # A connection that ends inside a head is no fault: the gateway ends it where the client's bytes end.
    found += [(r.fault, data) for r in lane.upstream.take() if r.fault and not r.fault.startswith(b"an incomplete")]


def send_response(lane, chance, data, found):
    nonce, head = lane.nonce(), chance.random() < 0.15
    lane.upstream.script = Mutated(chance, data)
    try:
        with compare.connect(lane.proxy.port) as sock:
            reader, last = compare.Reader(sock), None
            sock.sendall(b"%s /api/r/%s HTTP/1.1\r\nHost: h\r\n\r\n" % (b"HEAD" if head else b"GET", nonce.encode()))
            while last is None or last.status < 200 and not last.cut:
                response = compare.read_response(reader, head=head)
                if response is None:
                    break
                last = response
            lane.upstream.script = None
            time.sleep(0.04)  # what comes unasked is there before the next request
            if last and last.status >= 200 and not last.cut and not last.closes:
                faults = []
                lane.probe(sock, reader, faults, "the same connection", True)
                found += [(fault, data) for fault in faults]
    except (ValueError, TimeoutError) as error:
        found.append((repr(error), data))
    finally:
        lane.upstream.script = None


def work(lane, seed, end, found, counts):
    chance = random.Random(seed)
    requests = [compare.unescape("".join(c.lines).replace("{port}", "1").replace("{token}", compare.token().decode()))
                for c in compare.corpus("requests")]
    responses = [compare.unescape("".join(c.lines).replace("{pause}", "").replace("{hang}", ""))
                 for c in compare.corpus("responses") if not c.one("early")]
    requests, responses = [[d for d in all if 0 < len(d) < 6000] for all in (requests, responses)]
    while time.monotonic() < end and lane.proxy.process.poll() is None:
        lane.upstream.take()
        is_request = chance.random() < 0.55
        data = mutate(chance, chance.choice(requests if is_request else responses))
        if is_request and chance.random() < 0.3:
            data += mutate(chance, chance.choice(requests))
        counts[is_request] += 1
        (send_request if is_request else send_response)(lane, chance, data or b"\r", found)
        faults = []
        with compare.connect(lane.proxy.port) as other:
            lane.probe(other, compare.Reader(other), faults, "another connection")
        found += [(fault, data) for fault in faults]
    if lane.proxy.process.poll() is not None:
        found.append((f"the gateway ended: {open(lane.proxy.folder + '/log').read()[-2000:]}", data))


def held(lane):
    text = urllib.request.urlopen(f"http://127.0.0.1:{lane.proxy.admin}/metrics").read().decode()
    gauges = {name: int(line.split()[1]) for line in text.splitlines() for name in GAUGES if line.startswith(f"sluice_{name} ")}
    return {"connections": gauges["connections"], "exchange blocks": gauges["exchange_blocks"], "output blocks": gauges["output_blocks"],
            "busy upstream connections": gauges["upstream_connections"] - gauges["upstream_idle_connections"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sluice", default=os.path.join(compare.HERE, "..", "..", ".build", "debug", "sluice"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    compare.Sluice.binary = os.path.abspath(options.sluice)
    folder, found, counts, lanes = tempfile.mkdtemp(prefix="mutate-"), [], [0, 0], []
    try:
        lanes = [compare.Lane(compare.Sluice, folder, number) for number in range(compare.LANES)]
        end = time.monotonic() + options.seconds
        threads = [threading.Thread(target=work, args=(lane, options.seed * 100 + number, end, found, counts)) for number, lane in enumerate(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(3)
        for lane in lanes:
            if lane.proxy.process.poll() is None and any(held(lane).values()):
                found.append((f"still held: {held(lane)}", b""))
    finally:
        for lane in lanes:
            lane.proxy.end()
        shutil.rmtree(folder, ignore_errors=True)
    for fault, data in found:
        print(f"{fault}\n    {data[:2000]!r}")
    print(f"{counts[True]} requests, {counts[False]} responses, {len(found)} faults")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
