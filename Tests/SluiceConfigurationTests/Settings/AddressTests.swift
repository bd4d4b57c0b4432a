import SluiceConfiguration
import Testing

@Suite("Addresses in settings")
struct AddressTests {
    @Test("listen addresses", arguments: [
        ("127.0.0.1:8080", "127.0.0.1:8080"), (":0", "0.0.0.0:0"), ("[::]:65535", "[::]:65535"),
        ("localhost:1", "127.0.0.1:1"), ("[fe80::1]:80", "[fe80::1]:80"),
    ])
    func listenAddresses(text: String, expected: String) throws {
        let address = try #require(ListenAddress(text))
        #expect(address.description == expected)
        #expect(address.isIPv6 == expected.hasPrefix("["))
    }

    @Test("no listen addresses", arguments: [
        "", ":", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:000080",
        "::1:80", "[::1]", "[::1]80", "[]:80", "[127.0.0.1]:80", "example.com:80", "127.0.0.1:80 ", "1.2.3:80", "127.0.0.1:8٠",
    ])
    func noListenAddresses(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test("Redis URLs", arguments: [
        ("redis://h", "redis://h:6379/0"), ("redis://h:1", "redis://h:1/0"), ("rediss://h/3", "rediss://h:6379/3"),
        ("redis://:p@h", "redis://:***@h:6379/0"), ("redis://u:p%40:/@h:65535/", "redis://u:***@h:65535/0"),
        ("redis://[::1]:2/1", "redis://[::1]:2/1"),
    ])
    func redisURLs(text: String, shown: String) throws {
        #expect(try #require(RedisURL(text)).description == shown)
    }

    @Test("a Redis URL's password is percent-decoded")
    func redisPassword() {
        #expect(RedisURL("redis://u:p%40:x@h")?.password?.bytes == Array("p@:x".utf8))
    }

    @Test("no Redis URLs", arguments: [
        "", "h", "http://h", "redis://", "redis://:1", "redis://h:0", "redis://h:65536", "redis://h:x", "redis://h/x",
        "redis://h/-1", "redis://user@h", "redis://u:@h", "redis://h ", "redis://h?x=1", "redis://[::1", "redis://h#1",
    ])
    func noRedisURLs(text: String) {
        #expect(RedisURL(text) == nil)
    }
}
