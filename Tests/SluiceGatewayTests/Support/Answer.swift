import SluiceHTTP

@testable import SluiceGateway

/// A verdict as a test compares it: texts in place of pointers.
enum Answer: Equatable {
    case proceed
    case refuse(Refusal.Row)
    case respond(status: UInt16, head: String, body: String)
    case suspend

    init(_ verdict: Verdict) {
        switch verdict {
        case .proceed: self = .proceed
        case .refuse(let refusal): self = .refuse(refusal.row)
        case .respond(let response): self.init(response.pointee)
        case .suspend: self = .suspend
        }
    }

    init(_ response: StoredResponse) {
        self = .respond(status: response.status, head: response.head.string, body: response.body.string)
    }
}
