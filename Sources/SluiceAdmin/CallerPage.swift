import Foundation
package import SluiceCallers
import SluiceGateway

/// Callers and plans as JSON: what `sluice key` and `sluice plan` ask.
package enum CallerPage {
    /// One route for each operation, and two to look.
    ///
    /// - Parameter refusal: nil for a request that may be answered.
    static func routes(
        _ gateway: Gateway, refusal: @escaping @Sendable (ControlRequest) -> ControlResponse? = { _ in nil }
    ) -> [ControlRouter.Route] {
        let looks: [(String, CallerRequest.Operation)] = [("/keys", .listKeys), ("/plans", .listPlans)]
        return looks.map { path, operation in
            .init("GET", path) { request in refusal(request) ?? answer(operation, CallerRequest(), gateway) }
        } + CallerRequest.Operation.allCases.map { operation in
            .init("POST", operation.path) { request in refusal(request) ?? answer(operation, request, gateway) }
        }
    }

    /// Of the control socket: another process has changed callers or plans.
    package static let followPath = "/keys/follow"

    static func followRoute(_ gateway: Gateway) -> ControlRouter.Route {
        .init("POST", followPath) { _ in
            gateway.followCallers().map { .init(status: 503, body: "\($0)\n") } ?? .init(status: 200, contentType: "application/json", body: "{}\n")
        }
    }

    /// Wants `application/json`, which no page in a browser can send to another origin unasked.
    private static func answer(_ operation: CallerRequest.Operation, _ request: ControlRequest, _ gateway: Gateway) -> ControlResponse {
        guard request.values("Content-Type") == ["application/json"] else { return .init(status: 415, body: "application/json only\n") }
        do throws(CallerFault) {
            return answer(operation, try read(request.body, for: operation), gateway)
        } catch {
            return refused(error)
        }
    }

    private static func answer(_ operation: CallerRequest.Operation, _ wish: CallerRequest, _ gateway: Gateway) -> ControlResponse {
        do throws(CallerFault) {
            let answer = try gateway.perform(operation, wish)
            guard let text = text(answer, isPretty: false) else { return .init(status: 500, body: "cannot be encoded\n") }
            return .init(status: 200, contentType: "application/json", body: text)
        } catch {
            return refused(error)
        }
    }

    private static func refused(_ fault: CallerFault) -> ControlResponse { .init(status: fault.kind.rawValue, body: "\(fault)\n") }

    /// What is asked. A member that the operation does not take is an error: one that was mistyped must not be passed over.
    static func read(_ body: [UInt8], for operation: CallerRequest.Operation) throws(CallerFault) -> CallerRequest {
        if body.isEmpty { return CallerRequest() }
        let data = Data(body)
        guard let object = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any] else { throw CallerFault(.unusable, "the body must be a JSON object") }
        let members = operation.members
        if let unknown = object.keys.sorted().first(where: { !members.contains($0) }) {
            let shown = String(unknown.unicodeScalars.prefix(40).map { 32..<127 ~= $0.value ? Character($0) : "?" })
            throw CallerFault(.unusable, "`\(shown)` is unknown here; allowed: \(members.joined(separator: ", "))")
        }
        do {
            return try JSONDecoder().decode(CallerRequest.self, from: data)
        } catch DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context), DecodingError.valueNotFound(_, let context) {
            throw CallerFault(.unusable, "`\(context.codingPath.first?.stringValue ?? "the body")` has a value of the wrong kind")
        } catch {
            throw CallerFault(.unusable, "the body cannot be read")
        }
    }

    /// As JSON, with a line feed.
    package static func text(_ answer: CallerAnswer, isPretty: Bool) -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = isPretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(answer)).map { String(decoding: $0, as: UTF8.self) + "\n" }
    }
}
