import SluiceConfiguration
import Testing

@Suite("Files that are being read", .serialized)
struct FilesUnderWayTests {
    @Test("the one that was begun first is named, of those that began after a moment")
    func longest() {
        let before = FilesUnderWay.begin("earlier")
        let earlier = FilesUnderWay.latest
        let (first, second) = (FilesUnderWay.begin("first"), FilesUnderWay.begin("second"))
        #expect(FilesUnderWay.longest(after: earlier) == "first")
        FilesUnderWay.end(first)
        #expect(FilesUnderWay.longest(after: second) != "second")
        FilesUnderWay.end(second)
        FilesUnderWay.end(before)
    }
}
