"""A gRPC service of all four kinds over cleartext, for messages of raw bytes; and the calls that a client makes of it."""

import os
import threading
import time
from concurrent import futures

# The checks start programs while its threads run; none of those goes on with gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
import grpc  # noqa: E402

SERVICE = "judge.Echo"
MESSAGE_MAX = 8 << 20
OPTIONS = [("grpc.max_receive_message_length", MESSAGE_MAX), ("grpc.max_send_message_length", MESSAGE_MAX), ("grpc.enable_http_proxy", 0)]


class Service:
    """Sends back what it gets. A message tells it to do something else: `sleep`, `fail`, `fail late`."""

    def __init__(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=OPTIONS)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary), "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Spread": grpc.unary_stream_rpc_method_handler(self.spread), "Talk": grpc.stream_stream_rpc_method_handler(self.talk)}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.ended = threading.Event()
        self.ended_at = self.remaining = None
        self.server.start()

    def stop(self):
        self.server.stop(0)

    def note_end(self, context):
        self.ended.clear()
        self.remaining = context.time_remaining()

        def end():
            self.ended_at = time.monotonic()
            self.ended.set()
        context.add_callback(end)

    def metadata(self, context):
        own = [(name, value) for name, value in context.invocation_metadata() if name.startswith("x-")]
        context.send_initial_metadata(own)
        context.set_trailing_metadata([(f"{name.removesuffix('-bin')}-late{'-bin' if name.endswith('-bin') else ''}", value) for name, value in own])

    def unary(self, request, context):
        self.note_end(context)
        if request == b"sleep":
            time.sleep(1.5)
        if request.startswith(b"fail"):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it is 100% wrong: \u00e9\n")
        self.metadata(context)
        return request

    def collect(self, requests, context):
        return b"%d of %d bytes" % (len(parts := list(requests)), sum(map(len, parts)))

    def spread(self, request, context):
        self.note_end(context)
        count = int(request)
        for at in range(abs(count)):
            yield b"%d" % at
            if count < 0:
                time.sleep(0.02)

    def talk(self, requests, context):
        for request in requests:
            if request == b"fail late":
                context.abort(grpc.StatusCode.ABORTED, "late")
            yield request.upper()


def calls(channel):
    """The service's methods by name."""
    path = lambda name: f"/{SERVICE}/{name}"
    return {"Unary": channel.unary_unary(path("Unary")), "Collect": channel.stream_unary(path("Collect")), "Spread": channel.unary_stream(path("Spread")),
            "Talk": channel.stream_stream(path("Talk")), "Nothing": channel.unary_unary(path("Nothing"))}


def failure(action):
    """The code and the details with which a call fails."""
    try:
        action()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""
