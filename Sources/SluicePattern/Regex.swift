internal import CPCRE2
package import SluiceHTTP

/// A regular expression in Perl's syntax (pcre2pattern(3)), compiled once.
///
/// It matches bytes: `.` is one byte, classes and case are ASCII's, and no pattern can switch to Unicode by itself, so a
/// subject needs no check first. One that is compiled with `isUnicode` matches characters of a subject whose escaped characters outside
/// ASCII are decoded (`DecodedSubject`); `\\d`, `\\w` and the like stay ASCII's. `$` means the very end, never "before a last newline".
///
/// Immutable; any thread, and therefore Sendable. What changes while matching is in `MatchScratch`, one per worker.
package final class Regex: @unchecked Sendable {
    /// Which part of the subject must match.
    package enum Extent: Sendable {
        /// All of it, whatever alternation the pattern holds: `a|ab` matches the whole of `ab`.
        case whole
        /// Any part of it.
        case anywhere
    }

    /// Valid for as long as the `Regex` that it came from. Sendable: a pointer to compiled code, which matching only reads.
    package struct Handle: BitwiseCopyable, @unchecked Sendable {
        let code: OpaquePointer
        /// Groups that the pattern captures, the whole match not counted.
        package let captureCount: Int
        /// See `Regex.isNative`.
        let isNative: Bool
        let isUnicode: Bool
    }

    /// Longest pattern, in bytes.
    package static let patternBytesMax = 4096

    package let handle: Handle
    /// False where the system lets no program make code executable, and for a pattern that asks for it; matching is
    /// then slower, not different.
    package var isNative: Bool { handle.isNative }

    package convenience init(_ pattern: ByteView, matching extent: Extent = .whole) throws(PatternError) {
        try self.init(bytes: pattern.buffer, matching: extent, isUnicode: false)
    }

    /// As `init(_:matching:)`, for text, whose UTF-8 bytes are the pattern.
    ///
    /// - Parameter isUnicode: whether characters are matched, not bytes.
    package convenience init(_ pattern: String, matching extent: Extent = .whole, isUnicode: Bool = false) throws(PatternError) {
        try self.init(bytes: pattern.utf8, matching: extent, isUnicode: isUnicode)
    }

    /// An expression as JSON Schema has them: in the language of ECMA-262 as far as PCRE2 knows it, for characters, matching any part of a text
    /// (`MatchScratch.Handle.matchText`). A dot is no CR and no LF, `\\uHHHH` is a character, `[]` is empty. `\\d`, `\\w` and `\\s` are ASCII's.
    package convenience init(ecmaScript pattern: String) throws(PatternError) {
        let language = PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF
        try self.init(bytes: pattern.utf8, matching: .anywhere, isUnicode: true, language: language)
    }

    /// - Parameter language: options of PCRE2 for another language than Perl's; 0 for that.
    private init(
        bytes pattern: some Collection<UInt8>, matching extent: Extent, isUnicode: Bool, language: UInt32 = 0
    ) throws(PatternError) {
        guard pattern.count <= Self.patternBytesMax else {
            throw PatternError(offset: Self.patternBytesMax, message: "longer than \(Self.patternBytesMax) bytes")
        }
        var options = PCRE2_NEVER_UCP | PCRE2_DOLLAR_ENDONLY | (language == 0 ? PCRE2_DOTALL : language)
        // `\C`, a single byte, could begin in the midst of a character.
        options |= isUnicode ? PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C : PCRE2_NEVER_UTF
        // As compile options: given to the match instead, they would turn native code off.
        if extent == .whole { options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED }
        var code: Int32 = 0
        var offset = 0
        let context = language == 0 ? nil : pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(context) }
        if let context {
            pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_ANYCRLF))
            pcre2_set_compile_extra_options_8(context, PCRE2_EXTRA_ALT_BSUX)
        }
        let compiled = Array(pattern).withUnsafeBufferPointer { bytes in
            pcre2_compile_8(bytes.baseAddress ?? ByteView.empty.base, bytes.count, options, &code, &offset, context)
        }
        guard let compiled else {
            throw PatternError(offset: min(offset, pattern.count), message: Self.message(code))
        }
        // Without native code the match itself falls back to the interpreter.
        _ = pcre2_jit_compile_8(compiled, PCRE2_JIT_COMPLETE)
        var nativeBytes = 0
        pcre2_pattern_info_8(compiled, UInt32(PCRE2_INFO_JITSIZE), &nativeBytes)
        var captures: UInt32 = 0
        pcre2_pattern_info_8(compiled, UInt32(PCRE2_INFO_CAPTURECOUNT), &captures)
        handle = Handle(code: compiled, captureCount: Int(captures), isNative: nativeBytes > 0, isUnicode: isUnicode)
    }

    deinit { pcre2_code_free_8(handle.code) }

    private static func message(_ code: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 256)
        let count = pcre2_get_error_message_8(code, &text, text.count)
        return count > 0 ? String(decoding: text.prefix(Int(count)), as: UTF8.self) : "PCRE2 error \(code)"
    }
}
