/// One client of a control server, as the server decides about it. No I/O: bytes and times come in, and what is to be done is read from the state.
struct ControlConnection {
    enum State: Equatable {
        /// For a request, or the rest of one.
        case reading
        /// For an answer that another thread gives.
        case asking
        /// For the client to take the response.
        case writing
        /// For the end of what the client sends: closed at once, the connection would be reset, and the response lost on its way.
        case lingering
        case over
    }

    /// Milliseconds for a whole request from its first byte on, however it trickles; of silence before one; and without any byte taken of a response.
    static let requestMilliseconds: UInt64 = 10_000
    /// For all of a response.
    static let responseMilliseconds: UInt64 = 60_000
    static let lingerMilliseconds: UInt64 = 1_000

    private(set) var state = State.reading
    /// When what it waits for is over: see the times above.
    private(set) var deadline: UInt64
    /// Since when it has waited for its client. What has waited longest makes room for others.
    private(set) var since: UInt64
    private var reader = ControlRequestReader()
    private var output: [UInt8] = []
    private var sent = 0
    private var writingSince: UInt64 = 0
    private var isHead = false
    private var keepsAlive = true
    private var question: (request: ControlRequest, route: ControlRouter.Route)?

    init(now: UInt64) {
        since = now
        deadline = now + Self.requestMilliseconds
    }

    var wantsInput: Bool { state == .reading || state == .lingering }
    /// What is to be sent next.
    var unsent: ArraySlice<UInt8> { output[sent...] }

    /// Whether another may have its place: the process does not owe it anything.
    var isSpare: Bool { state != .asking }

    mutating func receive(_ bytes: ArraySlice<UInt8>, _ router: ControlRouter, now: UInt64) {
        guard state == .reading else { return }
        if !reader.hasBegun { wait(Self.requestMilliseconds, now) }
        reader.append(bytes)
        advance(router, now: now)
    }

    /// The client sends nothing more. What it has asked is answered still.
    mutating func receiveEnd() {
        switch state {
        case .reading, .lingering: state = .over
        case .asking, .writing: keepsAlive = false
        case .over: break
        }
    }

    mutating func fail() { state = .over }

    /// What another thread is to be asked, once.
    mutating func takeQuestion() -> (request: ControlRequest, route: ControlRouter.Route)? { question.take() }

    /// The other thread's answer to what was asked.
    mutating func answer(_ response: ControlResponse, now: UInt64) {
        guard state == .asking else { return }
        begin(response, now)
    }

    /// The socket has taken so much of `unsent`.
    mutating func take(_ count: Int, _ router: ControlRouter, now: UInt64) {
        sent += count
        guard state == .writing else { return }
        deadline = min(now + Self.requestMilliseconds, writingSince + Self.responseMilliseconds)
        guard sent == output.count else { return }
        output = []
        sent = 0
        if keepsAlive {
            state = .reading
            wait(Self.requestMilliseconds, now)
            advance(router, now: now)
        } else {
            state = .lingering
            wait(Self.lingerMilliseconds, now)
        }
    }

    /// Its time is up.
    mutating func expire(now: UInt64) {
        if state == .reading, reader.hasBegun {
            keepsAlive = false
            return begin(ControlResponse(status: 408, body: "the request takes too long\n"), now)
        }
        state = .over
    }

    /// Takes the next request, if all of it is there.
    private mutating func advance(_ router: ControlRouter, now: UInt64) {
        switch reader.next() {
        case .incomplete(let wantsContinue):
            if wantsContinue { output += "HTTP/1.1 100 Continue\r\n\r\n".utf8 }
        case .malformed(let response):
            keepsAlive = false
            isHead = false
            begin(response, now)
        case .request(let request, let keepsAlive):
            self.keepsAlive = keepsAlive
            isHead = request.method == "HEAD"
            switch router.decide(request) {
            case .answer(let response): begin(response, now)
            case .ask(let route):
                question = (request, route)
                state = .asking
                deadline = .max
            }
        }
    }

    private mutating func begin(_ response: ControlResponse, _ now: UInt64) {
        output += response.bytes(isHead: isHead, keepsAlive: keepsAlive)
        state = .writing
        writingSince = now
        wait(Self.requestMilliseconds, now)
    }

    private mutating func wait(_ milliseconds: UInt64, _ now: UInt64) {
        since = now
        deadline = now + milliseconds
    }
}
