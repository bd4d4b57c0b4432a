"""The scenarios: what is asked, what each program is configured to do with it, what the answer must be."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from . import http2, traffic
from .gateways import Setting
from .process import TOOLS
from .traffic import SECRET, Request

SECRET_BASE64 = base64.b64encode(SECRET.encode()).decode()
PLAIN_BODY = b"x" * 128
NEW_TOKENS = 8192  # sent in turn; far more than the 1,024 that a worker of Sluice remembers, so that it has always forgotten the next
MANY = 1_000_000  # a ceiling that is on and never reached


@dataclass
class Scenario:
    name: str
    title: str
    request: Request
    setting: Setting = field(default_factory=Setting)
    status: int = 200
    body: bytes | None = PLAIN_BODY    # None: whatever the program's own error page is
    header: dict = field(default_factory=dict)    # response fields that must be there (value) or must not (None)
    requests: dict = field(default_factory=dict)    # program: another request than the scenario's
    many: Callable | None = None    # makes the requests that are sent in turn, instead of the one over and over
    refused: list = field(default_factory=list)    # requests that must be answered 401: the check is really made
    other_status: int = 0    # one that a few answers may have
    tool: str = "load"    # or wrk, or h2load
    close: bool = False    # a connection for every request
    rate: int = 0    # requests a second, the same for every program; 0: as many as it takes
    upstream: str = "upstream"    # or nginx, or nghttpd
    targets: dict = field(default_factory=dict)    # program: ratio of CPU per request, Sluice over it, that is aimed at
    tail: float = 0    # p99 over the better of the others, that is aimed at; 0: none
    above: dict = field(default_factory=dict)    # variant: microseconds above the first that it asks for


# Lua on OpenSSL by FFI, as the resty.openssl library does it; Debian has no package of that. Contexts and tables are kept.
LUA_CRYPTO = r'''
init_by_lua_block {
  local ffi = require "ffi"
  ffi.cdef[[
    typedef struct evp_md_st EVP_MD; typedef struct evp_md_ctx_st EVP_MD_CTX; typedef struct evp_pkey_st EVP_PKEY; typedef struct bio_st BIO;
    const EVP_MD *EVP_sha256(void);
    unsigned char *HMAC(const EVP_MD *, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *md, unsigned int *md_len);
    int CRYPTO_memcmp(const void *, const void *, size_t);
    BIO *BIO_new_mem_buf(const void *, int); EVP_PKEY *PEM_read_bio_PUBKEY(BIO *, void *, void *, void *);
    EVP_MD_CTX *EVP_MD_CTX_new(void); int EVP_MD_CTX_reset(EVP_MD_CTX *);
    int EVP_DigestVerifyInit(EVP_MD_CTX *, void *, const EVP_MD *, void *, EVP_PKEY *);
    int EVP_DigestVerify(EVP_MD_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);
  ]]
  local C, decode = ffi.C, require "ngx.base64".decode_base64url
  local digest, length = ffi.new "unsigned char[32]", ffi.new "unsigned int[1]"
  local cjson = require "cjson.safe"
  function hmac(key, text)
    C.HMAC(C.EVP_sha256(), key, #key, text, #text, digest, length)
    return ffi.string(digest, 32)
  end
  function equal(a, b) return #a == #b and C.CRYPTO_memcmp(a, b, #a) == 0 end
  local context = C.EVP_MD_CTX_new()
  function rsa(pem)
    local key = C.PEM_read_bio_PUBKEY(C.BIO_new_mem_buf(pem, #pem), nil, nil, nil)
    return function(text, signature)
      C.EVP_MD_CTX_reset(context)
      return C.EVP_DigestVerifyInit(context, nil, C.EVP_sha256(), nil, key) == 1 and C.EVP_DigestVerify(context, signature, #signature, text, #text) == 1
    end
  end
  function token(algorithm, verify)
    local field = ngx.var.http_authorization
    local text, head, claims, signature = (field or ""):match "^Bearer (([%w_-]+)%.([%w_-]+))%.([%w_-]+)$"
    if not text then return ngx.exit(401) end
    local header = cjson.decode(decode(head) or "")
    if not header or header.alg ~= algorithm or not verify(text, decode(signature) or "") then return ngx.exit(401) end
    local payload = cjson.decode(decode(claims) or "")
    if not payload or type(payload.exp) ~= "number" or payload.exp < ngx.time() then return ngx.exit(401) end
  end
  function signed(secret)
    local given, time = ngx.var.http_authorization, ngx.var.http_x_tc_timestamp
    if not given or not time then return ngx.exit(401) end
    local text = ngx.req.get_method() .. "\n" .. ngx.var.request_uri .. "\n" .. time
    if not equal(ngx.encode_base64(hmac(secret, text)), given) then return ngx.exit(401) end
  end
  function under(limit, key, seconds, status)
    local now = ngx.time()
    local count = ngx.shared.counts:incr(key .. (now - now % seconds), 1, 0, seconds * 2)
    if count > limit then return ngx.exit(status) end
  end
  @PEM@
}
lua_shared_dict counts 10m;
'''
LUA = [LUA_CRYPTO.replace("@PEM@", "")]

HAPROXY_SIGNED = [
    r'http-request set-var-fmt(txn.text) "%[method]\n%[url]\n%[req.hdr(x-tc-timestamp)]"',
    f"http-request set-var(txn.expected) var(txn.text),hmac(sha256,{SECRET_BASE64}),base64",
    "http-request deny deny_status 401 unless { req.hdr(authorization),secure_memcmp(txn.expected) -m bool }",
]


def haproxy_token(algorithm, key):
    return [
        "http-request set-var(txn.token) http_auth_bearer",
        "http-request set-var(txn.algorithm) http_auth_bearer,jwt_header_query('$.alg')",
        "http-request set-var(txn.expiry) http_auth_bearer,jwt_payload_query('$.exp','int')",
        "http-request set-var(txn.now) date()",
        f"http-request deny deny_status 401 unless {{ var(txn.algorithm) -m str {algorithm} }} {{ var(txn.token),jwt_verify(txn.algorithm,\"{key}\") -m int 1 }}",
        "http-request deny deny_status 401 if { var(txn.expiry),sub(txn.now) -m int lt 0 }",
    ]


def haproxy_rate(limit, status):
    return ["stick-table type integer size 100 expire 10s store http_req_rate(1s)", "http-request track-sc0 int(1)",
            f"http-request deny deny_status {status} if {{ sc_http_req_rate(0) gt {limit} }}"]


def nginx_rate(limit, burst):
    return {"http": [f"limit_req_zone $server_port zone=ceiling:1m rate={limit}r/s;"],
            "location": [f"limit_req zone=ceiling burst={burst} nodelay; limit_req_status 429;"] if burst else ["limit_req zone=ceiling; limit_req_status 429;"]}


def bearer(credentials):
    """The same token with a signature that does not hold."""
    name, value = credentials[0]
    changed = "A" if value[-10] != "A" else "B"
    return Request(credentials=((name, value[:-10] + changed + value[-9:]),))


def all_scenarios(folder):
    """`folder` holds the keys of `traffic.make_keys`."""
    rs256 = traffic.rs256(folder / "rsa.key")
    pem = (folder / "rsa.pub").read_text()
    lua_rsa = [LUA_CRYPTO.replace("@PEM@", f"verify_rsa = rsa [[{pem}]]")]
    hello = b"hello world"
    unsigned = Request()
    forged = Request(credentials=traffic.signed(secret="another"))
    renamed = Request(target="/plain/v1/members/7")
    chain_rewrite = "rewrite: {pattern: /v1/members/(.*), to: /rewritten/%1}"
    lua_rewrite = 'local to = ngx.re.sub(ngx.var.uri, "^/plain/v1/members/(.*)", "/rewritten/$1", "jo"); ngx.req.set_uri(to)'
    saturated = {"nginx": 0.75, "HAProxy": 0.75, "floor": 1.10}

    yield Scenario("plain-64", "plain proxy, 10 fields, 64 connections", Request(), Setting(floor=True), targets=saturated)
    yield Scenario("plain-400", "plain proxy, 10 fields, 400 connections", Request(), Setting(floor=True, connections=400), targets={"nginx": 0.65})
    yield Scenario("plain-1000", "plain proxy, 10 fields, 1,000 connections", Request(), Setting(floor=True, connections=1000), targets={"nginx": 0.65})
    yield Scenario("plain-5000", "plain proxy, 10 fields, 5,000 connections", Request(), Setting(floor=True, connections=5000), targets={"nginx": 0.65})
    yield Scenario("fields-1", "plain proxy, Host alone", Request(fields=1), Setting(floor=True), targets={})
    yield Scenario("fields-40", "plain proxy, 40 fields", Request(fields=40), Setting(floor=True), targets={})
    yield Scenario("plain-wrk", "plain proxy, 10 fields, wrk, nginx as upstream", Request(), Setting(floor=True), tool="wrk", upstream="nginx",
                   targets={"nginx": 0.85, "HAProxy": 0.85})
    yield Scenario("rate", "plain proxy at 30,000 requests/s, 64 connections", Request(), Setting(floor=True), rate=30_000, tail=1.0)
    yield Scenario("rate-low", "plain proxy at 2,000 requests/s, 64 connections", Request(), Setting(floor=True), rate=2_000)
    yield Scenario("logs", "plain proxy, 10 fields, access logs on", Request(), Setting(logs=True), targets={})
    yield Scenario("ceiling", "ceiling that is not reached", Request(),
                   Setting(sluice={"ceiling": MANY}, nginx=nginx_rate(MANY, MANY), haproxy={"frontend": haproxy_rate(MANY, 429)},
                           lua={"http": LUA, "location": [f'access_by_lua_block {{ under({MANY}, "bench", 1, 429) }}']}))
    yield Scenario("rate-limit", "limit per address that is not reached", Request(),
                   Setting(sluice={"domain": [f"rateLimit: [{{limit: {MANY}, perSeconds: 1}}]"]},
                           nginx={"http": [f"limit_req_zone $binary_remote_addr zone=callers:16m rate={MANY}r/s;"],
                                  "location": [f"limit_req zone=callers burst={MANY} nodelay; limit_req_status 429;"]},
                           haproxy={"frontend": ["stick-table type ipv6 size 1m expire 10s store http_req_rate(1s)", "http-request track-sc0 src",
                                                 f"http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {MANY} }}"]},
                           lua=None))
    yield Scenario("hmac", "HMAC-SHA256", Request(credentials=traffic.signed()),
                   Setting(sluice={"domain": [f"hmac: {{secret: {SECRET}, clockSkew: 0}}"]}, nginx=None, haproxy={"frontend": HAPROXY_SIGNED},
                           lua={"http": LUA, "location": [f'access_by_lua_block {{ signed("{SECRET}") }}']}),
                   refused=[unsigned, forged], targets={"nginx+Lua": 0.75, "HAProxy": 0.65})
    yield Scenario("jwt-hs256", "JWT HS256, repeated token", Request(credentials=traffic.hs256()),
                   Setting(sluice={"domain": [f"jwt: {{algorithm: HS256, secret: {SECRET}}}"]}, nginx=None, haproxy={"frontend": haproxy_token("HS256", SECRET)},
                           lua={"http": LUA, "location": [f'access_by_lua_block {{ token("HS256", function(text, given) return equal(hmac("{SECRET}", text), given) end) }}']}),
                   refused=[unsigned, bearer(traffic.hs256("another"))])
    yield Scenario("jwt-rs256", "JWT RS256, repeated token", Request(credentials=rs256),
                   Setting(sluice={"domain": ["jwt: {algorithm: RS256, publicKey: {file: @FOLDER@/rsa.pub}}"]}, nginx=None,
                           haproxy={"frontend": haproxy_token("RS256", "@FOLDER@/rsa.pub")},
                           lua={"http": lua_rsa, "location": ['access_by_lua_block { token("RS256", verify_rsa) }']}),
                   refused=[unsigned, bearer(rs256)], targets={"nginx+Lua": 0.35})
    yield Scenario("jwt-rs256-new", "JWT RS256, ever-new tokens", Request(credentials=rs256),
                   Setting(sluice={"domain": ["jwt: {algorithm: RS256, publicKey: {file: @FOLDER@/rsa.pub}}"]}, nginx=None,
                           haproxy={"frontend": haproxy_token("RS256", "@FOLDER@/rsa.pub")},
                           lua={"http": lua_rsa, "location": ['access_by_lua_block { token("RS256", verify_rsa) }']}),
                   many=lambda: [Request(credentials=one) for one in traffic.many_rs256(TOOLS / "tokens", folder / "rsa.key", NEW_TOKENS)],
                   refused=[unsigned, bearer(rs256)], targets={"nginx+Lua": 0.70, "HAProxy": 0.70})
    yield Scenario("rewrite", "rewrite by a regular expression", renamed,
                   Setting(sluice={"endpoint": [chain_rewrite]}, nginx={"location": ["rewrite ^/plain/v1/members/(.*)$ /rewritten/$1 break;"]},
                           haproxy={"frontend": [r"http-request replace-path /plain/v1/members/(.*) /rewritten/\1"]},
                           lua={"http": LUA, "location": [f"rewrite_by_lua_block {{ {lua_rewrite} }}"]}), body=b"r" * 128)
    yield full_chain("chain", "full chain: HMAC, quota, rewrite, header changes", False, chain_rewrite, lua_rewrite, [unsigned, forged], {"nginx+Lua": 0.80})
    yield full_chain("chain-logs", "full chain, access logs on", True, chain_rewrite, lua_rewrite, [unsigned, forged], {"nginx+Lua": 0.75})
    yield Scenario("precall", "pre-call API, not remembered", Request(),
                   Setting(sluice={"endpoint": ["preCall: {method: GET, url: \"http://127.0.0.1:@UPSTREAM@/authorise\"}"]},
                           nginx={"server": ['location = /authorise { internal; proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass_request_body off; }'],
                                  "location": ["auth_request /authorise;"]},
                           lua={"http": LUA, "server": ['location = /authorise { internal; proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ""; }'],
                                "location": ['access_by_lua_block { if ngx.location.capture("/authorise").status ~= 200 then return ngx.exit(403) end }']},
                           haproxy=None))
    refusal = {"nginx": 0.75, "HAProxy": 0.75, "nginx+Lua": 0.75}
    yield Scenario("429", "429, the ceiling is used up", Request(),
                   Setting(sluice={"ceiling": 1}, nginx=nginx_rate(1, 0), haproxy={"frontend": haproxy_rate(1, 429)},
                           lua={"http": LUA, "location": ['access_by_lua_block { under(1, "bench", 1, 429) }']}),
                   status=429, other_status=200, body=None, targets=refusal)
    yield Scenario("401", "401, a forged signature", forged,
                   Setting(sluice={"domain": [f"hmac: {{secret: {SECRET}, clockSkew: 0}}"]}, nginx=None, haproxy={"frontend": HAPROXY_SIGNED},
                           lua={"http": LUA, "location": [f'access_by_lua_block {{ signed("{SECRET}") }}']}),
                   status=401, body=None, targets=refusal)
    yield Scenario("404", "404, no such endpoint", Request(),
                   Setting(sluice={"path": "/elsewhere"}, nginx={"location": ["return 404;"], "proxied": False},
                           haproxy={"frontend": ["http-request return status 404 default-errorfiles"], "proxied": False},
                           lua={"http": LUA, "location": ["content_by_lua_block { ngx.exit(404) }"], "proxied": False}),
                   status=404, body=None)
    yield Scenario("mock", "mock", Request(target="/plain/hello"),
                   Setting(sluice={"endpoint": ['mock: {status: 200, headers: {Content-Type: text/plain}, body: "hello world"}']},
                           nginx={"location": ['default_type text/plain; return 200 "hello world";'], "proxied": False},
                           haproxy={"frontend": ['http-request return status 200 content-type text/plain string "hello world"'], "proxied": False},
                           lua={"http": LUA, "location": ['content_by_lua_block { ngx.header["Content-Type"] = "text/plain"; ngx.header["Content-Length"] = 11; ngx.print("hello world") }'],
                                "proxied": False}),
                   body=hello, targets=refusal)
    yield Scenario("response-64k", "64 KiB response", Request(target="/plain/64k"), Setting(floor=True), body=b"x" * 65536,
                   targets={"nginx": 0.95, "HAProxy": 0.95})
    yield Scenario("post-16k", "16 KiB POST", Request("POST", body=b"p" * 16384), Setting(floor=True), targets={"nginx": 0.90, "HAProxy": 0.90})
    yield Scenario("post-chunked", "16 KiB POST, chunked", Request("POST", body=b"p" * 16384, chunked=True), Setting(floor=True),
                   targets={"nginx": 0.90, "HAProxy": 0.90})
    yield Scenario("response-chunked", "16 KiB response, chunked", Request(target="/plain/chunked"), Setting(floor=True), body=b"x" * 16384,
                   targets={"nginx": 0.90, "HAProxy": 0.90})
    yield Scenario("connections", "a connection for every request", Request(), Setting(floor="pool"), close=True, targets={"nginx": 0.90, "HAProxy": 0.90})
    yield Scenario("tls", "TLS, keep-alive", Request(), Setting(tls=True), tool="wrk", targets={"nginx": 0.90, "HAProxy": 0.90})
    yield Scenario("tls-handshakes", "TLS, a handshake for every request", Request(credentials=(("Connection", "close"),)), Setting(tls=True), tool="wrk",
                   close=True)
    yield from over_http2()
    yield Scenario("endpoints", "1, 1,000 and 100,000 endpoints", Request(), Setting(
        sluice={"path": "/v1/members/{id}"}, variants={f"{count:,} endpoints": {"path": "/v1/members/{id}", "endpoints": count} for count in (1000, 100_000)}),
                   targets={"1,000 endpoints": 1.05, "100,000 endpoints": 1.05})
    yield Scenario(
        # The plain request has the fields of a signature too: what is compared is the policy, not the request's size.
        "policies", "what a policy adds to plain proxying", Request(credentials=traffic.signed()), Setting(variants={
            "HMAC-SHA256": {"domain": [f"hmac: {{secret: {SECRET}, clockSkew: 0}}"]},
            "JWT HS256": {"domain": [f"jwt: {{algorithm: HS256, secret: {SECRET}}}"]},
            "JWT RS256 repeated": {"domain": ["jwt: {algorithm: RS256, publicKey: {file: @FOLDER@/rsa.pub}}"]},
            "usage quota": {"domain": ["usageQuota: [{limit: 4000000000, perSeconds: 86400}]"]},
            "rewrite": {"endpoint": ["rewrite: {pattern: /v1/members/(.*), to: /members/%1}"]}}),
        requests={"HMAC-SHA256": Request(credentials=traffic.signed()), "JWT HS256": Request(credentials=traffic.hs256()), "JWT RS256 repeated": Request(credentials=rs256)},
        above={"HMAC-SHA256": 1.0, "JWT HS256": 2.0, "JWT RS256 repeated": 1.5, "rewrite": 0.5})
    yield Scenario("workers", "1 and 2 workers", Request(), Setting(both_cores=True, variants={"2 workers": {"workers": 2}}), targets={"2 workers": 1.05})


def over_http2():
    """The targets are of the better of nginx and HAProxy, so they hold for both; H2O is the cheapest there is."""
    targets = {"nginx": 0.65, "HAProxy": 0.65, "H2O": 1.0}
    for name, title, setting in (
            ("h2-10x32", "HTTP/2 over TLS, 10 connections with 32 streams", Setting(http2=True, tls=True, connections=10, streams=32, h2o=True)),
            ("h2-100x10", "HTTP/2 over TLS, 100 connections with 10 streams", Setting(http2=True, tls=True, connections=100, streams=10, h2o=True)),
            ("h2c-10x32", "HTTP/2 in cleartext, 10 connections with 32 streams", Setting(http2=True, connections=10, streams=32, h2o=True))):
        yield Scenario(name, title, Request(), setting, tool="h2load", targets=targets)
    # nghttpd is no light upstream; what is compared is the gateways' CPU alone.
    yield Scenario("h2-upstream", "HTTP/2 on both sides, 10 connections with 32 streams", Request(), Setting(http2=True, tls=True, connections=10, streams=32, h2o=True, service="h2c"),
                   tool="h2load", upstream="nghttpd", targets=targets)
    yield Scenario("grpc", "gRPC, unary calls of 127 bytes, 10 connections with 32 streams",
                   Request("POST", fields=6, body=http2.GRPC_MESSAGE, credentials=(("Content-Type", "application/grpc"), ("TE", "trailers"))),
                   Setting(http2=True, tls=True, connections=10, streams=32, service="grpc"), tool="h2load", upstream="nghttpd", body=http2.GRPC_MESSAGE,
                   header={"grpc-status": "0"}, targets=targets)


def full_chain(name, title, logs, rewrite, lua_rewrite, refused, targets):
    quota_limit = 4_000_000_000
    return Scenario(
        name, title, Request(credentials=traffic.signed()),
        Setting(
            logs=logs, nginx=None,
            sluice={"ceiling": MANY, "domain": [f"hmac: {{secret: {SECRET}, clockSkew: 0}}", f"usageQuota: [{{limit: {quota_limit}, perSeconds: 86400}}]"],
                    "endpoint": [rewrite, "headers: {request: {set: {X-Gateway: bench}, remove: [X-Client]}, response: {set: {X-Served-By: bench}, remove: [ETag]}}"]},
            lua={"http": LUA, "location": [
                f'access_by_lua_block {{ under({MANY}, "bench", 1, 429); under({quota_limit}, "day", 86400, 403); signed("{SECRET}"); {lua_rewrite};'
                ' ngx.req.set_header("X-Gateway", "bench"); ngx.req.clear_header("X-Client") }',
                'header_filter_by_lua_block { ngx.header["X-Served-By"] = "bench"; ngx.header["ETag"] = nil }']},
            haproxy={"extra": ["backend day", "stick-table type integer size 100 expire 24h store http_req_rate(24h)"],
                     "frontend": [*haproxy_rate(MANY, 429), "http-request track-sc1 int(1) table day",
                                  f"http-request deny deny_status 403 if {{ sc_http_req_rate(1,day) gt {quota_limit} }}", *HAPROXY_SIGNED,
                                  r"http-request replace-path /plain/v1/members/(.*) /rewritten/\1", "http-request set-header X-Gateway bench",
                                  "http-request del-header X-Client", "http-response set-header X-Served-By bench", "http-response del-header ETag"]}),
        body=b"r" * 128, header={"x-served-by": "bench", "etag": None}, refused=refused, targets=targets)
