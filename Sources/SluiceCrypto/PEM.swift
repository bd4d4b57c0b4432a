internal import COpenSSL
internal import Glibc
internal import SluiceHTTP

/// PEM text (RFC 7468) in memory, and the file that it may come from.
enum PEM {
    /// Longest file that is read: a bundle of every public authority is a quarter of it.
    static let fileBytesMax = 1 << 20

    /// Calls `body` with a stream over the bytes, which are neither copied nor changed. OpenSSL passes over a byte order mark before them.
    static func withStream<Result>(
        _ bytes: ByteView, _ body: (OpaquePointer) throws(CryptoError) -> Result
    ) throws(CryptoError) -> Result {
        ErrorQueue.clear()
        guard bytes.count <= fileBytesMax else { throw CryptoError("PEM text is longer than \(fileBytesMax) bytes") }
        guard let stream = BIO_new_mem_buf(bytes.base, Int32(bytes.count)) else { throw .fromQueue("no memory") }
        defer { BIO_free(stream) }
        return try body(stream)
    }

    /// The private key in `bytes`. An encrypted one is refused: nobody is there to type its pass phrase, and
    /// OpenSSL would ask for it on the terminal.
    ///
    /// - Returns: a key that the caller frees.
    static func privateKey(in bytes: ByteView) throws(CryptoError) -> OpaquePointer {
        try withStream(bytes) { stream throws(CryptoError) in
            guard let key = PEM_read_bio_PrivateKey(stream, nil, { _, _, _, _ in -1 }, nil) else {
                let reason = ErrorQueue.takeReason()
                if reason == "bad password read" { throw CryptoError("the private key is encrypted") }
                throw CryptoError("no private key in PEM form\(reason.map { " (\($0))" } ?? "")")
            }
            return key
        }
    }

    /// The whole file, of at most `fileBytesMax` bytes; a regular one, since a FIFO could keep the reader waiting for ever. Blocks for as long as the
    /// disk does: for set-up only.
    static func contents(ofFile path: String) throws(CryptoError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw CryptoError("\(path): not a regular file") }
        var bytes: [UInt8] = []
        while true {
            let chunk = 16384
            let start = bytes.count
            guard start + chunk <= fileBytesMax else {
                throw CryptoError("\(path): longer than \(fileBytesMax) bytes")
            }
            bytes.append(contentsOf: repeatElement(0, count: chunk))
            let got = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + start, chunk) }
            if got < 0 && errno != EINTR { throw failure(path) }
            bytes.removeLast(chunk - max(0, got))
            if got == 0 { return bytes }
        }
    }

    private static func failure(_ path: String) -> CryptoError {
        CryptoError("\(path): cannot be read: \(String(cString: strerror(errno)))")
    }
}

extension [UInt8] {
    /// Calls `body` with a view of the bytes, valid only inside the call.
    func withView<Result>(_ body: (ByteView) throws(CryptoError) -> Result) throws(CryptoError) -> Result {
        try withUnsafeBufferPointer { buffer throws(CryptoError) in
            guard let base = buffer.baseAddress else { return try body(.empty) }
            return try body(ByteView(base: base, count: buffer.count))
        }
    }

    /// Overwrites bytes that held a secret, in a way that the compiler keeps.
    mutating func cleanse() {
        withUnsafeMutableBytes { if let base = $0.baseAddress { OPENSSL_cleanse(base, $0.count) } }
    }
}
