import Glibc
import SluiceCrypto
import SluiceEvent

/// What the fuzzer needs to speak TLS with the gateway on both of its sides.
struct FuzzTLS {
    /// A file with certificate and key, which no folder has.
    let path: String
    private let server: TLSServerContext
    private let peer: TLSPeer

    init?() {
        var name = Array("/tmp/fuzz-XXXXXX".utf8CString)
        let file = mkstemp(&name)
        let bytes = Array(Self.pem.utf8)
        guard file >= 0, unlink(name) == 0, write(file, bytes, bytes.count) == bytes.count else { return nil }
        path = "/proc/self/fd/\(file)"
        // OpenSSL writes to sockets that are closed by then.
        signal(SIGPIPE, SIG_IGN)
        guard let server = try? TLSServerContext([TLSCertificateSource(chainFile: path, key: .pem(bytes))], now: 0),
            let client = try? TLSClientContext(authorityFile: path), let peer = try? TLSPeer(client, name: "127.0.0.1")
        else { return nil }
        self.server = server
        self.peer = peer
    }

    func clientSession(_ descriptor: Int32) -> TLSSession? { TLSSession(peer.handle, descriptor: descriptor) }

    func serverSession(_ descriptor: Int32) -> TLSSession? { TLSSession(server.handle, descriptor: descriptor) }

    /// Made for this file alone, and good until 2126.
    private static let pem = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPrMCqjqvBgEOR8ce
        NCIcmEAxRNrPUeYFXbJjqv+rqxyhRANCAAQYuOcXM34g3LHwM11wZFDhLBO4TwE2
        9TNzAKvVaLr7eiTQWgVAn9aasZ5uNHfj/mc2KUCU1xwD7D16OjIfIYir
        -----END PRIVATE KEY-----
        -----BEGIN CERTIFICATE-----
        MIIBkTCCATigAwIBAgIUKEv1b7jVnCPwqZCuManiCjxhlscwCgYIKoZIzj0EAwIw
        ETEPMA0GA1UEAwwGaC50ZXN0MCAXDTI2MTEyNjE5MDk0N1oYDzIxMjYxMTAyMTkw
        OTQ3WjARMQ8wDQYDVQQDDAZoLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AAQYuOcXM34g3LHwM11wZFDhLBO4TwE29TNzAKvVaLr7eiTQWgVAn9aasZ5uNHfj
        /mc2KUCU1xwD7D16OjIfIYiro2wwajAdBgNVHQ4EFgQUshUhWhDDst9tRGkoeljj
        ye5nUZQwHwYDVR0jBBgwFoAUshUhWhDDst9tRGkoeljjye5nUZQwDwYDVR0TAQH/
        BAUwAwEB/zAXBgNVHREEEDAOhwR/AAABggZoLnRlc3QwCgYIKoZIzj0EAwIDRwAw
        RAIgK2Z1LUiUEmOdvpZKmNphekcz9P1To7FMGzlg4bRgErECIDuEgOi6R/q/XI4u
        BtvSv8alBgDw8bJJiY09rgQ6ZFsj
        -----END CERTIFICATE-----
        """
}
