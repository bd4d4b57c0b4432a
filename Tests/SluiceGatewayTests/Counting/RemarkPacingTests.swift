import Testing

@testable import SluiceGateway

@Suite("Pacing of remarks")
struct RemarkPacingTests {
    @Test("the first is told at once; others within the interval are counted, and told with the next")
    func paced() {
        var pacing = RemarkPacing(interval: 1000)
        #expect(pacing.happened(at: 0) == 0)
        for now in [0, 1, 999] as [UInt64] { #expect(pacing.happened(at: now) == nil) }
        #expect(pacing.happened(at: 1000) == 3)
        #expect(pacing.happened(at: 1999) == nil)
        #expect(pacing.happened(at: 5000) == 1)
        #expect(pacing.happened(at: 6000) == 0)
    }
}
