import Foundation
import SluiceConfiguration
import SluiceCounting
import Testing

@testable import SluiceRedis

@Suite("Redis over TLS")
struct RedisTLSTests {
    @Test("rediss:// reaches a server whose certificate is trusted, and no other")
    func trust() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-redis-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (key, certificate) = (folder.appendingPathComponent("key.pem").path, folder.appendingPathComponent("certificate.pem").path)
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=redis",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let server = try RedisServer(password: "p", tls: (certificate, key, certificate))
        let url = try server.url(":p@", scheme: "rediss")
        let store = try RedisStore(url, authorityFile: certificate)
        for sequence in 1...3 as ClosedRange<UInt64> { #expect(try store.exchange(AllowanceBatch(sequence: sequence)).nodes == 1) }
        store.close()
        let error = #expect(throws: AllowanceStoreError.self) { try RedisStore(url).exchange(AllowanceBatch(sequence: 1)) }
        #expect(error?.description.contains("TLS") == true)
    }
}
