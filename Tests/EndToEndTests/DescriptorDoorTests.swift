import Foundation
import SluiceEvent
import Synchronization
import Testing

/// The socket behind which a process waits for its successor.
@Suite("Door of a takeover", .loopback)
struct DescriptorDoorTests {
    /// A door behind which somebody waits for a first caller.
    private final class Waiting: Sendable {
        private let heard = Mutex<String??>(nil)

        init(_ door: DescriptorChannel.Door, milliseconds: Int) {
            Thread.detachNewThread { [self] in
                let text = door.next(timeoutMilliseconds: milliseconds)?.receiveText()
                heard.withLock { $0 = .some(text) }
            }
        }

        /// What the caller said; nil if there was none within some seconds.
        func text() -> String? {
            _ = eventually(within: 5) { heard.withLock { $0 != nil } }
            return heard.withLock { $0 } ?? nil
        }
    }

    @Test("a process that calls after longer than a caller may be silent is heard")
    func afterALongTime() throws {
        let folder = try Folder()
        let path = folder.file("door.sock")
        let door = try DescriptorChannel.Door(path)
        let waiting = Waiting(door, milliseconds: 200)
        Thread.sleep(forTimeInterval: 0.5)
        let caller = try DescriptorChannel.connect(path, timeoutMilliseconds: 2000).get()
        // Until its connection has been taken.
        Thread.sleep(forTimeInterval: 0.05)
        #expect(caller.send("hello"))
        #expect(waiting.text() == "hello")
    }

    @Test("a caller that stays silent is sent away after its time, and keeps nobody else waiting")
    func silentCaller() throws {
        let folder = try Folder()
        let path = folder.file("door.sock")
        let door = try DescriptorChannel.Door(path)
        let waiting = Waiting(door, milliseconds: 300)
        let silent = try DescriptorChannel.connect(path, timeoutMilliseconds: 5000).get()
        let begun = ContinuousClock.now
        #expect(silent.receive() == nil)
        #expect((.milliseconds(250)..<(.seconds(4))).contains(ContinuousClock.now - begun))
        #expect(try DescriptorChannel.connect(path, timeoutMilliseconds: 2000).get().send("hello"))
        #expect(waiting.text() == "hello")
    }
}
