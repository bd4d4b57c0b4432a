"""What a server has to do, as functions from a connection to None, or to a `Fault`."""

from .wire import ACK, NO_ERROR, code_name


class Fault(Exception):
    """What was expected and what came. A mild one is allowed by the RFC, or by h2spec, but is not what is asked for here."""

    def __init__(self, expected, got, mild=False):
        super().__init__(f"expected {expected}, got {got}")
        self.mild = mild


def told(seen):
    """The events that say something, in short."""
    texts = [str(event) for event in seen if event.kind not in ("SETTINGS", "WINDOW_UPDATE", "PING")]
    return ", ".join(texts[:4] + (["..."] if len(texts) > 5 else []) + texts[4:][-1:]) or "nothing"


def names(codes):
    return " or ".join(code_name(code) for code in codes)


def connection_error(*codes):
    """GOAWAY with one of the codes, and the end of the connection."""
    def check(connection):
        event, seen = connection.until(lambda event: event.kind == "GOAWAY" and event.code != NO_ERROR)
        wanted = f"GOAWAY {names(codes)} and the end"
        if event.kind in ("closed", "reset"):
            raise Fault(wanted, f"the end without GOAWAY ({told(seen)})", mild=True)
        if event.kind != "GOAWAY" or event.code not in codes:
            raise Fault(wanted, told(seen))
        event, _ = connection.until(lambda event: False)
        if event.kind == "silence":
            raise Fault(wanted, "GOAWAY, but the connection stays open", mild=True)
    check.text = f"connection error {names(codes)}"
    return check


def stream_error(stream, *codes, malformed=False):
    """RST_STREAM with one of the codes, or the same as an error of the connection. A malformed request may be answered before (RFC 9113, 8.1.1)."""
    def check(connection):
        event, seen = connection.until(
            lambda event: event.kind == "GOAWAY" and event.code != NO_ERROR or event.kind == "RST_STREAM" and event.stream == stream and event.code != NO_ERROR)
        wanted = f"RST_STREAM or GOAWAY {names(codes)}"
        if event.kind in ("GOAWAY", "RST_STREAM") and event.code in codes:
            return
        if malformed and any(event.kind == "HEADERS" and dict(event.fields).get(":status") == "400" for event in seen):
            raise Fault(wanted, "the answer 400", mild=True)
        raise Fault(wanted, told(seen), mild=event.kind in ("closed", "reset"))
    check.text = f"stream error {names(codes)}"
    return check


def end_of_connection(connection):
    event, seen = connection.until(lambda event: False)
    if event.kind == "silence":
        raise Fault("the end of the connection", told(seen))


def goaway(*codes):
    """GOAWAY with one of the codes."""
    def check(connection):
        event, seen = connection.until(lambda event: event.kind == "GOAWAY" and event.code != NO_ERROR)
        if event.kind != "GOAWAY" or event.code not in codes:
            raise Fault(f"GOAWAY {names(codes)}", told(seen))
    return check


def answered(stream, ends=False):
    """A response other than 400; `ends`: all of it."""
    def check(connection):
        fields = {}

        def wanted(event):
            if event.kind == "HEADERS" and event.stream == stream and not dict(event.fields).get(":status", "1").startswith("1"):
                fields.setdefault("status", dict(event.fields)[":status"])
            return event.kind == "RST_STREAM" and event.stream == stream or event.kind == "GOAWAY" or "status" in fields and (event.ends if ends else True)
        event, seen = connection.until(wanted)
        if fields.get("status", "400") == "400" or event.kind in ("RST_STREAM", "GOAWAY", "silence"):
            raise Fault("a response", told(seen))
    return check


def pong(content, or_the_end=False):
    """The answer to a PING, which says that what came before it was taken."""
    def check(connection):
        event, seen = connection.until(lambda event: event.kind == "PING" and event.flags & ACK and event.payload == content
                                       or event.kind == "GOAWAY" and event.code != NO_ERROR)
        if event.kind == "PING" or or_the_end and event.kind in ("closed", "reset"):
            if any(event.kind == "RST_STREAM" for event in seen):
                raise Fault("no error", told(seen))
            return
        raise Fault("the answer to PING", told(seen))
    return check


def acknowledged(connection):
    event, seen = connection.until(lambda event: event.kind == "SETTINGS" and event.flags & ACK)
    if event.kind != "SETTINGS":
        raise Fault("SETTINGS with ACK", told(seen))


def content(stream, count=None):
    """DATA of a stream; `count`: of exactly so many bytes in its first frame."""
    def check(connection):
        event, seen = connection.until(lambda event: event.kind == "DATA" and event.stream == stream)
        if event.kind != "DATA" or count is not None and len(event.payload) != count:
            raise Fault("DATA" if count is None else f"DATA of {count} bytes", told(seen) if event.kind != "DATA" else f"{len(event.payload)} bytes")
    return check


def silence_about(kinds, seconds=0.5):
    """None of these frames for a while."""
    def check(connection):
        event, seen = connection.until(lambda event: event.kind in kinds, seconds)
        if event.kind != "silence":
            raise Fault(f"no {' or '.join(kinds)}", told(seen))
    return check


def first_is_settings(connection):
    event = connection.event()
    if event.kind != "SETTINGS" or event.flags & ACK:
        raise Fault("SETTINGS as the first frame", str(event))


def stream_over(stream):
    """A step: waits until the response has ended."""
    return answered(stream, ends=True)
