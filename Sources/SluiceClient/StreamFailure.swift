/// Why a peer cannot be talked to; the text says it without naming the peer.
package struct StreamFailure: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    static let late = StreamFailure("no answer in time")
    static let broken = StreamFailure("the connection broke")
    static let cut = StreamFailure("an answer that ends too soon")
}
