import SluiceHTTP

extension HTTP2Session {
    /// Reads on. The answer is one event; the bytes that belong to it are used up, and those of frames before it that the caller need not know of.
    ///
    /// - Parameters:
    ///   - area: where the next head or trailers are decoded to. While `isInBlock`, what was written there before is still needed; otherwise it may be any
    ///     memory that is free. The event's text stands at its front.
    ///   - output: for answers. With less than `HTTP2Output.reserve` of room nothing is read.
    ///   - now: milliseconds of a clock that never goes back.
    package mutating func next(_ input: inout HTTP2Input, head area: HTTP2HeadArea, output: inout HTTP2Output, now: UInt64) -> HTTP2Event {
        if step == .failed { return .failed(code: failureCode, reason: failureReason) }
        if lastServed < lastOwnStream, let event = resetUnserved() { return event }
        guard input.count > 0 else { return .needMore }
        guard output.room >= HTTP2Output.reserve else { return .outputFull }
        if isInBlock { assembly.lend(area) }
        while true {
            let event: HTTP2Event?
            switch step {
            case .frameHeader:
                guard input.count > 0 else { return .needMore }
                if owesAnswers { writeOwed(&output) }
                guard output.room >= HTTP2Output.reserve, queuedAnswers < limits.pointee.queuedAnswers else { return .outputFull }
                guard let bytes = gather(HTTP2Frame.headerBytes, &input) else { return .needMore }
                frame = HTTP2Frame(first: bytes.first, rest: bytes.rest)
                left = frame.length
                padding = 0
                event = beginFrame(area, &output, now)
            case .block:
                guard input.count > 0 || left == 0 else { return .needMore }
                event = readBlock(&input, &output, now)
            case .content:
                guard input.count > 0 else { return .needMore }
                event = readContent(&input, &output)
            case .skip:
                let count = min(left, input.count)
                input.use(count)
                left &-= count
                guard left == 0 else { return .needMore }
                step = .frameHeader
                continue
            case .preface:
                guard input.count > 0 else { return .needMore }
                event = readPreface(&input, &output)
            default:
                let length = payloadPart
                guard let bytes = gather(length, &input) else { return .needMore }
                left &-= length
                event = readPart(bytes.rest, area, &output, now)
            }
            if let event { return event }
        }
    }

    /// Bytes that are gathered before the step can be done.
    private var payloadPart: Int {
        switch step {
        case .padLength: 1
        case .resetStream, .windowUpdate: 4
        case .blockPriority, .priority: 5
        case .setting: 6
        case .ping, .goAway: 8
        default: HTTP2Frame.headerBytes
        }
    }

    /// The next `count` bytes as numbers: the last eight, and the one before them. Nil if they have not all come; those that have are used up.
    ///
    /// - Parameter count: at most 9.
    @inline(__always)
    mutating func gather(_ count: Int, _ input: inout HTTP2Input) -> (first: UInt64, rest: UInt64)? {
        if gathered == 0, count == HTTP2Frame.headerBytes, input.count >= HTTP2Frame.headerBytes {
            let base = input.base
            let rest = UInt64(bigEndian: UnsafeRawPointer(base + 1).loadUnaligned(as: UInt64.self))
            let first = UInt64(base[0])
            input.use(HTTP2Frame.headerBytes)
            return (first, rest)
        }
        return gatherSingly(count, &input)
    }

    private mutating func gatherSingly(_ count: Int, _ input: inout HTTP2Input) -> (first: UInt64, rest: UInt64)? {
        while Int(gathered) < count {
            guard input.count > 0 else { return nil }
            gatheredFirst = gatheredFirst << 8 | gatheredRest >> 56
            gatheredRest = gatheredRest << 8 | UInt64(input.base[0])
            gathered += 1
            input.use(1)
        }
        let bytes = (gatheredFirst & 0xFF, gatheredRest)
        gathered = 0
        gatheredFirst = 0
        gatheredRest = 0
        return bytes
    }

    private mutating func readPreface(_ input: inout HTTP2Input, _ output: inout HTTP2Output) -> HTTP2Event? {
        let expected = ByteView(Self.preface)
        while Int(gathered) < expected.count, input.count > 0 {
            guard input.base[0] == expected[Int(gathered)] else { return fail(.protocolError, .preface, &output) }
            input.use(1)
            gathered += 1
        }
        guard Int(gathered) == expected.count else { return .needMore }
        gathered = 0
        step = .frameHeader
        return nil
    }

