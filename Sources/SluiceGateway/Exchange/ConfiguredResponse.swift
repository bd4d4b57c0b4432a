import SluiceConfiguration

/// `status`, `headers` and `body` as an operator writes them, for every policy that answers with a response of its own.
struct ConfiguredResponse: Equatable, Sendable {
    /// 200 to 599: an informational status cannot be the answer.
    var status: UInt16
    var headers: [ConfiguredField]
    /// Empty where the status allows no body; at most `Limits.storedBodyBytes`.
    var body: String

    /// What may stand beside the status.
    static let keys: [ConfigurationKey] = [
        .init("headers", .named("NAME", .text("value of a header")), .otherwise("none"), "Headers of the response."),
        .init("body", .text("text of at most 1 MiB"), .otherwise("empty"), "The body. A status of 204, 205 or 304 has none."),
    ]

    /// Reads the three keys; `finish` is left to the caller. Without a default the status is required.
    /// Nil if any of them is unusable: each fault has been reported.
    static func read(from reader: MappingReader, defaultStatus: UInt16?) -> ConfiguredResponse? {
        let before = reader.problems.count
        let status: UInt16?
        if let defaultStatus {
            status = reader.integer("status", in: 200...599).map { UInt16($0.value) } ?? defaultStatus
        } else {
            status = reader.requiredInteger("status", in: 200...599).map { UInt16($0.value) }
        }
        let headers = ConfiguredField.read("headers", in: reader, for: .storedResponse)
        let body = reader.string("body")
        if let status, let body, !body.value.isEmpty, !StoredResponse.allowsBody(status) {
            reader.problems.add(at: body, found: "a body for the status \(status)", allowed: "no body with 204, 205 and 304")
        }
        if let body, body.value.utf8.count > Limits.storedBodyBytes {
            reader.problems.add(
                at: body, found: "a body of \(body.value.utf8.count) bytes", allowed: "at most \(Limits.storedBodyBytes) bytes")
        }
        guard let status, let headers, reader.problems.count == before else { return nil }
        return ConfiguredResponse(status: status, headers: headers, body: body?.value ?? "")
    }
}
