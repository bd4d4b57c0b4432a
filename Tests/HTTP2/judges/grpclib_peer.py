"""grpclib, which is Python on h2, as the service of `grpc_service` and as its client."""

import asyncio
import socket
import ssl
import threading
import time

import grpclib.client
from grpclib.config import Configuration
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.server import Server

from .checks import Failed, expect

SERVICE = "judge.Echo"
KINDS = {"Unary": Cardinality.UNARY_UNARY, "Collect": Cardinality.STREAM_UNARY, "Spread": Cardinality.UNARY_STREAM, "Talk": Cardinality.STREAM_STREAM}
METHODS = {"Unary": grpclib.client.UnaryUnaryMethod, "Nothing": grpclib.client.UnaryUnaryMethod, "Collect": grpclib.client.StreamUnaryMethod,
           "Spread": grpclib.client.UnaryStreamMethod, "Talk": grpclib.client.StreamStreamMethod}
ERROR = "it is 100% wrong: \u00e9\n"
MIB = 1 << 20


class Raw(CodecBase):
    """Messages are bytes."""
    __content_subtype__ = "proto"

    def encode(self, message, _):
        return message

    def decode(self, data, _):
        return data


def own(metadata):
    return [(name, value) for name, value in metadata.items() if name.startswith("x-")]


