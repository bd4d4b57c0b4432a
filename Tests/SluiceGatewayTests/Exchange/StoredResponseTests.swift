import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("StoredResponse")
struct StoredResponseTests {
    @Test("only statuses that can have content have it", arguments: [
        (199, false), (200, true), (203, true), (204, false), (205, false), (206, true), (303, true), (304, false), (305, true), (599, true),
    ] as [(UInt16, Bool)])
    func statusesWithBody(status: UInt16, allowsBody: Bool) {
        #expect(StoredResponse.allowsBody(status) == allowsBody)
    }

    @Test("every registered status has its phrase, an unregistered one has none", arguments: [
        (100, "Continue"), (103, "Early Hints"), (104, ""), (199, ""), (200, "OK"), (226, "IM Used"), (227, ""), (300, "Multiple Choices"),
        (306, ""), (308, "Permanent Redirect"), (309, ""), (400, "Bad Request"), (413, "Content Too Large"), (418, ""),
        (429, "Too Many Requests"), (451, "Unavailable For Legal Reasons"), (500, "Internal Server Error"),
        (511, "Network Authentication Required"), (512, ""), (599, ""), (600, ""), (0, ""),
    ] as [(UInt16, String)])
    func phrases(status: UInt16, phrase: String) {
        #expect("\(ReasonPhrase.standard(for: status))" == phrase)
    }

    @Test("amended by nothing, a response stays as it is")
    func amendedByNothing() {
        let arena = Arena()
        let response = StoredResponse.render(status: 200, headers: [], body: "a", isAmended: false, into: arena)
        let amended = response.amended(by: nil, cors: nil, into: arena)
        #expect(Answer(amended) == Answer(response))
        #expect(!amended.isAmended)
    }
}
