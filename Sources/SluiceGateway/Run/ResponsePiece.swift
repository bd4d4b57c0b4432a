import SluiceHTTP

/// What some bytes from a service have come to: content of a response, taken out of the service's framing.
struct ResponsePiece {
    enum State { case more, ended, malformed }
    /// Bytes of content, at the start of what was given.
    var content: Int
    /// Bytes that were used up, framing included.
    var consumed: Int
    var state: State
    /// Whether trailers end the response. Their lines stand in `trailers`; `trailerFields` counts from there.
    var hasTrailers = false
    var trailerFields: FieldTable?
    var trailers = ByteView.empty
}
