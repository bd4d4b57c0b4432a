// Public for the one reason that `Readiness` is.
public import CLibevent
import Glibc

/// What happened to a descriptor, as one callback reports it: libevent's EV_ bits.
@frozen
public struct Readiness: OptionSet, BitwiseCopyable, Sendable {
    public let rawValue: Int16

    @inlinable
    public init(rawValue: Int16) { self.rawValue = rawValue }

    /// Whether any of these is reported. Unlike `contains` it is not a call into the standard library.
    @inlinable
    @inline(__always)
    public func has(_ readiness: Readiness) -> Bool { rawValue & readiness.rawValue != 0 }

    /// Bytes, an end of stream or an error can be read.
    @inlinable public static var readable: Readiness { Readiness(rawValue: 0x02) }
    /// The socket takes bytes again, or a connect has ended.
    @inlinable public static var writable: Readiness { Readiness(rawValue: 0x04) }
    /// The peer has closed its sending side. Reported together with its last bytes, and then never again.
    @inlinable public static var peerClosed: Readiness { Readiness(rawValue: 0x80) }

    /// Whether the loop has something to report of the event at this address, in this very turn: its callback has not run yet.
    @inlinable
    @inline(__always)
    public static func isDue(_ event: UnsafeRawPointer) -> Bool {
        sluice_event_is_due(event.assumingMemoryBound(to: CLibevent.event.self))
    }
}

/// A libevent event embedded in the struct of the connection that it belongs to: no allocation of its own.
///
/// It is armed once, edge-triggered, for reading, writing and half-close together, and never changed until it is
/// disarmed: no system call per request. The owner therefore keeps the readiness in flags of its own.
package struct SocketEvent {
    var event = CLibevent.event()

    package init() {}
}

/// Called on the loop's thread with the descriptor, libevent's event bits and the owner's pointer.
package typealias SocketCallback = @convention(c) (Int32, Int16, UnsafeMutableRawPointer?) -> Void

extension UnsafeMutablePointer<SocketEvent> {
    private var raw: UnsafeMutablePointer<CLibevent.event> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: CLibevent.event.self)
    }

    /// Registers the descriptor. False if the kernel refuses (out of memory or of watches).
    package func arm(
        _ loop: EventLoop, descriptor: Int32, owner: UnsafeMutableRawPointer, callback: SocketCallback
    ) -> Bool {
        let interest = Int16(EV_READ) | Int16(EV_WRITE) | Int16(EV_CLOSED) | Int16(EV_ET) | Int16(EV_PERSIST)
        return event_assign(raw, loop.base, descriptor, interest, callback, owner) == 0 && event_add(raw, nil) == 0
    }

    /// Registers a listening or signalling descriptor: level-triggered, for reading only.
    package func armForReading(
        _ loop: EventLoop, descriptor: Int32, owner: UnsafeMutableRawPointer, callback: SocketCallback
    ) -> Bool {
        event_assign(raw, loop.base, descriptor, Int16(EV_READ) | Int16(EV_PERSIST), callback, owner) == 0
            && event_add(raw, nil) == 0
    }

    /// Takes the descriptor out of the loop. Harmless if it was never armed by `arm`, provided it was initialised by it.
    package func disarm() { _ = event_del(raw) }

    /// Arms what was disarmed again, unchanged.
    package func rearm() -> Bool { event_add(raw, nil) == 0 }
}

/// A callback once, after a time that is set again and again.
package final class LoopTimer {
    private let event: UnsafeMutablePointer<CLibevent.event>
    /// The event is taken out of it in the end: an owner of both may let go of them in any order.
    private let loop: EventLoop

    /// Calls `callback` with `owner` on the loop's thread when the time is over that `set` gives. To be made on that thread, or before it runs.
    package init(_ loop: EventLoop, owner: UnsafeMutableRawPointer, callback: SocketCallback) throws(EventLoop.SetupError) {
        guard let event = event_new(loop.base, -1, 0, callback, owner) else { throw EventLoop.SetupError(message: "no memory for a timer") }
        self.event = event
        self.loop = loop
    }

    /// Sets the time, at least 1 ms, anew from now on. On the loop's thread, or before it runs.
    ///
    /// - Returns: false without memory; the time that was set before still holds.
    package func set(milliseconds: Int) -> Bool {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: (milliseconds % 1000) * 1000)
        return event_add(event, &time) == 0
    }

    deinit { event_free(event) }
}
