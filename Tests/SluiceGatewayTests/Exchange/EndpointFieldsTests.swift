import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Names that an endpoint makes special")
struct EndpointFieldsTests {
    @Test("fields that are changed or written from claims do not pass as the client sent them; a pre-call API gets the changed ones")
    func known() throws {
        let policy = try PolicyFixture(HeaderChanges.self, "{request: {set: {X-A: a}, remove: [authorization]}}")
        let changes = try policy.faultless().request
        let fields = try #require(EndpointFields(
            changes: changes, changed: ["X-A", "authorization"], claims: ["traceparent", "X-User"], relied: [], into: policy.snapshot.arena))
        #expect(fields.knownOwn == KnownField.authorization.bit | KnownField.traceparent.bit)
        #expect(fields.knownClaims == KnownField.traceparent.bit)
        for (name, isOwn, isClaim) in [("x-a", true, false), ("X-USER", true, true), ("x-b", false, false)] {
            name.withByteView { name in
                #expect(fields.own.contains(name) == isOwn)
                #expect(fields.claims.contains(name) == isClaim)
            }
        }
    }

    @Test("nothing special is nothing at all")
    func none() {
        #expect(EndpointFields(changes: nil, changed: [], claims: [], relied: [], into: Arena()) == nil)
    }
}
