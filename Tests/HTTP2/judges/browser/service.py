"""The service behind the page, for hypercorn: what it says is written into the folder JUDGE_FOLDER, where it is also told the stage."""

import asyncio
import hashlib
import os
import random
import struct
import zlib
from pathlib import Path

FOLDER = Path(os.environ["JUDGE_FOLDER"])
PAGE = Path(__file__).resolve().with_name("page.html").read_bytes()
LARGE = random.Random(1).randbytes(5 << 20)


def image(seed):
    """A PNG of 32 times 32 pixels of noise."""
    noise = random.Random(seed).randbytes
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + noise(32 * 3) for _ in range(32))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        return await talk(receive, send)
    if scope["type"] != "http":
        return
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    # What is asked for stands in the query, or behind the name.
    path, _, rest = scope["path"][1:].partition("/")
    path, query = f"/{path}", scope["query_string"].decode() or rest
    if path == "/events":
        return await tell(send, int(query))
    content, kind, more = b"", b"text/plain", []
    if path == "/":
        content, kind = PAGE, b"text/html; charset=utf-8"
    elif path == "/image":
        content, kind = image(query), b"image/png"
    elif path == "/small":
        content = query.encode()
    elif path == "/large":
        content, more = LARGE, [(b"x-sum", hashlib.sha256(LARGE).hexdigest().encode())]
    elif path == "/cookies":
        content = b" AND ".join(value for name, value in scope["headers"] if name == b"cookie")
    elif path == "/echo":
        content = f"{scope['method']} {len(body)} {hashlib.sha256(body).hexdigest()}".encode()
    elif path == "/stage":
        content = (FOLDER / "stage").read_bytes()
    elif path == "/report":
        (FOLDER / "part").write_bytes(body)
        (FOLDER / "part").rename(FOLDER / f"report-{query}")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), (b"content-length", b"%d" % len(content)), *more]})
    await send({"type": "http.response.body", "body": content})


async def tell(send, count):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for at in range(count):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % at, "more_body": True})
        await asyncio.sleep(0.07)
    await send({"type": "http.response.body", "body": b"data: last\n\n"})


async def talk(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text and text.startswith("close "):
            return await send({"type": "websocket.close", "code": int(text.split()[1]), "reason": "enough"})
        await send({"type": "websocket.send", "bytes": event.get("bytes"), "text": text})
