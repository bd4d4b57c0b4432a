import SluiceConfiguration
import Testing

@Suite("Secrets and texts from elsewhere")
struct SecretTests {
    /// Reads `secret` from `text`, a configuration in `folder`.
    private func read(
        _ text: String, folder: String = "", environment: [String: String] = [:]
    ) -> (secret: Secret?, problems: [String]) {
        let problems = Problems(file: folder + "/test.yaml", environment: environment)
        let reader = ConfigurationNode.load(text: text, problems: problems).flatMap { MappingReader($0, problems) }
        return (reader?.secret("secret")?.value, summaries(problems))
    }

    @Test("literal text, a variable and a file")
    func sources() throws {
        #expect(read("secret: s3").secret == Secret(bytes: Array("s3".utf8), source: .literal))
        #expect(read("secret: {env: KEY}", environment: ["KEY": "s3"]).secret
            == Secret(bytes: Array("s3".utf8), source: .environment("KEY")))
        try withFolder { folder in
            try Array("s3\n".utf8).write(to: folder + "/key")
            let expected = Secret(bytes: Array("s3".utf8), source: .file("key"))
            #expect(read("secret: {file: key}", folder: folder).secret == expected)
            #expect(read("secret: {file: \(folder)/key}", folder: "/nowhere").secret?.bytes == expected.bytes)
        }
    }

    @Test("files and variables: exactly one line break at the end is dropped", arguments: [
        ("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), ("s\r", "s\r"), ("\ns \n", "\ns "),
    ])
    func trailingLineBreak(content: String, expected: String) throws {
        try withFolder { folder in
            try Array(content.utf8).write(to: folder + "/key")
            #expect(read("secret: {file: key}", folder: folder).secret?.bytes == Array(expected.utf8))
        }
        #expect(read("secret: {env: KEY}", environment: ["KEY": content]).secret?.bytes == Array(expected.utf8))
    }

    @Test("files: 1 MiB is read, one byte more is refused")
    func fileSize() throws {
        try withFolder { folder in
            try [UInt8](repeating: 65, count: 1 << 20).write(to: folder + "/most")
            try [UInt8](repeating: 65, count: 1 << 20 + 1).write(to: folder + "/more")
            #expect(read("secret: {file: most}", folder: folder).secret?.bytes.count == 1 << 20)
            #expect(read("secret: {file: more}", folder: folder).problems == [
                "1:16 secret.file | the file \"more\", which cannot be read (more than 1048576 bytes)"
                    + " | a readable file of at most 1048576 bytes"
            ])
        }
    }

    @Test("unusable references are reported where they stand", arguments: [
        ("{env: NO}", "1:15 secret.env | the environment variable \"NO\", which is not set | a variable that is set"),
        ("{env: EMPTY}", "1:15 secret.env | the environment variable \"EMPTY\", which is empty | a variable that is set"),
        ("{env: BREAK}", "1:15 secret.env | the environment variable \"BREAK\", which is empty | a variable that is set"),
        ("{env: 5}", "1:15 secret.env | the integer 5 | text (in quotes)"),
        (
            "{file: none}",
            "1:16 secret.file | the file \"none\", which cannot be read (no such file or directory)"
                + " | a readable file of at most 1048576 bytes"
        ),
        ("{}", "1:9 secret | a mapping with other keys | text, {env: NAME} or {file: PATH}"),
        ("{env: A, file: b}", "1:9 secret | a mapping with other keys | text, {env: NAME} or {file: PATH}"),
        ("''", "1:9 secret | empty text | text, {env: NAME} or {file: PATH}"),
    ])
    func unusableReferences(value: String, problem: String) {
        let (secret, problems) = read("secret: \(value)", folder: "/nowhere", environment: ["EMPTY": "", "BREAK": "\n"])
        #expect(secret == nil)
        #expect(problems == [problem])
    }

    @Test("an empty file is no secret")
    func emptyFile() throws {
        try withFolder { folder in
            try Array("\n".utf8).write(to: folder + "/key")
            #expect(read("secret: {file: key}", folder: folder).problems
                == ["1:16 secret.file | the empty file \"key\" | a file with content"])
        }
    }

    @Test("no problem shows a secret of a wrong type", arguments: [
        "8675309", "86753.09", "[8675309]", "{8675309: x}", "{8675309}", "*s8675309", "!s8675309", "!!int s8675309",
    ])
    func wrongTypesAreNotShown(value: String) {
        let (secret, problems) = read("secret: \(value)")
        #expect(secret == nil || value.hasPrefix("!"))
        #expect(!problems.isEmpty)
        #expect(problems.allSatisfy { !$0.contains("8675309") && !$0.contains("86753.09") })
    }

    @Test("no textual form of a secret shows its bytes")
    func redaction() {
        let secret = Secret(bytes: Array("hunter2".utf8))
        var dumped = ""
        dump(Located(value: secret), to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), "\([secret])", String(describing: Optional(secret)), dumped] {
            #expect(text.contains("a secret"))
            #expect(!text.contains("hunter2") && !text.contains("104"))
        }
        #expect(Secret(bytes: [1], source: .environment("KEY")).description == "a secret from the variable KEY")
        #expect(Secret(bytes: [1], source: .file("a/b")).description == "a secret from the file a/b")
    }

    @Test("text or file: PEM text in place or in a file")
    func textOrFile() throws {
        try withFolder { folder in
            try Array("PEM\n".utf8).write(to: folder + "/cert.pem")
            let problems = Problems(file: folder + "/test.yaml")
            let text = "a: |\n  -----BEGIN\nb: {file: cert.pem}\nc: cert.pem\nd: {file: none.pem}\ne: 5\n"
            let node = try #require(ConfigurationNode.load(text: text, problems: problems))
            let reader = try #require(MappingReader(node, problems))
            #expect(reader.textOrFile("a")?.value.text == "-----BEGIN\n")
            #expect(reader.textOrFile("b")?.value == TextOrFile(bytes: Array("PEM".utf8), source: .file("cert.pem")))
            #expect(reader.path("c")?.value == folder + "/cert.pem")
            #expect(problems.isEmpty)
            #expect(reader.textOrFile("d") == nil && reader.textOrFile("e") == nil)
            #expect(summaries(problems) == [
                "5:11 d.file | the file \"none.pem\", which cannot be read (no such file or directory)"
                    + " | a readable file of at most 4194304 bytes",
                "6:4 e | an integer for text | text, {env: NAME} or {file: PATH}",
            ])
        }
    }
}
