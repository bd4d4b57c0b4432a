#!/usr/bin/env python3
"""The other side of a connection, by Python's h2, over standard input and output.

    h2_judge.py here      exits 0 if h2 is installed
    h2_judge.py client    sends requests of all kinds, many at once, and expects each to come back as its response: content and trailers
    h2_judge.py server    sends every request's content and trailers back as its response

The client exits 0 if all was as it has to be, and says on standard error what was not.
"""
import os, queue, sys, threading

try:
    import h2.config, h2.connection, h2.events, h2.settings
except ImportError:
    sys.exit(77)

SIZES = [0, 1, 9, 1000, 16384, 16385, 70000, 300000]


class Stream:
    def __init__(self, content=b"", trailers=None, ends=True):
        self.rest, self.trailers, self.ends, self.got, self.fields, self.got_trailers, self.ended = content, trailers, ends, b"", None, None, False


class Side:
    def __init__(self, is_client):
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=is_client, header_encoding="utf-8"))
        self.streams, self.input = {}, queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.connection.initiate_connection()
        self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 30000, h2.settings.SettingCodes.HEADER_TABLE_SIZE: 500})

    def read(self):
        while data := os.read(0, 65536):
            self.input.put(data)
        self.input.put(None)

    def write(self):
        data = self.connection.data_to_send()
        while data:
            data = data[os.write(1, data):]

    def pump(self, number):
        """Sends what the windows allow of a stream."""
        stream = self.streams[number]
        while stream.rest and (room := min(self.connection.local_flow_control_window(number), self.connection.max_outbound_frame_size)) > 0:
            self.connection.send_data(number, stream.rest[:room])
            stream.rest = stream.rest[room:]
        if not stream.rest and stream.ends:
            stream.ends = False
            if stream.trailers:
                self.connection.send_headers(number, stream.trailers, end_stream=True)
            else:
                self.connection.end_stream(number)

    def turn(self):
        """Takes in what has come; False at the end of the connection."""
        self.write()
        data = self.input.get(timeout=60)
        if data is None:
            return False
        for event in self.connection.receive_data(data):
            if isinstance(event, (h2.events.RequestReceived, h2.events.ResponseReceived)):
                self.streams.setdefault(event.stream_id, Stream(ends=False)).fields = dict(event.headers)
                self.began(event.stream_id)
            elif isinstance(event, h2.events.DataReceived):
                self.streams[event.stream_id].got += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.streams[event.stream_id].got_trailers = list(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                self.streams[event.stream_id].ended = True
                self.ended(event.stream_id)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise AssertionError(str(event))
        for number in list(self.streams):
            self.pump(number)
        return True

    def began(self, number):
        pass

    def ended(self, number):
        pass


class Server(Side):
    def ended(self, number):
        stream = self.streams[number]
        self.connection.send_headers(number, [(":status", "200"), ("x-path", stream.fields[":path"]), ("x-long", "l" * int(stream.fields.get("x-long", 0)))])
        stream.rest, stream.trailers, stream.ends = stream.got, stream.got_trailers, True


def client():
    side, sent = Side(True), {}
    waiting = [(size, trailers, long) for size in SIZES for trailers in (False, True) for long in (0, 20000)] * 3
    open_now = 0
    while True:
        while waiting and open_now < 20:
            size, trailers, long = waiting.pop()
            number = side.connection.get_next_available_stream_id()
            content = bytes((number + index) % 251 for index in range(size))
            fields = [(":method", "POST"), (":scheme", "https"), (":authority", "a.test"), (":path", f"/{number}"), ("cookie", "a=b"), ("x-long", "l" * long), ("cookie", "c=d")]
            if size % 2:
                fields.append(("content-length", str(size)))
            side.connection.send_headers(number, fields)
            side.streams[number] = Stream(content, [("x-sum", str(sum(content)))] if trailers else None)
            sent[number] = content
            open_now += 1
            side.pump(number)
        for number in [number for number in sent if side.streams[number].ended]:
            stream, content = side.streams.pop(number), sent.pop(number)
            assert stream.fields[":status"] == "200" and stream.fields["x-path"] == f"/{number}", stream.fields
            assert stream.got == content, f"stream {number}: {len(stream.got)} of {len(content)}"
            assert stream.got_trailers == stream.trailers, f"stream {number}: {stream.got_trailers}"
            open_now -= 1
        if not sent and not waiting:
            return
        assert side.turn(), "the connection has ended"


if sys.argv[1] == "client":
    client()
elif sys.argv[1] == "server":
    server = Server(False)
    while server.turn():
        pass
