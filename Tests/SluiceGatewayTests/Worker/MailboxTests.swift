import SluiceEvent
import Testing

@Suite("Mailbox")
struct MailboxTests {
    @Test("a loop lives as long as its mailbox, which takes its event out of it in the end")
    func lifetime() throws {
        weak var loop: EventLoop?
        var mailbox: Mailbox?
        do {
            let made = try EventLoop()
            loop = made
            mailbox = try Mailbox(made)
        }
        #expect(loop != nil)
        mailbox = nil
        #expect(loop == nil && mailbox == nil)
    }
}
