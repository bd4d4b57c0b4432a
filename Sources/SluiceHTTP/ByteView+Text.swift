extension ByteView {
    /// Whether the bytes are those of `literal`, to the letter.
    @inlinable
    public static func == (view: ByteView, literal: StaticString) -> Bool {
        view.equals(ByteView(literal))
    }

    /// Whether both views hold the same bytes. Not constant in time: never for secrets.
    @inlinable
    public func equals(_ other: ByteView) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index < count {
            if base[index] != other.base[index] { return false }
            index += 1
        }
        return true
    }

    /// Whether the bytes are those of `lowercase` once ASCII letters are put in lower case.
    @inlinable
    public func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        equalsIgnoringCase(ByteView(lowercase))
    }

    /// Whether the bytes are those of `lowercase`, which holds no upper-case letter, once ASCII letters are put in lower case.
    @inlinable
    public func equalsIgnoringCase(_ lowercase: ByteView) -> Bool {
        guard count == lowercase.count else { return false }
        var index = 0
        while index < count {
            if base[index].asciiLowercased != lowercase.base[index] { return false }
            index += 1
        }
        return true
    }

    /// Index of the first such byte from `start` on; `count` if there is none. Sixteen at a time.
    package func index(of byte: UInt8, from start: Int) -> Int {
        precondition(start >= 0 && start <= count)
        return ByteScan.index(of: byte, base, from: start, to: count)
    }

    /// The text, with invalid UTF-8 repaired. Allocates: for logs, errors and tests, never per request.
    public var string: String { String(decoding: buffer, as: UTF8.self) }
}

extension UInt8 {
    /// The byte with an ASCII upper-case letter put in lower case, any other byte as it is.
    @inlinable
    public var asciiLowercased: UInt8 {
        self &- 0x41 < 26 ? self | 0x20 : self
    }
}

extension [UInt8] {
    /// Calls `body` with a view of the bytes, valid only inside the call. For set-up, never per request.
    package func withByteView<Result, Failure>(_ body: (ByteView) throws(Failure) -> Result) throws(Failure) -> Result {
        try withUnsafeBufferPointer { (buffer) throws(Failure) in
            guard let base = buffer.baseAddress, !buffer.isEmpty else { return try body(.empty) }
            return try body(ByteView(base: base, count: buffer.count))
        }
    }
}