    /// A frame's header has come: what is wrong with it, and what is read next.
    private mutating func beginFrame(_ area: HTTP2HeadArea, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        guard frame.length <= HTTP2Frame.payloadBytesMax else { return fail(.frameSizeError, .frameTooLong, &output) }
        if !sawSettings, frame.kind != HTTP2Frame.Kind.settings || frame.has(HTTP2Frame.Flag.acknowledgement) {
            return fail(.protocolError, .firstFrame, &output)
        }
        if isInBlock != (frame.kind == HTTP2Frame.Kind.continuation) || (isInBlock && frame.stream != block.stream) {
            return fail(.protocolError, .continuation, &output)
        }
        switch frame.kind {
        case HTTP2Frame.Kind.data: return beginData(&output, now)
        case HTTP2Frame.Kind.headers: return beginHeaders(area, &output, now)
        case HTTP2Frame.Kind.continuation: return beginContinuation(&output)
        case HTTP2Frame.Kind.settings: return beginSettings(&output, now)
        case HTTP2Frame.Kind.ping:
            return begin(.ping, length: 8, isOnStream: false, &output)
        case HTTP2Frame.Kind.goAway:
            guard frame.length >= 8 else { return fail(.frameSizeError, .frameLength, &output) }
            return begin(.goAway, length: frame.length, isOnStream: false, &output)
        case HTTP2Frame.Kind.resetStream:
            return begin(.resetStream, length: 4, isOnStream: true, &output)
        case HTTP2Frame.Kind.windowUpdate:
            return begin(.windowUpdate, length: 4, isOnStream: nil, &output)
        case HTTP2Frame.Kind.priority:
            guard frame.stream != 0 else { return fail(.protocolError, .streamZero, &output) }
            guard frame.length == 5 else {
                step = .skip
                return failStream(frame.stream, .frameSizeError, .frameLength, &output, now)
            }
            step = .priority
            return chargeGlitch(&output, now)
        case HTTP2Frame.Kind.pushPromise: return fail(.protocolError, .push, &output)
        default:
            step = .skip
            return chargeGlitch(&output, now)
        }
    }

    /// A frame of which nothing but its length and whether it is of a stream (nil: either) has to be looked at before its payload.
    private mutating func begin(_ step: Step, length: Int, isOnStream: Bool?, _ output: inout HTTP2Output) -> HTTP2Event? {
        if let isOnStream, isOnStream != (frame.stream != 0) { return fail(.protocolError, .streamZero, &output) }
        guard frame.length == length else { return fail(.frameSizeError, .frameLength, &output) }
        self.step = step
        return nil
    }

    /// A part of a payload has come, as a number.
    private mutating func readPart(_ bytes: UInt64, _ area: HTTP2HeadArea, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        switch step {
        case .padLength: return readPadLength(Int(bytes), &output, now)
        case .blockPriority:
            if UInt32(truncatingIfNeeded: bytes >> 8) & 0x7FFF_FFFF == block.stream, block.verdict == nil {
                block.verdict = .selfDependency
                block.code = .protocolError
            }
            return beginFields(&output)
        case .priority:
            step = .frameHeader
            guard UInt32(truncatingIfNeeded: bytes >> 8) & 0x7FFF_FFFF != frame.stream else {
                return failStream(frame.stream, .protocolError, .selfDependency, &output, now)
            }
            return nil
        case .setting: return readSetting(UInt16(truncatingIfNeeded: bytes >> 32), UInt32(truncatingIfNeeded: bytes), &output)
        case .ping: return readPing(bytes, &output, now)
        case .goAway: return readGoAway(bytes)
        case .resetStream: return readReset(UInt32(truncatingIfNeeded: bytes), &output, now)
        case .windowUpdate: return readWindowUpdate(Int64(bytes & 0x7FFF_FFFF), &output, now)
        default: return nil
        }
    }

    /// The padding of a frame is not longer than what is left of it.
    private mutating func readPadLength(_ length: Int, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        let isContent = frame.kind == HTTP2Frame.Kind.data
        let priority = !isContent && frame.has(HTTP2Frame.Flag.priority) ? 5 : 0
        guard length + priority <= left else { return fail(.protocolError, .padding, &output) }
        padding = length
        left -= length
        if isContent { return beginContent(&output, now) }
        if priority > 0 {
            step = .blockPriority
            return nil
        }
        return beginFields(&output)
    }
}
