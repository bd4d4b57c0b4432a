/// Why a message head is refused: a case per rule.
package enum HeadFault: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    // Any head.
    case bareCarriageReturn      // RFC 9112, 2.2: a CR that no LF follows
    case bareLineFeed            // RFC 9112, 2.2: taking it for a line end is allowed, and is how requests get smuggled
    case obsoleteFolding         // RFC 9112, 5.2: a proxy may refuse it
    case spaceBeforeColon        // RFC 9112, 5.1: must be refused
    case emptyFieldName          // RFC 9112, 5
    case fieldName               // RFC 9110, 5.1: not a token, or a line without a colon
    case fieldNameTooLong        // more than 65,535 bytes: what a `FieldSlot` can hold
    case fieldValueControl       // RFC 9110, 5.5: a control character other than HTAB
    case tooManyFields           // RFC 6585, 5
    case headTooLong             // beyond what a `HeadRange` can hold
    case repeatedContentLength   // RFC 9112, 6.3: differing values must be refused; equal ones gain nothing
    case contentLength           // RFC 9110, 8.6: not 1*DIGIT, a list, or beyond 2^63 - 1
    case contentLengthAndTransferEncoding  // RFC 9112, 6.3: ought to be handled as an error
    case repeatedTransferEncoding  // RFC 9112, 6.1: one coding is applied here, on one line
    case transferEncoding        // RFC 9112, 6.1: a coding that we do not know
    case transferEncodingInHTTP10  // RFC 9112, 6.1: must be treated as faulty framing
    case connection              // RFC 9110, 7.6.1: not a list of tokens, or one that names more fields than anybody has use for
    // Requests.
    case method                  // RFC 9112, 3.1: not a token followed by one space
    case methodTooLong           // more than 32 bytes; RFC 9112, 3 leaves the bound to us
    case missingVersion          // RFC 9112, 3: a line that ends with the target is HTTP/0.9
    case unsupportedVersion      // RFC 9112, 2.3: anything but HTTP/1.0 and HTTP/1.1
    case connect                 // RFC 9110, 9.3.6: no tunnels
    case emptyTarget             // RFC 9112, 3.2
    case targetCharacter         // RFC 9112, 3.2: a control character, DEL, `#` or a byte beyond ASCII
    case spaceInTarget           // RFC 9112, 3.2: must not be repaired
    case targetForm              // RFC 9112, 3.2: not the form that the method calls for, or a scheme that is not HTTP
    case targetAuthority         // RFC 9110, 4.2.1: empty or malformed
    case userInformation         // RFC 9110, 4.2.4: ought to be treated as an error
    case authorityMismatch       // RFC 9112, 3.2: the target's authority and Host must agree
    case missingHost             // RFC 9112, 3.2: must be refused in HTTP/1.1
    case repeatedHost            // RFC 9112, 3.2: must be refused
    case host                    // RFC 9110, 7.2: not uri-host [ ":" port ], or empty
    case expectation             // RFC 9110, 10.1.1: anything but 100-continue
    // Responses.
    case statusLine              // RFC 9112, 4
    case status                  // RFC 9110, 15: not three digits from 100 to 599
    case bodyForbidden           // RFC 9112, 6.1; RFC 9110, 8.6: framing on a 1xx

    /// How the gateway answers a request that has this fault.
    package enum Kind: BitwiseCopyable, Sendable {
        /// 400, malformed otherwise.
        case syntax
        /// 400, the request target is malformed or unsafe.
        case target
        /// 431.
        case tooManyFields
    }

    /// How the gateway answers a request that has it.
    package var kind: Kind {
        switch self {
        case .emptyTarget, .targetCharacter, .spaceInTarget, .targetForm, .targetAuthority, .userInformation, .authorityMismatch:
            .target
        case .tooManyFields, .fieldNameTooLong, .headTooLong:
            .tooManyFields
        default:
            .syntax
        }
    }

    /// The phrase for an error body; it holds nothing that the peer sent.
    package var detail: StaticString {
        switch self {
        case .bareCarriageReturn: "bare CR"
        case .bareLineFeed: "bare LF"
        case .obsoleteFolding: "folded header line"
        case .spaceBeforeColon: "space before colon"
        case .emptyFieldName: "empty header name"
        case .fieldName: "malformed header name"
        case .fieldNameTooLong: "header name too long"
        case .fieldValueControl: "control character in header value"
        case .tooManyFields: "too many header lines"
        case .headTooLong: "head too long"
        case .repeatedContentLength: "duplicate Content-Length"
        case .contentLength: "malformed Content-Length"
        case .contentLengthAndTransferEncoding: "Content-Length and Transfer-Encoding"
        case .repeatedTransferEncoding: "duplicate Transfer-Encoding"
        case .transferEncoding: "unsupported Transfer-Encoding"
        case .transferEncodingInHTTP10: "Transfer-Encoding in HTTP/1.0"
        case .connection: "malformed Connection"
        case .method: "malformed method"
        case .methodTooLong: "method too long"
        case .missingVersion: "missing HTTP version"
        case .unsupportedVersion: "unsupported HTTP version"
        case .connect: "CONNECT is not supported"
        case .emptyTarget: "empty request target"
        case .targetCharacter: "character not allowed in request target"
        case .spaceInTarget: "space in request target"
        case .targetForm: "unsupported form of request target"
        case .targetAuthority: "malformed authority in request target"
        case .userInformation: "user information in request target"
        case .authorityMismatch: "request target and Host differ"
        case .missingHost: "missing Host"
        case .repeatedHost: "duplicate Host"
        case .host: "malformed Host"
        case .expectation: "unsupported Expect"
        case .statusLine: "malformed status line"
        case .status: "malformed status"
        case .bodyForbidden: "body not allowed for status"
        }
    }
}

/// What became of a run of bytes that begins with a message head.
package enum HeadOutcome: BitwiseCopyable, Sendable, Equatable {
    /// The head is whole and valid.
    case complete
    /// Everything so far is valid; the end is missing.
    case incomplete
    /// No further byte can make this valid.
    case malformed(HeadFault)
}
