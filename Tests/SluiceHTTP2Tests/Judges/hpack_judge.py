#!/usr/bin/env python3
"""Reads and writes blocks of fields with codecs of other makers: Python's hpack, and libnghttp2 by ctypes.

    hpack_judge.py codecs    those that are installed, one a line
    hpack_judge.py decode    lists of fields (JSON, one a line) from standard input, as both codecs write them one after the other: a block (hex) a line and codec
    hpack_judge.py encode    blocks (hex, one a line) from standard input, as both codecs read them: a list of fields (JSON) a line and codec

What the codecs do is printed codec after codec, in the order of `codecs`.
"""
import ctypes, json, sys

try:
    import hpack
except ImportError:
    hpack = None
try:
    nghttp2 = ctypes.CDLL("libnghttp2.so.14")
except OSError:
    nghttp2 = None


class Field(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p), ("name_count", ctypes.c_size_t), ("value_count", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


class Hpack:
    def __init__(self):
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder(max_header_list_size=1 << 24)

    def encode(self, fields, number):
        return self.encoder.encode([(name.encode("latin1"), value.encode("latin1")) for name, value in fields], huffman=number % 3 != 0)

    def decode(self, block):
        return [[name.decode("latin1"), value.decode("latin1")] for name, value in self.decoder.decode(block, raw=True)]


class Nghttp2:
    def __init__(self):
        self.deflater, self.inflater = ctypes.c_void_p(), ctypes.c_void_p()
        assert nghttp2.nghttp2_hd_deflate_new(ctypes.byref(self.deflater), ctypes.c_size_t(4096)) == 0
        assert nghttp2.nghttp2_hd_inflate_new(ctypes.byref(self.inflater)) == 0
        nghttp2.nghttp2_hd_deflate_bound.restype = ctypes.c_size_t
        nghttp2.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
        nghttp2.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t

    def encode(self, fields, number):
        array = (Field * max(1, len(fields)))()
        for place, (name, value) in zip(array, fields):
            name, value = name.encode("latin1"), value.encode("latin1")
            place.name, place.value, place.name_count, place.value_count = name, value, len(name), len(value)
        room = nghttp2.nghttp2_hd_deflate_bound(self.deflater, array, ctypes.c_size_t(len(fields)))
        memory = ctypes.create_string_buffer(room)
        count = nghttp2.nghttp2_hd_deflate_hd(self.deflater, memory, ctypes.c_size_t(room), array, ctypes.c_size_t(len(fields)))
        assert count >= 0
        return memory.raw[:count]

    def decode(self, block):
        fields, field, flags, at = [], Field(), ctypes.c_int(), 0
        memory = ctypes.create_string_buffer(block, len(block) or 1)
        while True:
            used = nghttp2.nghttp2_hd_inflate_hd2(
                self.inflater, ctypes.byref(field), ctypes.byref(flags), ctypes.byref(memory, at), ctypes.c_size_t(len(block) - at), 1)
            if used < 0:
                raise ValueError(f"nghttp2: {used}")
            at += used
            if flags.value & 2:
                fields.append([ctypes.string_at(field.name, field.name_count).decode("latin1"), ctypes.string_at(field.value, field.value_count).decode("latin1")])
            if flags.value & 1:
                nghttp2.nghttp2_hd_inflate_end_headers(self.inflater)
                return fields
            if not flags.value & 3 and at == len(block):
                return fields


def main():
    codecs = ([("hpack", Hpack)] if hpack else []) + ([("nghttp2", Nghttp2)] if nghttp2 else [])
    if sys.argv[1] == "codecs":
        print("\n".join(name for name, _ in codecs))
        return
    lines = sys.stdin.read().splitlines()
    for _, codec in codecs:
        one = codec()
        for number, line in enumerate(lines):
            if sys.argv[1] == "decode":
                print(one.encode(json.loads(line), number).hex())
            else:
                try:
                    print(json.dumps(one.decode(bytes.fromhex(line))))
                except Exception as error:  # whatever the codec says of it is the verdict
                    print(json.dumps(str(error)))


main()
