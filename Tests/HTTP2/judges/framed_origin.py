"""The recording origin over HTTP/2 by prior knowledge: Python's h2 reads what arrives and takes nothing that RFC 9113 forbids."""

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .origin import TARGET, TOKEN, VALUE, Origin, Request


class FramedOrigin(Origin):
    def serve(self, peer):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        connection.initiate_connection()
        streams, record = {}, bytearray()
        with peer:
            try:
                peer.sendall(connection.data_to_send())
                while data := peer.recv(65536):
                    for event in connection.receive_data(data):
                        try:
                            self.take_event(connection, streams, event)
                        except h2.exceptions.StreamClosedError:
                            pass    # a reset has come in the same piece
                    peer.sendall(connection.data_to_send())
            except h2.exceptions.ProtocolError as problem:
                with self.lock:
                    self.unclear.append(f"{type(problem).__name__}: {problem}")
            except OSError:
                pass
        self.leave(record)

    def take_event(self, connection, streams, event):
        if isinstance(event, h2.events.RequestReceived):
            streams[event.stream_id] = self.request(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            streams[event.stream_id].body += event.data
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            streams[event.stream_id].trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamReset):
            streams.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            request = streams.pop(event.stream_id)
            self.judge(request)
            with self.lock:
                self.requests.append(request)
            self.reply(connection, event.stream_id, request)

    def request(self, headers):
        pseudo = {name: value for name, value in headers if name.startswith(":")}
        fields = [(name, value) for name, value in headers if not name.startswith(":")]
        hosts = [value for name, value in fields if name == "host"]
        if hosts and [pseudo.get(":authority", hosts[0])] != hosts:
            self.complain(f":authority {pseudo.get(':authority')!r} and Host {hosts}")
        if not hosts:
            fields.append(("host", pseudo.get(":authority", "")))
        return Request(pseudo.get(":method", ""), pseudo.get(":path", ""), fields)

    def judge(self, request):
        """What h2 leaves to its caller."""
        if not TOKEN.match(request.method.encode("latin-1")) or not TARGET.match(request.target.encode("latin-1")):
            self.complain(f"request {request.method!r} {request.target!r}")
        for name, value in request.fields + request.trailers:
            if not TOKEN.match(name.encode("latin-1")) or not VALUE.match(value.encode("latin-1")):
                self.complain(f"field {name!r}: {value!r}")
        lengths = request.values("content-length")
        if lengths and lengths != [str(len(request.body))]:
            self.complain(f"Content-Length {lengths} of {len(request.body)} bytes")

    def complain(self, text):
        with self.lock:
            self.unclear.append(text)

    def reply(self, connection, stream, request):
        body = (request.target + "\n").encode("latin-1").rjust(64, b".")
        connection.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))], end_stream=request.method == "HEAD")
        if request.method != "HEAD":
            connection.send_data(stream, body, end_stream=True)
