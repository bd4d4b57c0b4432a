import SluiceHTTP

/// The static table of HPACK (RFC 7541, appendix A), and the way from a name to its index.
/// Sendable, because nothing writes to what its pointers lead to once it is made.
struct HPACKStaticTable: BitwiseCopyable, @unchecked Sendable {
    static let count = 61

    struct Entry: BitwiseCopyable {
        /// `name: value`, as a head has it.
        var text: UnsafePointer<UInt8>
        var nameCount: UInt8
        var valueCount: UInt8
        var kind: FieldKind
    }

    /// One line an entry: the name, and behind a blank the value.
    private static let lines: StaticString = """
        :authority
        :method GET
        :method POST
        :path /
        :path /index.html
        :scheme http
        :scheme https
        :status 200
        :status 204
        :status 206
        :status 304
        :status 400
        :status 404
        :status 500
        accept-charset
        accept-encoding gzip, deflate
        accept-language
        accept-ranges
        accept
        access-control-allow-origin
        age
        allow
        authorization
        cache-control
        content-disposition
        content-encoding
        content-language
        content-length
        content-location
        content-range
        content-type
        cookie
        date
        etag
        expect
        expires
        from
        host
        if-match
        if-modified-since
        if-none-match
        if-range
        if-unmodified-since
        last-modified
        link
        location
        max-forwards
        proxy-authenticate
        proxy-authorization
        range
        referer
        refresh
        retry-after
        server
        set-cookie
        strict-transport-security
        transfer-encoding
        user-agent
        vary
        via
        www-authenticate

        """

    /// The entries from index 1.
    private let entries: UnsafePointer<Entry>
    /// For each hash of a name the first index with it, or 0: no two names share one.
    private let places: UnsafePointer<UInt8>

    /// Makes the tables, which live as long as the program.
    init() {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: Self.count)
        let places = UnsafeMutablePointer<UInt8>.allocate(capacity: 128)
        places.initialize(repeating: 0, count: 128)
        let source = ByteView(Self.lines)
        var start = 0
        for index in 0..<Self.count {
            let end = source.index(of: 0x0A, from: start)
            let line = source[start..<end]
            let nameCount = line.index(of: 0x20, from: 0)
            let value = nameCount < line.count ? line[(nameCount + 1)...] : .empty
            let text = UnsafeMutablePointer<UInt8>.allocate(capacity: nameCount + 2 + value.count)
            text.update(from: line.base, count: nameCount)
            text[nameCount] = 0x3A
            text[nameCount + 1] = 0x20
            (text + nameCount + 2).update(from: value.base, count: value.count)
            entries[index] = Entry(
                text: UnsafePointer(text), nameCount: UInt8(nameCount), valueCount: UInt8(value.count), kind: FieldKind(name: text, count: nameCount, readable: nameCount))
            let hash = Self.hash(line.base, count: nameCount)
            if places[hash] == 0 { places[hash] = UInt8(index + 1) }
            start = end + 1
        }
        self.entries = UnsafePointer(entries)
        self.places = UnsafePointer(places)
    }

    /// - Parameter index: 1 to 61.
    @inline(__always)
    func entry(_ index: Int) -> Entry {
        precondition(index >= 1 && index <= Self.count)
        return entries[index &- 1]
    }

    /// The first index with this name, in whatever case that is written; 0 if there is none.
    @inline(__always)
    func index(ofName name: UnsafePointer<UInt8>, count: Int) -> Int {
        guard count > 0 else { return 0 }
        let index = Int(places[Self.hash(name, count: count)])
        guard index > 0 else { return 0 }
        let entry = entries[index &- 1]
        guard Int(entry.nameCount) == count, Self.isSame(name, entry.text, count: count) else { return 0 }
        return index
    }

    /// Compares without regard to case: names of the table have letters, hyphens and colons only, and of what may be in a name nothing but the upper-case
    /// letters becomes one of those by the sixth bit.
    @inline(__always)
    private static func isSame(_ name: UnsafePointer<UInt8>, _ known: UnsafePointer<UInt8>, count: Int) -> Bool {
        func differ(_ at: Int) -> UInt64 {
            let word = UnsafeRawPointer(name + at).loadUnaligned(as: UInt64.self) ^ UnsafeRawPointer(known + at).loadUnaligned(as: UInt64.self)
            return word & 0xDFDF_DFDF_DFDF_DFDF
        }
        guard count >= 8 else {
            var at = 0
            while at < count {
                if name[at] | 0x20 != known[at] { return false }
                at &+= 1
            }
            return true
        }
        var at = 0
        while at &+ 8 <= count {
            if differ(at) != 0 { return false }
            at &+= 8
        }
        return differ(count &- 8) == 0
    }

    /// Tells the 52 names of the table apart, whatever the case of their letters; 0 to 127. The factors were found by trying.
    @inline(__always)
    private static func hash(_ name: UnsafePointer<UInt8>, count: Int) -> Int {
        let first = Int(name[0] | 0x20) &* 99
        let last = Int(name[count &- 1] | 0x20) &* 138
        let middle = Int(name[count &>> 1] | 0x20) &* 66
        return (count &* 111 &+ first &+ last &+ middle) & 127
    }
}
