internal import COpenSSL

/// Why keys, certificates or a cryptographic context cannot be used.
///
/// For set-up only: verifying and handshaking answer with values. The message is made for an operator and
/// holds file names and OpenSSL's own reasons, never key material: OpenSSL's extra error data is left out.
package struct CryptoError: Error, Equatable, Sendable, CustomStringConvertible {
    package let message: String

    package init(_ message: String) {
        self.message = message
    }

    package var description: String { message }

    /// `what`, followed by the thread's latest OpenSSL reason if there is one. Empties the thread's error queue.
    static func fromQueue(_ what: String) -> CryptoError {
        let reason = ErrorQueue.takeReason()
        return CryptoError(reason.map { "\(what): \($0)" } ?? what)
    }
}

/// The error queue that OpenSSL keeps for every thread. What one call leaves there, a later call on an
/// unrelated session would report as its own.
enum ErrorQueue {
    /// Looks before it clears: clearing walks all sixteen places even when none is taken.
    static func clear() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    /// The latest reason, if any, as OpenSSL words it; the queue is empty afterwards.
    static func takeReason() -> String? {
        defer { ERR_clear_error() }
        return latestReason()
    }

    /// The latest reason, if any; the queue stays as it is.
    static func latestReason() -> String? {
        let code = ERR_peek_last_error()
        guard code != 0 else { return nil }
        guard let text = ERR_reason_error_string(code) else { return "OpenSSL error \(code)" }
        return String(cString: text)
    }
}
