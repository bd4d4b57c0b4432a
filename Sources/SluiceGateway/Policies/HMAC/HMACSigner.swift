import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

extension HMAC {
    /// Makes what a client of the policy sends, for the command line and for tests. Allocates.
    struct Signer {
        struct Fault: Error, Equatable, CustomStringConvertible {
            let description: String
        }

        let configuration: Configuration
        /// Signed besides those that the policy requires, in lower case; in the named form only.
        var listedHeaders: [String] = []

        /// What the named form lists, each name once.
        var signedHeaders: [String] {
            var names = configuration.requiredHeaders
            for name in listedHeaders where !names.contains(name) { names.append(name) }
            return names
        }

        init(configuration: Configuration) { self.configuration = configuration }

        /// The header lines that authenticate one request, without line ends.
        ///
        /// The compact form, unless headers are to be signed, which only the named form can list, or that form is asked for.
        /// HmacSHA256 where the policy allows it.
        /// - Parameters:
        ///   - target: as it will be sent: path and query, domain key included.
        ///   - timestamp: in one of the formats that the policy reads.
        ///   - headers: the lines that the request will bear; those that the policy requires are signed.
        func lines(
            method: String, target: String, timestamp: String, headers: [(name: String, value: String)] = [],
            isNamed: Bool = false
        ) throws(Fault) -> [String] {
            let algorithm = configuration.algorithms.contains(.sha256) ? Algorithm.sha256 : .sha1
            var text = "\(method)\n\(target)\n\(timestamp)"
            let names = signedHeaders
            guard isNamed || !names.isEmpty else {
                return ["X-TC-Timestamp: \(timestamp)", "Authorization: \(try signature(of: text, algorithm))"]
            }
            for name in names {
                let values = headers.filter { $0.name.lowercased() == name }.map { Self.trimmed($0.value) }
                guard !values.isEmpty else { throw Fault(description: "the policy requires the header \(name)") }
                text += "\n\(name):\(values.joined(separator: ","))"
            }
            let list = names.joined(separator: ",")
            let signature = try signature(of: text, algorithm)
            return [
                "x-nhn-date: \(timestamp)",
                "Authorization: hmac algorithm=\"\(algorithm.rawValue)\", headers=\"\(list)\", signature=\"\(signature)\"",
            ]
        }

        private func signature(of text: String, _ algorithm: Algorithm) throws(Fault) -> String {
            do throws(CryptoError) {
                let code = try HMACKeys.code(algorithm.digest, configuration.secret.value, of: Array(text.utf8))
                return String(unsafeUninitializedCapacity: Base64.encodedCount(code.count)) { text in
                    code.withByteView { Base64.encode($0, into: text.baseAddress.unsafelyUnwrapped) }
                }
            } catch {
                throw Fault(description: error.message)
            }
        }

        private static func trimmed(_ value: String) -> String {
            Array(value.utf8).withByteView { $0.trimmed.string }
        }

        /// A timestamp in UTC, for example `2026-01-31T09:00:00Z`.
        /// - Parameter second: seconds since the Unix epoch; the years 1970 to 9999.
        static func timestamp(at second: Int64) -> String {
            let second = min(max(second, 0), 253_402_300_799)
            let date = CivilDate.date(days: Int(second / 86_400))
            let time = [second % 86_400 / 3600, second % 3600 / 60, second % 60].map { digits(Int($0), 2) }
            return "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))T\(time.joined(separator: ":"))Z"
        }

        private static func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
    }
}
