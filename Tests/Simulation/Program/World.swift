import CVirtualKernel
import Glibc

/// Addresses and sockets of the virtual network, as its clients and services use them.
enum World {
    static let serviceCount = 6
    /// The first of those that pre-call APIs are asked at.
    static let firstPreCallService = 4
    /// Addresses, and whether clients may speak HTTP/2 there.
    static let listeners = [(address: "10.0.0.1:80", speaksHTTP2: false), (address: "[fd00::1]:80", speaksHTTP2: true), (address: "10.0.0.1:81", speaksHTTP2: true)]
    /// What clients call the gateway unless they name a domain's host.
    static let authority = "gateway.example"

    static func serviceAddress(_ number: Int) -> String { "10.1.0.\(number + 1):9000" }
    static func keySetURL(_ name: String) -> String { "http://10.2.0.1:80/\(name)" }

    static func listen(_ service: Int) -> Int32 { vk_listen("10.1.0.\(service + 1)", 9000) }

    /// Connects a client with this address. Negative if nobody listens.
    static func connect(from address: String, to listener: Int) -> Int32 { vk_connect(address, listener == 1 ? "fd00::1" : "10.0.0.1", listener == 2 ? 81 : 80) }

    static func accept(_ listener: Int32) -> Int32? {
        let descriptor = vk_accept(listener)
        return descriptor < 0 ? nil : descriptor
    }

    /// As much as the connection takes.
    static func send(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBytes { max(0, Glibc.send(descriptor, $0.baseAddress, $0.count, 0)) }
    }

    enum Received { case bytes([UInt8]), nothing, end, reset }

    static func receive(_ descriptor: Int32) -> Received {
        let capacity = 16_384
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { memory, initialised in
            count = Glibc.recv(descriptor, memory.baseAddress, capacity, 0)
            initialised = max(0, count)
        }
        if count > 0 { return .bytes(bytes) }
        if count == 0 { return .end }
        return errno == EAGAIN ? .nothing : .reset
    }
}
