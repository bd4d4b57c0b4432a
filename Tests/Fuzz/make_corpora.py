#!/usr/bin/env python3
"""Writes the seeds of every fuzz target to Corpora/<target>/ from the conformance corpus and the tests' own examples.

    make_corpora.py        adds what is missing and touches nothing else: what a fuzzer found is kept

A seed's name is the beginning of its SHA-1, as libFuzzer names its own. Nothing but the standard library.
"""
import hashlib, os, re, sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TESTS, "Conformance"))
import compare  # noqa: E402

SEED_BYTES_MAX = 1500


def text(path):
    with open(os.path.join(TESTS, path), encoding="utf-8") as file:
        return file.read()


def bytes_of(case):
    text = re.sub(r"\{(pause|hang|token)\}", "", "".join(case.lines).replace("{n}", "n0123456").replace("{port}", "80"))
    return compare.unescape(text)


def swift_texts(path):
    """The multi-line string literals of a Swift file, without their indentation."""
    for literal in re.findall(r'#?"""\n(.*?)\n[ ]*"""', text(path), re.S):
        lines = literal.split("\n")
        indent = min((len(l) - len(l.lstrip(" ")) for l in lines if l.strip()), default=0)
        yield "\n".join(l[indent:] for l in lines)


def gateway_seeds(requests, responses):
    """Scripts of GatewayFuzz: client and service in turns."""
    answer = b"\xfesHTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: s\r\n\r\nok"
    ask = b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n"
    for request in requests:
        if b"\xfe" not in request:
            yield "gateway", b"\0" + request + answer + answer
    for response in responses:
        if b"\xfe" not in response:
            yield "gateway", b"\0" + ask + b"\xfes" + response + b"\xfez\xfec" + ask + answer
    for line in [b"GET /mock", b"GET /w/a%2Fb?c=d", b"POST /t/a/b", b"PURGE /12/n", b"HEAD /ask/x", b"PUT /set/x", b"OPTIONS /x", b"GET /api/a?b", b"POST /ask/x"]:
        for fields in [b"", b"X-Forwarded-For: 192.0.2.66, 198.51.100.1:80\r\nX-Forwarded-Host: a\r\nForwarded: for=a\r\n", b"Connection: upgrade\r\nUpgrade: w\r\n",
                       b"Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a\r\n",
                       b"traceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01\r\ntracestate: a=b\r\nX-Request-Id: a\r\nVia: 1.0 a\r\n",
                       b"Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: X-A\r\nX-A: a\r\nX-Gone: a\r\n", b"Content-Length: 3\r\nExpect: 100-continue\r\n"]:
            head = line + b" HTTP/1.1\r\nHost: a.test\r\n" + fields + b"\r\n"
            body = b"1\r\na\r\n0\r\nX-T: a\r\nX-A: b\r\n\r\n" if b"chunked" in fields else b"abc" if b"Length" in fields else b""
            yield "gateway", b"\0" + head + body + answer + answer
            yield "gateway", b"\1PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + head + b"\xfec" + body + answer + b"\xfex"
    for response in [b"HTTP/1.1 200 OK\r\n\r\nabc\xfesdef\xfez", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 3\r\nConnection: X-B\r\nX-B: b\r\n\r\na\xfetbc",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: a\r\n\r\n", b"HTTP/1.1 304 N\r\nContent-Length: 3\r\n\r\n",
                     b"HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab\xfex"]:
        yield "gateway", b"\0" + ask + ask + b"\xfes" + response + answer
        yield "gateway", b"\0GET /api/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\xfee\xfes" + response
        yield "gateway", b"\0HEAD /set/a HTTP/1.1\r\nHost: h\r\n\r\n\xfes" + response + b"\xfec" + ask + b"\xfex" + answer
    switched = b"\xfesHTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\nabc\xfecdef\xfesghi"
    for end in [b"\xfee\xfez", b"\xfez\xfee", b"\xfex", b""]:
        yield "gateway", b"\0GET /api/a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\nearly" + switched + end
    begun = b"\xfesHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok"
    for path in [b"/tls/a", b"/mock", b"/ask/x"]:
        for request in [b"GET " + path + b" HTTP/1.1\r\nHost: h\r\n\r\n", b"GET " + path + b" HTTP/1.0\r\n\r\n", b"POST " + path + b" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]:
            for course in [answer + answer, b"\xfee" + answer + answer, b"\xfef" + answer, b"\xfesHTTP/1.1 200 OK\r\n\r\nab\xfez", b"\xfesHTTP/1.1 200 OK\r\n\r\nab\xfey",
                           b"\xfer\x15\x03\x03\x00\x02\x01\x00" + answer, begun + b"\xfew\xff\xfesgo", answer + b"\xfew\xa0\xfec" + request + answer]:
                yield "gateway", b"\0" + request + course
                yield "gateway", b"\4" + request + course
                yield "gateway", b"\6" + request + request + course
    post = b"POST /api/a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc"
    for step in [b"\xfew\x10", b"\xfewa", b"\xfew\xa0", b"\xfeg", b"\xfed", b"\xfed\xfew\x20", b"\xfeg\xfed\xfewa"]:
        for course in [ask + step + answer, ask + answer + step + b"\xfec" + ask + answer, ask[:9] + step + b"\xfec" + ask[9:] + answer,
                       post + step + b"\xfecdef" + answer, ask + begun + step + b"\xfesgo", b"GET /ask/x HTTP/1.1\r\nHost: h\r\n\r\n" + step + answer + answer,
                       b"GET /api/a HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\n" + switched + step + b"\xfecx", step[1:] + b"\xfec" + ask]:
            yield "gateway", b"\0" + course
            yield "gateway", b"\2" + course


def http2_frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def gateway_http2_seeds():
    """Scripts of GatewayFuzz over HTTP/2: one stream and several, bodies, windows, resets, the ends of both sides, reloads and draining."""
    answer = b"\xfesHTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: s\r\n\r\nok"
    chunked = b"\xfesHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: a\r\n\r\n"
    until_end = b"\xfesHTTP/1.1 200 OK\r\n\r\nabc"

    def block(method, path, *fields):
        def literal(name, value):
            return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        start = {b"GET": b"\x82", b"POST": b"\x83"}.get(method, b"\x02" + bytes([len(method)]) + method)
        return start + b"\x86\x01\x01h\x04" + bytes([len(path)]) + path + b"".join(literal(*field) for field in fields)

    def get(stream, path=b"/api/a", *fields):
        return http2_frame(1, 5, stream, block(b"GET", path, *fields))

    def post(stream, path=b"/api/a", *fields):
        return http2_frame(1, 4, stream, block(b"POST", path, *fields))

    def data(stream, content, flags=0):
        return http2_frame(0, flags, stream, content)

    def window(stream, count):
        return http2_frame(8, 0, stream, count.to_bytes(4, "big"))

    reset, goaway, ping = http2_frame(3, 0, 1, b"\0\0\0\x08"), http2_frame(7, 0, 0, bytes(8)), http2_frame(6, 0, 0, b"12345678")
    trailers = http2_frame(1, 5, 1, b"\0\x03x-t\x01a")
    small, settled = http2_frame(4, 0, 0, b"\0\4\0\0\0\1"), http2_frame(4, 1, 0)
    connect = http2_frame(1, 4, 1, b"\x02\x07CONNECT\0\x09:protocol\x09websocket\x86\x01\x01h\x04\x06/api/a\0\x15sec-websocket-version\x0213")
    requests = [get(1), get(1, b"/mock"), get(1, b"/ask/x"), get(1, b"/tls/a"), get(1, b"/set/a", (b"x-a", b"b")), http2_frame(1, 5, 1, block(b"HEAD", b"/api/a")),
                http2_frame(1, 5, 1, block(b"OPTIONS", b"/x", (b"origin", b"https://app.example.com"), (b"access-control-request-method", b"PUT"))),
                post(1) + data(1, b"abc", 1), post(1, b"/ask/x") + data(1, b"abc") + data(1, b"", 1), post(1) + data(1, b"abc") + trailers,
                post(1, b"/api/a", (b"content-length", b"3")) + data(1, b"abc", 1), post(1, b"/api/a", (b"content-length", b"3")) + data(1, b"abcd", 1), connect + data(1, b"abc"),
                get(1) + get(3, b"/mock") + get(5, b"/w/a")]
    for request in requests:
        for course in [answer, chunked, until_end + b"\xfez", until_end + b"\xfex", answer + answer, b"\xfec" + reset + answer, b"\xfec" + goaway + answer, b"\xfee" + answer,
                       b"\xfed" + answer, b"\xfeg" + answer, b"\xfew\x20" + answer, until_end + b"\xfec" + reset, until_end + b"\xfec" + ping + settled + b"\xfez"]:
            yield "gateway", b"\x08" + request + course
        for course in [answer, chunked, until_end + b"\xfew\x20\xfez"]:
            yield "gateway", b"\x08" + small + request + course + b"\xfec" + window(1, 1) + b"\xfec" + window(1, 100)
            yield "gateway", b"\x0a" + small + request + course
        middle = len(request) // 2
        yield "gateway", b"\x0a" + request[:middle] + b"\xfec" + request[middle:] + answer + b"\xfec" + get(7) + answer
        yield "gateway", b"\x08" + request[:middle] + b"\xfew\xff"
    yield "gateway", b"\x18GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n" + answer
    yield "gateway", b"\x18PRI * HTT\xfecP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0) + get(1) + answer
    switched = b"\xfesHTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nabc"
    for end in [b"\xfez", b"\xfex", b"\xfec" + reset, b"\xfec" + data(1, b"", 1) + b"\xfez", b"\xfew\xa0"]:
        yield "gateway", b"\x08" + connect + data(1, b"early") + switched + b"\xfec" + data(1, b"def") + b"\xfesghi" + end


def http2_seeds():
    """Blocks of HPACK, and connections of HTTP2Fuzz."""
    get, post = bytes.fromhex("828784410161"), bytes.fromhex("83868405022f61410161")
    coded = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff5886a8eb10649cbf408825a849e95ba97d7f8925a849e95bb8e8b4bf")
    cookies = bytes.fromhex("6003613d62600363 3d640001780179bf".replace(" ", ""))
    fields = [b"\x00\x01a\x01b", b"\x40\x01a\x01b\xbe", b"\x10\x01a\x01b", bytes.fromhex("5c0133"), bytes.fromhex("0f0d0133"), bytes.fromhex("000274650874726169 6c657273".replace(" ", "")),
              bytes.fromhex("203fe11f"), b"\x00\x0aconnection\x05close", bytes.fromhex("26000161"), b"\x66\x01a", b"\x40\x0bgrpc-status\x010", cookies]
    blocks = [get, post, coded, b"\x88", b"\x48\x03302\x61\x01a", b"\x89", b""] + [get + field for field in fields] + [b"\x88" + field for field in fields] + fields
    connect = b"\x02\x07CONNECT\x00\x09:protocol\x09websocket\x87\x84\x01\x01a"
    blocks += [connect, connect + b"\x00\x01a\x01b", connect[9:] + get[:1]]
    for options in range(12):
        for block in blocks:
            yield "hpack", bytes([options]) + len(block).to_bytes(2, "big") + block + b"\0\1\xbe\0\2\xbe\xbf"
    window, settings = http2_frame(8, 0, 0, b"\0\0\1\0"), http2_frame(4, 0, 0, b"\0\4\0\0\0\5\0\5\0\0\x40\0\0\1\0\0\0\0")
    ping, goaway = http2_frame(6, 0, 0, b"12345678"), http2_frame(7, 0, 0, b"\0\0\0\1\0\0\0\0bye")
    for stream in [1, 3, 5, 7]:
        begun, ended = http2_frame(1, 4, stream, post), http2_frame(1, 5, stream, get)
        data, last, trailers = http2_frame(0, 0, stream, b"abc"), http2_frame(0, 1, stream, b"d"), http2_frame(1, 5, stream, b"\x00\x01a\x01b")
        length = http2_frame(1, 4, stream, post + bytes.fromhex("0f0d0133"))
        padded = http2_frame(0, 9, stream, b"\2ab\0\0")
        cut = http2_frame(1, 0x29, stream, b"\1" + b"\0\0\0\0\x10" + get[:2] + b"\0") + http2_frame(9, 0, stream) + http2_frame(9, 4, stream, get[2:])
        reset, update, priority = http2_frame(3, 0, stream, b"\0\0\0\x08"), http2_frame(8, 0, stream, b"\0\0\0\x09"), http2_frame(2, 0, stream, b"\0\0\0\0\x10")
        zero, most = http2_frame(8, 0, stream, bytes(4)), http2_frame(8, 0, stream, b"\x7f\xff\xff\xff")
        for course in [ended, begun + data + last, begun + data + trailers, length + data, length + data + last, length + last, begun + padded, cut + update, begun + reset, ended + reset, ended + data,
                       begun + zero, begun + most, ended + priority + update, settings + ended, window + ping + ended + goaway, begun + http2_frame(22, 0, 0, b"x") + last, ended + ended,
                       begun + begun, http2_frame(5, 4, stream, b"\0\0\0\2" + get), ended + http2_frame(1, 5, stream + 2, get) + http2_frame(1, 5, stream + 4, b"\x80")]:
            for options in [0, 4, 12]:
                yield "http2", bytes([options]) + course
        head, interim = http2_frame(1, 4, stream, b"\x88"), http2_frame(1, 4, stream, b"\x48\x03103\0\1a\1b")
        for course in [head + data + last, interim + head + last, http2_frame(1, 5, stream, b"\x89"), head + trailers, goaway + head + data, reset, head + http2_frame(1, 4, stream, b"\0\1a\1b"),
                       http2_frame(1, 4, stream, b"\x88\x0f\x0d\x013") + data + trailers, update + settings + ping]:
            yield "http2", b"\1" + course
    yield "http2", b"\x10" + http2_frame(1, 4, 3, connect) + http2_frame(0, 0, 3, b"abc") + http2_frame(0, 1, 3, b"d")
    yield "http2", b"\2PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + http2_frame(1, 5, 1, get)


def seeds():
    yield from http2_seeds()
    requests = [bytes_of(case) for case in compare.corpus("requests")]
    responses = [bytes_of(case) for case in compare.corpus("responses")]
    for request in requests:
        yield "request-head", request
        head, _, body = request.partition(b"\r\n\r\n")
        if b"chunked" in head.lower() and body:
            yield "chunked-body", b"\x07" + body
        target = head.split(b" ")
        if len(target) > 2 and target[1].startswith(b"/"):
            yield "path", target[1].split(b"?")[0]
        host = re.search(rb"(?im)^host:[ \t]*([^\r\n]*)", head)
        if host:
            yield "address", host.group(1)
    for response in responses:
        yield "response-head", b"-" + response
        if response.count(b"\r\n\r\n") and b"chunked" in response.lower():
            yield "chunked-body", b"\x05" + response.partition(b"\r\n\r\n")[2]
    yield "response-head", b"HHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    yield from gateway_seeds(requests[::5], responses[::3])
    yield from gateway_http2_seeds()

    for address in ["192.0.2.1", "::1", "2001:db8::1", "::ffff:192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "[::1]:80", "a.test:8080", "1::2:3",
                    "1:2:3:4:5:6:7:8", "::", "0.0.0.0/0", "255.255.255.255", "Zm9v", "Zm9vYg==", "-_-_", "+/+/", "1:2:3:4:5:6:1.2.3.4"]:
        yield "address", address.encode()
    for lines in ["192.0.2.1", "192.0.2.1, 198.51.100.2:80", "[2001:db8::1]:443,2001:db8::2 , ", "::ffff:192.0.2.1\n192.0.2.3,,\n\t192.0.2.4", "unknown, 192.0.2.1"]:
        yield "forwarded-for", b"\1" + lines.encode()
    for stamp in ["2027-01-15T08:00:00Z", "2027-01-15T17:00:00+09:00", "2027-01-15T17:00:00+0900", "2024-02-29T23:59:59-18:00",
                  "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2100-02-29T00:00:00Z", "2027-01-15T08:00:60Z"]:
        yield "timestamp", stamp.encode()

    signature = bytes.fromhex("0d0a0d0a000d0a515549540a")
    for header in [b"PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\r\n", b"PROXY TCP6 2001:db8::1 ::1 65535 1\r\n", b"PROXY UNKNOWN\r\n",
                   b"PROXY UNKNOWN ff:: ff:: 1 2\r\nGET", signature + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 2, 4, 0, 0, 80]),
                   signature + b"\x21\x21\x00\x24" + bytes(range(36)), signature + b"\x20\x00\x00\x00", signature + b"\x21\x31\x00\xd8" + bytes(216),
                   signature + b"\x21\x11\x00\x13" + bytes(12) + b"\x04\x00\x04abcd", signature + b"\x21\x12\x00\x0c" + bytes(12)]:
        yield "proxy-header", header

    for value in ["hmac algorithm=\"HmacSHA256\", headers=\"host,x-a\", signature=\"Zm9v\"", "HMAC algorithm=\"HmacSHA1\",signature=\"Zm9v\"",
                  "hmac", "hmac\talgorithm = \"HmacSHA512\" , headers=\"\", signature=\"\"", "q0MmMuOJ4Hq8Gk8GnlWbBWGfq0DpvJxT9a8L1cYxn2g=",
                  "hmac algorithm=\"HmacSHA256\", headers=\" a , b \", signature=\"Zm9v\", x=\"y\""]:
        yield "hmac-authorization", value.encode()

    vectors = text("SluiceGatewayTests/Vectors/JWTVectors.swift")
    for token in re.findall(r'"\w+": "(ey[\w.-]+)"', vectors):
        yield "jwt", b"TBearer " + token.encode()
    for payload in ['{"sub":"u-1","exp":1800000100}', '{"exp":1800000100.5,"nbf":1.8e9,"aud":["a","b"]}', '{"sub":"\\u00fc\\ud83d\\ude00","exp":18e8}',
                    '{"exp":1799999999}', '{"exp":"1800000100"}', '{"exp":-1}', '{"exp":99999999999999999999}', '{"sub":{"a":[1,2]},"exp":1800000100}']:
        yield "jwt", b"S" + b'{"alg":"HS256","typ":"JWT"}\n' + payload.encode()
        yield "json", payload.encode()
    for value in ['{}', '{"a":null}', '{"a":[true,false,{"b":-0.5e+3}]}', ' { "a" : "\\"\\\\\\/\\b\\f\\n\\r\\t" , "\\u0061b" : 1 } ', '{"a":"\u00e9\u4e2d\U0001f600"}']:
        yield "json", value.encode()
    for literal in re.findall(r'\{\\?"keys\\?".*', vectors):
        yield "key-set", literal.replace('\\"', '"').rstrip('",').encode()
    yield "key-set", b'{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":"' + b"0vx7" * 86 + b'","e":"AQAB"}]}'

    for pattern, replacement, path in [
        ("/{version}/files/{name}.json", "/{name}/f/{version}", "/v1/files/a.json"), ("/a/(.*)", "/b/%1", "/a/x/y"), ("(/.*)", "%1?x=%0", "/q"),
        ("/(?<a>[^/]+)/(b|c)", "/%2/%1%%41", "/x/b"), ("/a/{b}", "/{b}?k={b}", "/a/..b"), ("/(.*)", "/x/%1/../y", "/%2E%2e"), ("/{a}-{b}", "/", "/x"),
        ("(/a)?(.*)", "%2", "/a/b;c"), ("/{a}/{b}/", "/{b}/{a}/", "/1/2/"), (".*", "//%0", "/.")]:
        yield "rewrite", "\n".join([pattern, replacement, path]).encode()

    for path in ["SluiceConfigurationTests/Swagger/SwaggerDocuments.swift", "SluiceConfigurationTests/Swagger/SecondFormTests.swift"]:
        for document in swift_texts(path):
            yield "swagger", document.encode()
            yield "configuration", document.encode()
    yield "swagger", b"swagger: '2.0'\nbasePath: /a\nhost: h.test\npaths:\n  /x/{id}:\n    get: {responses: {}}\n"
    yield "swagger", b"openapi: 3.1.0\nservers: [{url: '/{a}', variables: {a: {default: b}}}]\npaths:\n  /x: {$ref: '#/components/pathItems/A'}\ncomponents: {pathItems: {A: {get: {parameters: [{$ref: '#/components/parameters/P'}]}}}, parameters: {P: {name: p, in: query}}}\n"
    for folder in ["SluiceConfigurationTests/Tree", "SluiceGatewayTests/Policies", "EndToEndTests"]:
        for name in sorted(os.listdir(os.path.join(TESTS, folder))):
            if name.endswith(".swift"):
                for example in swift_texts(f"{folder}/{name}"):
                    if ":" in example:
                        yield "configuration", re.sub(r"\\\([^)]*\)", "1", example).encode()
    for example in ["a: &x [1, 2]\nb: *x\n", "? k\n: v\n", "- !!str 1\n- 0x1F\n- 1e3\n- ~\n- 'q''q'\n- \"\\u00e9\\n\"\n", "a: |\n  x\n  y\nb: >-\n  z\n",
                    "{\"a\": [1, 2.5, null, true, \"s\"]}", "---\na: 1\n...\n", "<<: {a: 1}\nb: 2\n"]:
        yield "configuration", example.encode()


def main():
    added = 0
    for target, seed in seeds():
        if not seed or len(seed) > SEED_BYTES_MAX * (4 if target in ("swagger", "configuration") else 1):
            continue
        folder = os.path.join(HERE, "Corpora", target)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, hashlib.sha1(seed).hexdigest()[:16])
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(seed)
            added += 1
    print(f"{added} seeds added")


main()
