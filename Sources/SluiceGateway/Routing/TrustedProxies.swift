import SluiceHTTP

/// The proxies whose forwarding fields are believed.
struct TrustedProxies: BitwiseCopyable, Sendable {
    struct Block: BitwiseCopyable {
        let first: IPAddress
        let last: IPAddress
    }

    let blocks: ArenaSlice<Block>

    func contains(_ address: IPAddress) -> Bool {
        var index = 0
        while index < blocks.count {
            let block = blocks[index]
            if block.first <= address, address <= block.last { return true }
            index += 1
        }
        return false
    }
}
