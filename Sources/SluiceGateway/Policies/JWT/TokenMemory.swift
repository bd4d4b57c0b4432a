import SluiceHTTP

/// Where one worker decodes and reads a token, whichever policy has it verified. Only what the longest token so far has needed is touched.
final class TokenMemory: WorkerResource {
    struct State: BitwiseCopyable {
        /// Longest token that there is room for.
        let tokenBytesMax: Int
        /// Room for the decoded header or payload.
        let text: UnsafeMutablePointer<UInt8>
        let scanner: ClaimScanner.Memory
    }

    private let state: UnsafeMutablePointer<State>

    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    init(tokenBytesMax: Int) {
        let textBytes = Base64URL.decodedCount(tokenBytesMax)
        state = .allocate(capacity: 1)
        // The decoder writes groups of three bytes.
        state.initialize(
            to: State(
                tokenBytesMax: tokenBytesMax, text: .allocate(capacity: textBytes + 3), scanner: .allocate(textBytesMax: textBytes)))
    }

    deinit {
        state.pointee.text.deallocate()
        state.pointee.scanner.deallocate()
        state.deallocate()
    }
}
