internal import CPCRE2
package import SluiceHTTP

/// What a match answers.
package enum MatchOutcome: BitwiseCopyable, Equatable, Sendable {
    case none
    /// The groups can be read from the scratch until its next match.
    case matched
    /// Given up: the pattern took more steps or memory than it may, or PCRE2 failed. Whether the subject
    /// matches is unknown.
    case limitExceeded
}

/// The memory of matches and the bounds on them, one per worker: not safe for use on two threads.
///
/// A step is a place to which a match may come back (pcre2api(3), "match limit"); the interpreter and native
/// code both count them. Between two steps code may run along the whole subject, so steps alone bound no time:
/// with 100,000 of them `(.*)[^/]*/z` held a path of 30 KB for 0.1 s in native code. Their number is therefore
/// cut as the subject grows, and steps times bytes never exceed `stepBytesMax`: the same match is given up
/// after 6 ms, and nested loops such as `(a+)+` within 0.1 ms.
package final class MatchScratch {
    /// Steps of one match unless configured.
    package static let stepsDefault = 100_000
    /// Bound of steps times bytes of the subject. A pattern that looks at every byte of a path once, such as
    /// `/(.*?)/edit`, stays inside on paths of up to 16,384 bytes; the default steps are cut above 2,684 bytes.
    package static let stepBytesMax = 1 << 28
    /// Groups that can be read, the whole match counted: `%0` to `%9`.
    package static let groupsMax = 10
    /// Memory of one match for what it may come back to, in native code. Beyond: `.limitExceeded`.
    package static let stackBytesMax = 1 << 20

    /// Valid for as long as the `MatchScratch` that it came from.
    package struct Handle: BitwiseCopyable {
        fileprivate let state: UnsafeMutablePointer<State>

        /// Matches `subject`, which needs to live only as long as the call, from its first byte.
        package func match(_ regex: Regex.Handle, _ subject: ByteView) -> MatchOutcome {
            regex.isUnicode ? matchCharacters(regex, subject) : matchBytes(regex, subject)
        }

        /// Matches a text as it is with an expression for characters (`Regex.init(ecmaScript:)`). The text has to be valid UTF-8: its caller has
        /// made sure of that, and nothing looks again.
        package func matchText(_ regex: Regex.Handle, _ text: ByteView) -> MatchOutcome { matchBytes(regex, text) }

        /// Groups are told where they stand in the subject as it is, escapes and all.
        @inline(never)
        private func matchCharacters(_ regex: Regex.Handle, _ subject: ByteView) -> MatchOutcome {
            guard let memory = state.pointee.room(for: subject.count) else { return .limitExceeded }
            let decoded = DecodedSubject(subject, into: memory)
            let outcome = matchBytes(regex, decoded.text)
            guard outcome == .matched else { return outcome }
            for index in 0..<2 * state.pointee.groupCount {
                state.pointee.offsets[index] = decoded.original(of: state.pointee.offsets[index])
            }
            state.pointee.subjectCount = subject.count
            return .matched
        }

        @inline(__always)
        private func matchBytes(_ regex: Regex.Handle, _ subject: ByteView) -> MatchOutcome {
            let data = state.pointee.data
            let affordable = MatchScratch.stepBytesMax / max(1, subject.count)
            pcre2_set_match_limit_8(state.pointee.context, UInt32(min(state.pointee.steps, max(1, affordable))))
            // The native code itself, where there is some, without what `pcre2_match` checks first: options, of which there are none, and
            // UTF: a pattern has none, or its subject was decoded to it. The result is the same (pcre2jit(3), "JIT fast path API").
            let match = regex.isNative ? pcre2_jit_match_8 : pcre2_match_8
            let result = match(regex.code, subject.base, subject.count, 0, 0, data, state.pointee.context)
            guard result >= 0 else {
                state.pointee.groupCount = 0
                return result == PCRE2_ERROR_NOMATCH ? .none : .limitExceeded
            }
            // 0 says that there were more groups than places: all places are filled.
            state.pointee.groupCount = result == 0 ? MatchScratch.groupsMax : Int(result)
            state.pointee.subjectCount = subject.count
            return .matched
        }

        /// Groups that the last match has filled, the whole match counted; those behind took no part in it. 0 to `groupsMax`.
        package var groupCount: Int { state.pointee.groupCount }

        /// Where group `index` of the last match stands in its subject; 0 is the whole match.
        ///
        /// - Returns: nil for a group that took no part in the match or that the pattern does not have, for 10
        ///   and above, and after a match that did not succeed.
        package func group(_ index: Int) -> Range<Int>? {
            guard index >= 0, index < state.pointee.groupCount else { return nil }
            let start = state.pointee.offsets[2 * index]
            let end = state.pointee.offsets[2 * index + 1]
            // An unset group has PCRE2_UNSET, -1 here, twice; `\K` can put a start behind its end.
            guard start >= 0, start <= end, end <= state.pointee.subjectCount else { return nil }
            return start..<end
        }
    }

    fileprivate struct State: BitwiseCopyable {
        let data: OpaquePointer
        let context: OpaquePointer
        let stack: OpaquePointer?
        let offsets: UnsafeMutablePointer<Int>
        let steps: Int
        var groupCount = 0
        var subjectCount = 0
        /// For decoded subjects; made by the first and kept, larger where a longer one comes.
        var decoded: UnsafeMutablePointer<UInt8>?
        var decodedCapacity = 0

        mutating func room(for count: Int) -> UnsafeMutablePointer<UInt8>? {
            if count <= decodedCapacity, let decoded { return decoded }
            decoded?.deallocate()
            decodedCapacity = max(1024, 2 * count)
            decoded = .allocate(capacity: decodedCapacity)
            return decoded
        }
    }

    package let handle: Handle

    /// - Parameter steps: 1 to 4,294,967,295; what lies outside is brought inside.
    /// - Returns: nil if there is no memory.
    package init?(steps: Int = MatchScratch.stepsDefault) {
        let steps = min(max(1, steps), Int(UInt32.max))
        guard let data = pcre2_match_data_create_8(UInt32(Self.groupsMax), nil) else { return nil }
        guard let context = pcre2_match_context_create_8(nil) else {
            pcre2_match_data_free_8(data)
            return nil
        }
        // Without a stack of its own, native code has 32 KiB of the thread's.
        let stack = pcre2_jit_stack_create_8(32 << 10, Self.stackBytesMax, nil)
        if let stack { pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack)) }
        pcre2_set_depth_limit_8(context, UInt32(steps))
        pcre2_set_heap_limit_8(context, UInt32(Self.heapKibibytesMax))
        let offsets = UnsafeMutableRawPointer(pcre2_get_ovector_pointer_8(data)!).assumingMemoryBound(to: Int.self)
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(data: data, context: context, stack: stack, offsets: offsets, steps: steps))
        handle = Handle(state: state)
    }

    deinit {
        let state = handle.state
        pcre2_match_data_free_8(state.pointee.data)
        pcre2_match_context_free_8(state.pointee.context)
        pcre2_jit_stack_free_8(state.pointee.stack)
        state.pointee.decoded?.deallocate()
        state.deallocate()
    }

    /// Memory of one match in the interpreter, in units of 1,024 bytes. A place to come back to takes some 150
    /// bytes, so that a path of 64 KiB fits.
    private static let heapKibibytesMax = 16 << 10
}
