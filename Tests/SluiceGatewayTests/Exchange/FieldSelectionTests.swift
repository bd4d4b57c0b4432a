import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Fields that are sent on")
struct FieldSelectionTests {
    private func kept(_ test: TestExchange) -> [String] {
        let selection = FieldSelection(preCallOf: test.exchange)
        let (head, bytes) = (test.exchange.head, test.exchange.headBytes)
        return (0..<head.fields.count).map { head.fields[$0] }.filter { !selection.drops($0, in: bytes) }.map { bytes[$0.name].string }
    }

    @Test("where unusual names pass, those that are read like a field of the gateway's do not; a name that is too long for the memory passes")
    func unusual() throws {
        let test = try TestExchange("GET /\nHost: h\nX_Request_Id: 1\nX_Other: 2\nTransfer_Encoding: x")
        test.exchange.context.pointee.withheldKinds = 0
        #expect(kept(test) == ["Host", "X_Other"])
        let long = try TestExchange("GET /\nHost: h\nX_\(String(repeating: "a", count: 100)): 1")
        long.exchange.context.pointee.withheldKinds = 0
        long.exchange.context.pointee.scratchCapacity = 64
        #expect(kept(long).count == 2)
    }
}
