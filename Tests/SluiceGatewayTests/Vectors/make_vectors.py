#!/usr/bin/env python3
"""Writes HMACVectors.swift and JWTVectors.swift beside this file.

The codes come from the openssl program and the tokens from PyJWT: neither shares a line with Sluice.
Needs: openssl, pip install pyjwt cryptography. Keys are made anew in every run.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = pathlib.Path(__file__).parent
NOW = 1_800_000_000  # 2027-01-15T08:00:00Z, the tests' clock


def swift(text):
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif character == "\n":
            out.append("\\n")
        elif " " <= character <= "~":
            out.append(character)
        else:
            out.append("\\u{%x}" % ord(character))
    return '"' + "".join(out) + '"'


def openssl_hmac(digest, secret, text):
    return subprocess.run(
        ["openssl", "dgst", "-" + digest, "-mac", "HMAC", "-macopt", "hexkey:" + secret.hex(), "-binary"],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def code(secret, lines, digest="sha256"):
    return base64.b64encode(openssl_hmac(digest, secret, "\n".join(lines))).decode()


def hmac_vectors():
    secret = b"a secret of the tests"
    target = "/orders/v1?a=b"
    time = "2027-01-15T08:00:00Z"
    rows = []

    def row(name, method, target, headers, lines, digest="sha256"):
        rows.append((name, method, target, time, headers, code(secret, lines, digest)))

    row("plain", "GET", target, [], ["GET", target, time])
    row("post", "POST", target, [], ["POST", target, time])
    row("escapes", "GET", "/orders/%e2%82%AC/./x?q=%20", [], ["GET", "/orders/%e2%82%AC/./x?q=%20", time])
    row("sha1", "GET", target, [], ["GET", target, time], "sha1")
    row("headers", "GET", target, ["X-Nhn-Client-Id: c-1"],
        ["GET", target, time, "host:api.example.com", "x-nhn-client-id:c-1"])
    row("reversed", "GET", target, ["X-Nhn-Client-Id: c-1"],
        ["GET", target, time, "x-nhn-client-id:c-1", "host:api.example.com"])
    row("several", "GET", target, ["X-Many: a, b", "X-Other: z", "x-many:   c  "],
        ["GET", target, time, "x-many:a, b,c"])
    row("emptyValue", "GET", target, ["X-Empty:"], ["GET", target, time, "x-empty:"])
    rows_swift = ",\n".join(
        "        %s: Row(method: %s, target: %s, timestamp: %s, headers: [%s], code: %s)" % (
            swift(name), swift(method), swift(target), swift(time), ", ".join(map(swift, headers)), swift(value))
        for name, method, target, time, headers, value in rows)
    stamps = ["2027-01-15T08:05:00Z", "2027-01-15T08:05:01Z", "2027-01-15T07:55:00Z", "2027-01-15T07:54:59Z",
              "2027-01-15T17:00:00+09:00", "2027-01-15T17:00:00+0900", "2020-02-29T23:59:59Z"]
    stamps += ["2027-01-15T08:00:%02dZ" % second for second in range(60)]
    stamps_swift = ",\n".join(
        "        %s: %s" % (swift(stamp), swift(code(secret, ["GET", target, stamp]))) for stamp in dict.fromkeys(stamps))
    return f"""// Written by make_vectors.py; the codes are those of the openssl program.
enum HMACVectors {{
    struct Row: Sendable {{
        let method, target, timestamp: String
        let headers: [String]
        let code: String
    }}

    static let secret = {swift(secret.decode())}

    static let rows: [String: Row] = [
{rows_swift},
    ]

