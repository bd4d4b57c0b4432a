// Sixteen bytes at a time, for the scans of SluiceHTTP and for hexadecimal digits.
//
// In C, because what is needed is one bit a byte of a comparison: one instruction of the processor, for which Swift's
// SIMD types have no expression (measured: 190 instructions a field line by words of eight bytes, half of that here). The
// vector extension of clang names no processor's instructions, so the same lines serve x86-64 and arm64.
//
// Every function reads exactly sixteen bytes at `bytes`, unless it says otherwise, at any alignment, and answers with one bit a byte, the first byte
// lowest. Its caller guarantees that they can be read: see `ByteScan`.
#ifndef SLUICE_CBYTESCAN_H
#define SLUICE_CBYTESCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t sluice_bytes16 __attribute__((ext_vector_type(16)));
typedef bool sluice_flags16 __attribute__((ext_vector_type(16)));

static inline sluice_bytes16 sluice_load16(const uint8_t *bytes) {
    sluice_bytes16 loaded;
    memcpy(&loaded, bytes, sizeof loaded);
    return loaded;
}

#define SLUICE_BITS(comparison)                                                     \
    do {                                                                            \
        sluice_flags16 flags = __builtin_convertvector((comparison), sluice_flags16); \
        uint16_t bits;                                                              \
        memcpy(&bits, &flags, sizeof bits);                                         \
        return bits;                                                                \
    } while (0)

/// Control characters other than HTAB, and DEL: what a field value cannot hold.
static inline uint32_t sluice_non_text16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS(((each < 0x20) & (each != '\t')) | (each == 0x7F));
}

/// All but letters, digits and hyphens, of which nearly all field names consist.
static inline uint32_t sluice_non_name16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((((each | 0x20) - 'a') >= 26) & ((each - '0') >= 10) & (each != '-'));
}

/// All but the characters of tokens (RFC 9110, 5.6.2): letters, digits and !#$%&'*+-.^_`|~
static inline uint32_t sluice_non_token16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((((each | 0x20) - 'a') >= 26) & ((each - '0') >= 10) & (each != '!') & ((each - '#') >= 5) & ((each - '*') >= 2)
        & ((each - '-') >= 2) & ((each - '^') >= 3) & (each != '|') & (each != '~'));
}

/// Those that are this byte.
static inline uint32_t sluice_equal16(const uint8_t *bytes, uint8_t byte) {
    SLUICE_BITS(sluice_load16(bytes) == byte);
}

/// All but what a registered name holds as it is (RFC 3986, 3.2.2), the comma left out: letters, digits and !$&'()*+-.;=_~
static inline uint32_t sluice_non_reg_name16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((((each | 0x20) - 'a') >= 26) & ((each - '0') >= 10) & (each != '!') & (each != '$') & ((each - '&') >= 6)
        & ((each - '-') >= 2) & (each != ';') & (each != '=') & (each != '_') & (each != '~'));
}

/// All but letters, digits, hyphens and dots, of which nearly all host names consist.
static inline uint32_t sluice_non_host16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((((each | 0x20) - 'a') >= 26) & ((each - '0') >= 10) & ((each - '-') >= 2));
}

/// What ends the path in a request target, or cannot stand there: controls, space, `#`, `?`, DEL, bytes beyond ASCII.
static inline uint32_t sluice_non_target16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((each <= 0x20) | (each >= 0x7F) | (each == '#') | (each == '?'));
}

/// What ends the query, or cannot stand there: the same without `?`.
static inline uint32_t sluice_non_query16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((each <= 0x20) | (each >= 0x7F) | (each == '#'));
}

/// What ends the path, and `%`, semicolon, backslash and a slash or a dot behind a slash: what makes a path need more than a look. Reads
/// the byte before the sixteen too. The last comparison also finds a few pairs of other bytes below 0x30, a slash behind a dot among them.
static inline uint32_t sluice_non_plain16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    sluice_bytes16 before = sluice_load16(bytes - 1);
    SLUICE_BITS((each <= 0x20) | (each >= 0x7F) | (each == '#') | (each == '?') | (each == '%') | (each == ';') |
                (each == '\\') | ((each | before) == '/'));
}

#undef SLUICE_BITS

/// Writes the sixteen digits of a number in lower case, the most significant first.
static inline void sluice_hexadecimal16(uint64_t number, uint8_t *digits) {
    typedef uint8_t bytes8 __attribute__((ext_vector_type(8)));
    uint64_t big_endian = __builtin_bswap64(number);
    bytes8 pairs;
    memcpy(&pairs, &big_endian, sizeof pairs);
    bytes8 high = pairs >> 4, low = pairs & 0x0F;
    sluice_bytes16 nibbles = __builtin_shufflevector(high, low, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    sluice_bytes16 letters = (sluice_bytes16)(nibbles > 9) & ('a' - '0' - 10);
    sluice_bytes16 text = nibbles + '0' + letters;
    memcpy(digits, &text, sizeof text);
}

#endif
