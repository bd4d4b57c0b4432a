import SluiceHTTP
import SluicePattern
import SluiceSchema

/// Checks templates whose body is one text of JSON: it is JSON whatever its variables are. Each of them is a part of a string, or a number that the gateway
/// chooses. None is in a member's name, which a client could make the same as another.
enum TemplateJSON {
    static func check(_ template: ResponseTemplate, _ text: String) throws(ResponseTemplate.Fault) {
        // With values of one letter and of none, which ends what a letter goes on with, such as `\u123`.
        for value in ["1", ""] {
            let sample = try sample(of: template, text, value: value)
            guard let fault = fault(in: sample) else { continue }
            throw ResponseTemplate.Fault(line: 1, column: 1, found: "a body that is not JSON (\(fault))", allowed: "JSON")
        }
    }

    /// The text with a value in each place of a variable.
    private static func sample(of template: ResponseTemplate, _ text: String, value: String) throws(ResponseTemplate.Fault) -> String {
        var sample = ""
        var strings = Strings()
        var offset = 0
        for piece in template.pieces {
            switch piece {
            case .text(let piece):
                sample += piece
                if let place = strings.read(piece) { throw fault(in: text, at: place, "in a member's name", "variables in values") }
                offset += piece.utf8.count
            case .variable(let variable, _, let source, _):
                if strings.isInside {
                    strings.variable = strings.variable ?? (source, offset)
                    sample += value
                } else {
                    guard variable.isNumber else { throw fault(in: text, at: (source, offset), "outside a string of JSON", "quotation marks around it") }
                    sample += "1"
                }
                offset += source.utf8.count
            }
        }
        return sample
    }

    private static func fault(in text: String, at place: (source: String, offset: Int), _ found: String, _ allowed: String) -> ResponseTemplate.Fault {
        ResponseTemplate.fault(in: text, at: text.utf8.index(text.startIndex, offsetBy: place.offset), "\(place.source) \(found)", allowed)
    }

    /// Follows the strings of a text that comes in pieces.
    private struct Strings {
        private(set) var isInside = false
        /// The first variable of the string at hand, or of the one that has just ended.
        var variable: (source: String, offset: Int)?
        private var isEscaped = false

        /// The variable of a string that turns out to be a member's name.
        mutating func read(_ text: String) -> (source: String, offset: Int)? {
            for byte in text.utf8 {
                if isEscaped {
                    isEscaped = false
                } else if isInside {
                    if byte == UInt8(ascii: "\\") { isEscaped = true }
                    if byte == UInt8(ascii: "\"") { isInside = false }
                } else if byte == UInt8(ascii: "\"") {
                    isInside = true
                    variable = nil
                } else if byte == UInt8(ascii: ":"), let variable {
                    return variable
                } else if byte > 0x20 {
                    variable = nil
                }
            }
            return nil
        }
    }

    /// What is wrong with a text; nil for a document of JSON.
    private static func fault(in text: String) -> StaticString? {
        guard let any = try? JSONSchema(Array("{}".utf8)), let matches = MatchScratch(steps: MatchScratch.stepsDefault) else { return nil }
        let memory = JSONMemory()
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: JSONSchema.faultBytesMax) { room in
            guard let place = room.baseAddress else { return nil }
            return text.withByteView { bytes in
                if case .unreadable(let fault) = any.handle.validate(bytes, memory.handle, matches.handle, fault: place) { return fault.text }
                return nil
            }
        }
    }
}