    /// Codes of `GET {target}` by timestamp.
    static let codes: [String: String] = [
{stamps_swift},
    ]
}}
"""



def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


JWT_SECRET = "a secret of the tests, which has more than 32 bytes"
HEADER = '{"alg":"HS256","typ":"JWT"}'


def raw(payload, header=HEADER, secret=JWT_SECRET.encode(), digest=hashlib.sha256):
    """A token with these very bytes, which no library would write."""
    signed = b64(header) + "." + b64(payload)
    return signed + "." + b64(hmac.new(secret, signed.encode(), digest).digest())


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key, **more):
    """By PyJWT, less what it adds of its own."""
    made = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kty": "RSA", "n": made["n"], "e": made["e"], **more}


def jwt_vectors():
    exp = NOW + 100
    tokens = {}

    def claims(name, payload, headers=None):
        tokens[name] = jwt.encode(payload, JWT_SECRET, algorithm="HS256", headers=headers)

    claims("valid", {"sub": "u-1", "exp": exp})
    claims("noExp", {"sub": "u-1"})
    claims("nbf", {"exp": exp, "nbf": NOW + 50})
    claims("listText", {"exp": exp, "list": "read write"})
    claims("full", {"iss": "idp", "aud": ["billing", "orders"], "sub": "u-1", "scope": "read write", "exp": exp, "level": 3,
                    "admin": True, "roles": ["a", "b"], "ratio": 0.5, "nothing": None, "nested": {"roles": ["c"]}})
    claims("audText", {"aud": "orders", "exp": exp})
    claims("audOther", {"aud": ["billing"], "exp": exp})
    claims("issOther", {"iss": "idp2", "exp": exp})
    claims("typOther", {"exp": exp}, {"typ": "at+jwt", "kid": "anything", "cty": "x"})
    claims("unicode", {"sub": "\u00fcn\u00ef \U0001f600", "exp": exp})
    claims("newline", {"sub": "a\nX-Admin: 1", "exp": exp})
    claims("blankEnd", {"sub": "admin ", "exp": exp})
    claims("expiredOtherIssuer", {"iss": "idp2", "exp": NOW - 1000})
    tokens["hs512"] = jwt.encode({"exp": exp}, JWT_SECRET, algorithm="HS512")
    tokens["otherSecret"] = jwt.encode({"exp": exp}, JWT_SECRET + "x", algorithm="HS256")
    tokens["algNone"] = jwt.encode({"exp": exp}, None, algorithm="none")

    body = '{"exp":%d}' % exp
    headers = {
        "algNoneSigned": '{"alg":"none"}', "algNoneCase": '{"alg":"nOnE"}', "algRS256": '{"alg":"RS256"}', "algCase": '{"alg":"hs256"}',
        "algMissing": '{"typ":"JWT"}', "algNumber": '{"alg":256}', "algList": '{"alg":["HS256"]}', "algTwice": '{"alg":"HS256","alg":"HS256"}',
        "algTwiceEscaped": '{"alg":"HS256","\\u0061lg":"none"}', "crit": '{"alg":"HS256","crit":["exp"],"exp":1}',
        "critEmpty": '{"alg":"HS256","crit":[]}', "b64False": '{"alg":"HS256","b64":false}', "b64Text": '{"alg":"HS256","b64":"true"}',
        "kidNumber": '{"alg":"HS256","kid":1}', "headerArray": '["HS256"]', "headerText": 'HS256', "headerTrailing": '{"alg":"HS256"}x',
        "headerNestedTwice": '{"alg":"HS256","jwk":{"a":1,"a":2}}',
        "header33": '{"alg":"HS256",' + ",".join('"a%d":0' % i for i in range(32)) + "}",
    }
    for name, header in headers.items():
        tokens[name] = raw(body, header)
    for name, header in {
        "b64True": '{"alg":"HS256","b64":true}', "algEscaped": '{"\\u0061lg":"HS\\u003256"}', "headerSpaces": ' { "alg" : "HS256" } \n',
        "header32": '{"alg":"HS256",' + ",".join('"a%d":0' % i for i in range(31)) + "}",
    }.items():
        tokens[name] = raw(body, header)

    def nested(levels):
        return '{"exp":%d,"x":%s1%s}' % (exp, "[" * (levels - 1), "]" * (levels - 1))

    payloads = {
        "dupExp": '{"exp":%d,"exp":%d}' % (exp, exp), "dupEscaped": '{"exp":1,"e\\u0078p":%d}' % exp,
        "dupNested": '{"exp":%d,"a":{"b":1,"b":1}}' % exp, "dupInArray": '{"exp":%d,"a":[{"b":1,"c":{},"b":1}]}' % exp,
        "dupSurrogate": '{"exp":%d,"\\ud83d\\ude00":1,"\U0001f600":2}' % exp,
        "depth33": nested(33), "members513": '{"exp":%d,%s}' % (exp, ",".join('"a%d":0' % i for i in range(512))),
        "badUTF8": b'{"exp":%d,"a":"\xff"}' % exp, "overlong": b'{"exp":%d,"a":"\xc0\xaf"}' % exp,
        "surrogateUTF8": b'{"exp":%d,"a":"\xed\xa0\x80"}' % exp, "beyondUnicode": b'{"exp":%d,"a":"\xf4\x90\x80\x80"}' % exp,
        "cutUTF8": b'{"exp":%d,"a":"\xe2\x82"}' % exp, "loneSurrogate": '{"exp":%d,"a":"\\ud800"}' % exp,
        "lowSurrogate": '{"exp":%d,"a":"\\udc00"}' % exp, "twoHigh": '{"exp":%d,"a":"\\ud800\\ud800"}' % exp,
        "shortEscape": '{"exp":%d,"a":"\\u12"}' % exp, "badEscape": '{"exp":%d,"a":"\\x"}' % exp, "control": '{"exp":%d,"a":"\t"}' % exp,
        "trailing": body + "x", "twoObjects": body + body, "bom": "\ufeff" + body, "array": "[%s]" % body, "text": '"exp"', "empty": "",
        "leadingZero": '{"exp":0%d}' % exp, "plus": '{"exp":+%d}' % exp, "point": '{"exp":%d.}' % exp, "noInteger": '{"exp":%d,"a":.5}' % exp,
        "minus": '{"exp":%d,"a":-}' % exp, "exponent": '{"exp":%d,"a":1e}' % exp, "nan": '{"exp":NaN}', "infinite": '{"exp":1e400}',
        "expString": '{"exp":"%d"}' % exp, "expBool": '{"exp":true}', "expNull": '{"exp":null}', "expObject": '{"exp":{}}',
        "nbfString": '{"exp":%d,"nbf":"1"}' % exp, "trailingComma": '{"exp":%d,}' % exp, "missingColon": '{"exp" %d}' % exp,
        "bareName": '{exp:%d}' % exp, "singleQuotes": "{'exp':%d}" % exp, "comment": '{"exp":%d/**/}' % exp, "unclosed": '{"exp":%d' % exp,
        "mixedBrackets": '{"exp":%d,"a":[}]' % exp, "literal": '{"exp":%d,"a":nul}' % exp,
    }
    for name, payload in payloads.items():
        tokens[name] = raw(payload)
    for name, payload in {
        "sameNameElsewhere": '{"exp":%d,"a":{"exp":1,"b":{"a":1}},"b":[{"a":1},{"a":2}]}' % exp, "depth32": nested(32),
        "members512": '{"exp":%d,%s}' % (exp, ",".join('"a%d":0' % i for i in range(511))),
        "expFraction": '{"exp":%d.5}' % exp, "expExponent": '{"exp":%de-2}' % (exp * 100), "expHuge": '{"exp":1e300}',
        "expEscapedName": '{"\\u0065\\u0078\\u0070":%d}' % exp, "nbfFraction": '{"exp":%d,"nbf":%d.5}' % (exp, NOW + 50),
        "escapes": '{"exp":%d,"sub":"a\\/\\u00e9\\ud83d\\ude00\\"\\\\"}' % exp, "list": '{"exp":%d,"sub":[ "a, b" , {"c" : "\\" d"} ]}' % exp,
        "subDelete": '{"exp":%d,"sub":"a\x7fb"}' % exp, "subNul": '{"exp":%d,"sub":"a\\u0000b"}' % exp,
        "subEmpty": '{"exp":%d,"sub":""}' % exp, "subBig": '{"exp":%d,"sub":"%s"}' % (exp, "a" * 9000),
        "expNegative": '{"exp":-1}', "expZero": '{"exp":0}', "bigInteger": '{"exp":%d,"id":9007199254740993}' % exp,
        "scopeEscaped": '{"exp":%d,"scope":"read\\u0020write"}' % exp,
    }.items():
        tokens[name] = raw(payload)

    first, second, small = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024))
    elliptic = ec.generate_private_key(ec.SECP256R1())
    rs = {"sub": "u-1", "exp": exp}
    tokens["rsFirst"] = jwt.encode(rs, first, algorithm="RS256", headers={"kid": "k1"})
    tokens["rsSecond"] = jwt.encode(rs, second, algorithm="RS256", headers={"kid": "k2"})
    tokens["rsSecondNoKid"] = jwt.encode(rs, second, algorithm="RS256")
    tokens["rsFirstNoKid"] = jwt.encode(rs, first, algorithm="RS256")
    tokens["rsFirstAsSecond"] = jwt.encode(rs, first, algorithm="RS256", headers={"kid": "k2"})
    tokens["rsUnknownKid"] = jwt.encode(rs, first, algorithm="RS256", headers={"kid": "k9"})
    tokens["rsExpired"] = jwt.encode({"exp": NOW - 1000}, first, algorithm="RS256", headers={"kid": "k1"})
    tokens["rs512"] = jwt.encode(rs, first, algorithm="RS512", headers={"kid": "k1"})
    tokens["ps256"] = jwt.encode(rs, first, algorithm="PS256", headers={"kid": "k1"})
    tokens["rsSmall"] = jwt.encode(rs, small, algorithm="RS256", headers={"kid": "small"})
    # The public key, which everybody has, as the secret of HS256, under either name.
    tokens["confusionHS256"] = raw(body, '{"alg":"HS256","kid":"k1"}', public_pem(first).encode())
    tokens["confusionRS256"] = raw(body, '{"alg":"RS256","kid":"k1"}', public_pem(first).encode())

    others = [jwk(small, kid="small"), json.loads(jwt.algorithms.ECAlgorithm.to_jwk(elliptic.public_key())) | {"kid": "ec"},
              jwk(second, kid="enc", use="enc"), jwk(second, kid="rs512", alg="RS512"), jwk(second, kid="wrap", key_ops=["wrapKey"]),
              jwk(second, kid=7), {"kty": "oct", "k": "AA", "kid": "oct"}]
    sets = {
        "first": [jwk(first, kid="k1", use="sig", alg="RS256", key_ops=["verify"])],
        "both": others + [jwk(first, kid="k1"), jwk(second, kid="k2", use="sig")],
        "none": others,
        "secondIsTenth": [jwk(first, kid="f%d" % i) for i in range(9)] + [jwk(second)],
        "secondIsEleventh": [jwk(first, kid="f%d" % i) for i in range(10)] + [jwk(second)],
        "repeatedKid": [jwk(first, kid="k1"), jwk(second, kid="k1")],
    }
    sets_swift = ",\n".join("        %s: %s" % (swift(name), swift(json.dumps({"keys": keys}))) for name, keys in sets.items())
    tokens_swift = ",\n".join("        %s: %s" % (swift(name), swift(token)) for name, token in tokens.items())
    return f"""// Written by make_vectors.py. Tokens that a library can write are those of PyJWT.
enum JWTVectors {{
    static let secret = {swift(JWT_SECRET)}

    /// By name. Unless the name says otherwise, `exp` is 100 s after the tests' clock.
    static let tokens: [String: String] = [
{tokens_swift},
    ]

    static let firstPublicKey = {swift(public_pem(first))}
    static let firstPrivateKey = {swift(private_pem(first))}
    static let secondPublicKey = {swift(public_pem(second))}
    static let smallPublicKey = {swift(public_pem(small))}

    /// JSON Web Key Sets by name.
    static let sets: [String: String] = [
{sets_swift},
    ]
}}
"""


if __name__ == "__main__":
    (HERE / "HMACVectors.swift").write_text(hmac_vectors())
    (HERE / "JWTVectors.swift").write_text(jwt_vectors())
