import SluiceClient
import SluiceConfiguration
import SluiceEvent

/// Gets the text of a key set: reads a file, or makes a GET request, or two where the first says where the set is. Blocks; for the refresher's
/// thread and for set-up.
///
/// Only status 200 counts, and no redirect is followed: whoever can answer 302 could otherwise choose the keys' origin.
enum KeySetFetch {
    static let bytesMax = 1 << 20

    /// - Parameters:
    ///   - milliseconds: from the resolution of the first name to the last byte.
    ///   - isEnding: asked while it waits, ten times a second: whether to give up, because the process ends.
    static func load(
        _ location: KeySetLocation, milliseconds: Int, isEnding: @escaping () -> Bool = { false }
    ) -> Result<[UInt8], KeySet.Fault> {
        let begin = Clock.monotonicNanoseconds()
        return Result { () throws(KeySet.Fault) -> [UInt8] in
            switch location.kind {
            case .file(let path): return try read(path)
            case .uri(let uri): return try get(uri, keySetTypes, location.authorityFile, milliseconds, isEnding)
            case .issuer(let issuer):
                let text = try get(issuer.document, "application/json", location.authorityFile, milliseconds, isEnding)
                let document = try DiscoveryDocument(text, of: issuer)
                let left = milliseconds - Int((Clock.monotonicNanoseconds() - begin) / 1_000_000)
                guard left > 0 else { throw KeySet.Fault(description: "no time left for the key set behind the discovery document") }
                do throws(KeySet.Fault) {
                    return try get(document.keySet, keySetTypes, location.authorityFile, left, isEnding)
                } catch {
                    throw KeySet.Fault(description: "\(document.keySet), which the discovery document names: \(error)")
                }
            }
        }
    }

    private static let keySetTypes = "application/jwk-set+json, application/json"

    /// The text of a key set in a file.
    static func read(_ path: String) throws(KeySet.Fault) -> [UInt8] {
        do throws(BoundedFile.Fault) {
            return try BoundedFile.read(path, bytesMax: bytesMax)
        } catch {
            throw KeySet.Fault(description: "a file that cannot be read (\(error.found))")
        }
    }

    private static func get(
        _ uri: HTTPTarget, _ types: String, _ authorityFile: String?, _ milliseconds: Int, _ isEnding: @escaping () -> Bool
    ) throws(KeySet.Fault) -> [UInt8] {
        let client = HTTPClient(.init(milliseconds: milliseconds, bodyBytes: bytesMax), authorityFile: authorityFile)
        var request = HTTPRequest("GET", fields: [("Accept", types)])
        request.statusesWithBody = 200...200
        let response: HTTPResponse
        do throws(StreamFailure) {
            response = try client.send(request, to: uri, isEnding: isEnding)
        } catch {
            throw KeySet.Fault(description: error.description)
        }
        guard response.status == 200 else { throw refusal(response.status) }
        return BoundedFile.withoutByteOrderMark(response.body)
    }

    private static func refusal(_ status: Int) -> KeySet.Fault {
        guard (300..<400).contains(status), status != 304 else { return KeySet.Fault(description: "status \(status)") }
        return KeySet.Fault(description: "status \(status), and redirects are not followed: configure the address that answers 200")
    }
}
