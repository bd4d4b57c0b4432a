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

/// What cannot stand in a path, and `%`: controls, space, `#`, `?`, backslash, DEL, bytes beyond ASCII.
static inline uint32_t sluice_non_literal16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((each <= 0x20) | (each >= 0x7F) | (each == '#') | (each == '?') | (each == '%') | (each == '\\'));
}

/// Slashes behind a slash. Reads the byte before the sixteen too.
static inline uint32_t sluice_double_slash16(const uint8_t *bytes) {
    SLUICE_BITS((sluice_load16(bytes) == '/') & (sluice_load16(bytes - 1) == '/'));
}

/// Dots behind a slash. Reads the byte before the sixteen too.
static inline uint32_t sluice_dot_segment16(const uint8_t *bytes) {
    SLUICE_BITS((sluice_load16(bytes) == '.') & (sluice_load16(bytes - 1) == '/'));
}

/// Semicolons, dots behind a slash and slashes behind a slash. Reads the byte before the sixteen too.
static inline uint32_t sluice_path_mark16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((each == ';') | (((each == '/') | (each == '.')) & (sluice_load16(bytes - 1) == '/')));
}

/// Semicolons, and where `%3B` begins. Reads the two bytes behind the sixteen too.
static inline uint32_t sluice_parameter16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((each == ';') | ((each == '%') & (sluice_load16(bytes + 1) == '3') & (sluice_load16(bytes + 2) == 'B')));
}

/// Where `%2F` ends. Reads the two bytes before the sixteen too.
static inline uint32_t sluice_encoded_slash16(const uint8_t *bytes) {
    SLUICE_BITS((sluice_load16(bytes) == 'F') & (sluice_load16(bytes - 1) == '2') & (sluice_load16(bytes - 2) == '%'));
}

/// What does not stand for itself in a string of JSON: a quotation mark, a backslash, control characters, and bytes beyond ASCII.
static inline uint32_t sluice_non_plain_json16(const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    SLUICE_BITS((each < 0x20) | (each >= 0x80) | (each == '"') | (each == '\\'));
}

#undef SLUICE_BITS

/// Copies sixteen bytes.
static inline void sluice_copy16(uint8_t *out, const uint8_t *bytes) {
    sluice_bytes16 each = sluice_load16(bytes);
    memcpy(out, &each, sizeof each);
}

/// Writes sixteen escapes of a path, which are 48 bytes, with upper-case digits. Reads one byte more, and writes what means nothing where it answers 0.
///
/// Answers 0 if the bytes are anything else than escapes of spaces and of bytes beyond ASCII; 1 if all digits were in upper case; 2 if not.
static inline uint32_t sluice_escapes48(const uint8_t *bytes, uint8_t *out) {
    // Where the percent signs, the first and the second digits stand in each third of the 48 bytes.
    static const sluice_bytes16 percent[3] = {
        {255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255},
        {0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0},
        {0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0}};
    static const sluice_bytes16 first[3] = {
        {0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0},
        {255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255},
        {0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0}};
    static const sluice_bytes16 second[3] = {
        {0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0},
        {0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0},
        {255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 255}};
    sluice_bytes16 misfits = {0}, lower = {0};
    for (int third = 0; third < 3; third++) {
        sluice_bytes16 each = sluice_load16(bytes + 16 * third), next = sluice_load16(bytes + 16 * third + 1);
        sluice_bytes16 letter = (sluice_bytes16)(((each | 0x20) - 'a') < 6);
        sluice_bytes16 beyond = (sluice_bytes16)((each - '8') < 2) | letter | (sluice_bytes16)((each == '2') & (next == '0'));
        sluice_bytes16 digit = (sluice_bytes16)((each - '0') < 10) | letter;
        misfits |= ~((percent[third] & (sluice_bytes16)(each == '%')) | (first[third] & beyond) | (second[third] & digit));
        sluice_bytes16 case_bit = letter & each & 0x20;
        sluice_bytes16 upper = each - case_bit;
        lower |= case_bit;
        memcpy(out + 16 * third, &upper, sizeof upper);
    }
    uint64_t none[2], some[2];
    memcpy(none, &misfits, sizeof none);
    memcpy(some, &lower, sizeof some);
    return (none[0] | none[1]) != 0 ? 0 : (some[0] | some[1]) != 0 ? 2 : 1;
}

/// Writes the twelve bytes that sixteen characters of base64 stand for, and two zeros behind them. `out` may be `bytes`. False, and nothing is written, if one of the
/// characters is none.
///
/// \param plus The character of the value 62.
/// \param slash The character of the value 63.
static inline bool sluice_base64_decode16(const uint8_t *bytes, uint8_t plus, uint8_t slash, uint8_t *out) {
    sluice_bytes16 each = sluice_load16(bytes);
    sluice_bytes16 upper = (sluice_bytes16)((each - 'A') < 26), lower = (sluice_bytes16)((each - 'a') < 26);
    sluice_bytes16 digit = (sluice_bytes16)((each - '0') < 10);
    sluice_bytes16 is_plus = (sluice_bytes16)(each == plus), is_slash = (sluice_bytes16)(each == slash);
    sluice_bytes16 misfits = ~(upper | lower | digit | is_plus | is_slash);
    sluice_bytes16 values = (upper & (each - 'A')) | (lower & (each - 'a' + 26)) | (digit & (each - '0' + 52)) | (is_plus & 62) | (is_slash & 63);
    // Pairs of six bits to twelve, pairs of those to 24, the first one highest.
    typedef uint16_t lanes8 __attribute__((ext_vector_type(8)));
    typedef uint32_t lanes4 __attribute__((ext_vector_type(4)));
    lanes8 sixes = (lanes8)values;
    lanes4 twelves = (lanes4)((sixes & 0xFF) << 6 | sixes >> 8);
    lanes4 groups = (twelves & 0xFFFF) << 12 | twelves >> 16;
    uint64_t none[2], pairs[2];
    memcpy(none, &misfits, sizeof none);
    if ((none[0] | none[1]) != 0) return false;
    memcpy(pairs, &groups, sizeof pairs);
    uint64_t first = __builtin_bswap64(pairs[0] << 40 | pairs[0] >> 32 << 16), second = __builtin_bswap64(pairs[1] << 40 | pairs[1] >> 32 << 16);
    memcpy(out, &first, sizeof first);
    memcpy(out + 6, &second, sizeof second);
    return true;
}

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
