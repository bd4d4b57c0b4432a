import SluiceClient
import SluiceConfiguration

/// Gets the text of a key set: reads a file, or makes one GET request. Blocks; for the refresher's thread and for set-up.
///
/// Only status 200 counts, and no redirect is followed: whoever can answer 302 could otherwise choose the keys' origin.
enum KeySetFetch {
    static let bytesMax = 1 << 20

    /// - Parameters:
    ///   - milliseconds: from the resolution of the name to the last byte.
    ///   - isEnding: asked while it waits, ten times a second: whether to give up, because the process ends.
    static func load(
        _ location: KeySetLocation, milliseconds: Int, isEnding: @escaping () -> Bool = { false }
    ) -> Result<[UInt8], KeySet.Fault> {
        Result { () throws(KeySet.Fault) in
            switch location.kind {
            case .file(let path): try read(path)
            case .uri(let uri):
                BoundedFile.withoutByteOrderMark(try get(uri, authorityFile: location.authorityFile, milliseconds, isEnding))
            }
        }
    }

    /// The text of a key set in a file.
    static func read(_ path: String) throws(KeySet.Fault) -> [UInt8] {
        do throws(BoundedFile.Fault) {
            return try BoundedFile.read(path, bytesMax: bytesMax)
        } catch {
            throw KeySet.Fault(description: "a file that cannot be read (\(error.found))")
        }
    }

    private static func get(
        _ uri: HTTPTarget, authorityFile: String?, _ milliseconds: Int, _ isEnding: @escaping () -> Bool
    ) throws(KeySet.Fault) -> [UInt8] {
        let client = HTTPClient(.init(milliseconds: milliseconds, bodyBytes: bytesMax), authorityFile: authorityFile)
        var request = HTTPRequest("GET", fields: [("Accept", "application/jwk-set+json, application/json")])
        request.statusesWithBody = 200...200
        let response: HTTPResponse
        do throws(StreamFailure) {
            response = try client.send(request, to: uri, isEnding: isEnding)
        } catch {
            throw KeySet.Fault(description: error.description)
        }
        guard response.status == 200 else { throw refusal(response.status) }
        return response.body
    }

    private static func refusal(_ status: Int) -> KeySet.Fault {
        guard (300..<400).contains(status), status != 304 else { return KeySet.Fault(description: "status \(status)") }
        return KeySet.Fault(description: "status \(status), and redirects are not followed: configure the address that answers 200")
    }
}