class Closing(Server):
    """grpclib's own closes its listener and leaves the connections open."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.protocols = []

    def _protocol_factory(self):
        self.protocols.append(super()._protocol_factory())
        return self.protocols[-1]

    def close(self):
        super().close()
        for protocol in self.protocols:
            protocol.connection.close()


class Service:
    """As `grpc_service.Service`, in a loop of its own."""

    def __init__(self):
        self.ended, self.ended_at, self.remaining = threading.Event(), None, None
        self.loop, started = asyncio.new_event_loop(), threading.Event()

        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = listener.getsockname()[1]

        async def start():
            self.server = Closing([self], codec=Raw())
            await self.server.start(sock=listener)
            started.set()
        self.thread = threading.Thread(target=lambda: (self.loop.run_until_complete(start()), self.loop.run_forever()), daemon=True)
        self.thread.start()
        if not started.wait(5):
            raise OSError("grpclib's service does not start")

    def __mapping__(self):
        return {f"/{SERVICE}/{name}": Handler(getattr(self, name.lower()), kind, bytes, bytes) for name, kind in KINDS.items()}

    def stop(self):
        async def close():
            self.server.close()
            await self.server.wait_closed()
        if self.loop.is_running():
            try:
                asyncio.run_coroutine_threadsafe(close(), self.loop).result(3)
            except TimeoutError:
                pass
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(3)

    def begin(self, stream):
        self.ended.clear()
        self.remaining = stream.deadline.time_remaining() if stream.deadline else None

    def end(self):
        self.ended_at = time.monotonic()
        self.ended.set()

    async def unary(self, stream):
        self.begin(stream)
        try:
            request = await stream.recv_message()
            if request == b"sleep":
                await asyncio.sleep(1.5)
            if request.startswith(b"fail"):
                raise GRPCError(Status.FAILED_PRECONDITION, ERROR)
            sent = own(stream.metadata)
            await stream.send_initial_metadata(metadata=sent)
            await stream.send_message(request)
            await stream.send_trailing_metadata(metadata=[(f"{name.removesuffix('-bin')}-late{'-bin' if name.endswith('-bin') else ''}", value) for name, value in sent])
        finally:
            self.end()

    async def collect(self, stream):
        parts = [len(part) async for part in stream]
        await stream.send_message(b"%d of %d bytes" % (len(parts), sum(parts)))

    async def spread(self, stream):
        self.begin(stream)
        try:
            count = int(await stream.recv_message())
            for at in range(abs(count)):
                await stream.send_message(b"%d" % at)
                if count < 0:
                    await asyncio.sleep(0.02)
        finally:
            self.end()

    async def talk(self, stream):
        async for request in stream:
            if request == b"fail late":
                raise GRPCError(Status.ABORTED, "late")
            await stream.send_message(request.upper())


def trusting(certificate):
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["h2"])
    return context


async def failure(action):
    """The code and the message with which a call fails."""
    try:
        await action
    except GRPCError as error:
        return error.status, error.message
    return Status.OK, ""


def client_checks(port, certificate, service):
    """Names, and functions that ask on a connection of their own; over TLS if there is a certificate to trust."""
    def on_channel(action):
        async def ask():
            channel = grpclib.client.Channel("127.0.0.1", port, codec=Raw(), ssl=trusting(certificate) if certificate else None, config=Configuration(http2_connection_window_size=8 * MIB))
            try:
                await action({name: kind(channel, f"/{SERVICE}/{name}", bytes, bytes) for name, kind in METHODS.items()})
            except (GRPCError, StreamTerminatedError) as problem:
                raise Failed(f"{type(problem).__name__}: {problem}") from None
            finally:
                channel.close()
        return lambda: asyncio.run(asyncio.wait_for(ask(), 60))

    async def unary(call):
        expect(await call["Unary"](b"hello", timeout=10) == b"hello", "another answer")
        expect(await call["Unary"](b"", timeout=10) == b"", "another answer to nothing")

    async def collect(call):
        expect(await call["Collect"]([b"a" * 1000] * 50, timeout=10) == b"50 of 50000 bytes", "another answer")

    async def spread(call):
        expect([int(one) for one in await call["Spread"](b"200", timeout=10)] == list(range(200)), "another answer")

    async def talk(call):
        async with call["Talk"].open(timeout=10) as stream:
            for word in (b"one", b"two", b"three"):
                await stream.send_message(word)
                expect(await stream.recv_message() == word.upper(), "another answer")
            await stream.end()
            expect(await stream.recv_message() is None, "more than was asked for")

    async def metadata(call):
        sent = [("x-plain", "a value"), ("x-some-bin", bytes(range(256)))]
        async with call["Unary"].open(timeout=10, metadata=sent) as stream:
            await stream.send_message(b"hello", end=True)
            await stream.recv_message()
            await stream.recv_trailing_metadata()
        initial = [(name, value) for name, value in own(stream.initial_metadata) if name in ("x-plain", "x-some-bin")]
        expect(sorted(initial) == sent, f"initial metadata: {initial}")
        late = stream.trailing_metadata
        expect(late.get("x-plain-late") == "a value" and late.get("x-some-late-bin") == bytes(range(256)), f"trailing metadata: {late}")

    async def large(call):
        message = bytes(range(256)) * (4 * MIB // 256 - 16)
        expect(await call["Unary"](message, timeout=30) == message, "another answer")

    async def trailers_only(call):
        code, message = await failure(call["Unary"](b"fail", timeout=10))
        expect((code, message) == (Status.FAILED_PRECONDITION, ERROR), f"{code} {message!r}")

    async def fails_late(call):
        heard = []

        async def ask():
            # One after the other: it forgets what it has not handed out when an error comes.
            async with call["Talk"].open(timeout=10) as stream:
                for word in (b"a", b"b", b"fail late"):
                    await stream.send_message(word, end=word == b"fail late")
                    heard.append(await stream.recv_message())
        code, message = await failure(ask())
        expect((code, message, heard) == (Status.ABORTED, "late", [b"A", b"B", None]), f"{code} {message!r} {heard}")

    async def unknown(call):
        code, message = await failure(call["Nothing"](b"", timeout=10))
        expect(code is Status.UNIMPLEMENTED, f"{code} {message!r}")

    async def deadline(call):
        begun, code = time.monotonic(), None
        try:
            code, _ = await failure(call["Unary"](b"sleep", timeout=0.3))
        except TimeoutError:
            pass    # its own clock was the first
        expect(code in (None, Status.DEADLINE_EXCEEDED) and time.monotonic() - begun < 1, f"{code} after {time.monotonic() - begun:.2f} s")
        expect(service.remaining is not None and service.remaining <= 0.35, f"the service was told {service.remaining}")

    async def cancel(call):
        async with call["Spread"].open(timeout=10) as stream:
            await stream.send_message(b"-500", end=True)
            await stream.recv_message()
            begun = time.monotonic()
            await stream.cancel()
        expect(await asyncio.to_thread(service.ended.wait, 2), "the service is not told")
        took = service.ended_at - begun
        expect(took < 0.5, f"the service is told after {took * 1000:.0f} ms")

    async def many(call):
        answers = await asyncio.gather(*(call["Unary"](b"%d" % at, timeout=30) for at in range(500)))
        expect(answers == [b"%d" % at for at in range(500)], "another answer")

    async def many_streams(call):
        answers = await asyncio.gather(*(call["Spread"](b"20", timeout=30) for _ in range(20)))
        expect(all(len(answer) == 20 for answer in answers), "cut")

    for name, action in (("unary", unary), ("client stream", collect), ("server stream", spread), ("both streams", talk), ("metadata, binary too", metadata),
                         ("messages of 4 MiB", large), ("an error without a message", trailers_only), ("an error behind messages", fails_late), ("an unknown method", unknown),
                         ("a deadline", deadline), ("cancelling", cancel), ("500 calls", many), ("20 streams at once", many_streams)):
        if action is unknown and isinstance(service, Service):
            continue    # its answer lacks the Content-Type that it asks for itself
        yield name, on_channel(action)


def gone(port, certificate):
    """The code of a call to a service that is no more there."""
    async def ask():
        channel = grpclib.client.Channel("127.0.0.1", port, codec=Raw(), ssl=trusting(certificate))
        try:
            return (await failure(grpclib.client.UnaryUnaryMethod(channel, f"/{SERVICE}/Unary", bytes, bytes)(b"hello", timeout=10)))[0]
        finally:
            channel.close()
    code = asyncio.run(ask())
    expect(code is Status.UNAVAILABLE, f"{code}")
