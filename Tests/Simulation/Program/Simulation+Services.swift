import CVirtualKernel
import SluiceSimulation

// What services do.

extension Simulation {
    func acceptServices() {
        for (service, listener) in listening.enumerated() {
            while let descriptor = World.accept(listener) {
                services.append(ServiceConnection(service: service, number: services.count, descriptor: descriptor))
            }
        }
    }

    /// Reads what has come, and has it answered.
    func serve(_ connection: ServiceConnection) {
        // Nothing new, and nothing that waits its turn.
        guard connection.received.count != connection.looked.bytes || connection.answered != connection.looked.answered else { return }
        connection.looked = (connection.received.count, connection.answered)
        let reader = MessageReader(requests: connection.received)
        if let fault = reader.fault {
            faults.append("service \(connection.service) gets what is no request (\(fault)): \(String(decoding: connection.received, as: UTF8.self).debugDescription)")
            connection.isOpen = false
            return vk_reset(connection.descriptor)
        }
        for (index, message) in reader.messages.enumerated() {
            if index == connection.seen.count {
                let one = Seen(
                    service: connection.service, connection: connection.number, message: message, headAt: vk_now(),
                    firstByteAt: vk_written_at(connection.descriptor, message.start), isReused: index > 0)
                if index > connection.answered { faults.append("a request on a connection to service \(connection.service) before the response to the one in front of it") }
                var script = ScriptMaker.make(one, fillers: conditions.focus == .streams ? [0, 30, 5000, 20_000, 60_000] : [0, 0, 30, 1200, 5000], &random)
                // Framing by the end of the connection ends it.
                if ScriptMaker.endsByFraming(script, to: message.method), [.keeps, .closesUnsaid].contains(script.ending) { script.ending = .closes }
                one.script = script
                connection.seen.append(one)
                seen.append(one)
                log("service \(one.service), connection \(connection.number), gets \(one.id ?? 0): \(String(decoding: connection.received[message.start..<message.headEnd], as: UTF8.self).debugDescription)")
            }
            let one = connection.seen[index]
            one.message = message
            guard index == connection.answered, let script = one.script, message.isComplete || script.isEarly, one.answeredAt == nil else { continue }
            one.answeredAt = vk_now()
            let isPreCall = one.service >= World.firstPreCallService
            if isPreCall, script.delay > 0, conditions.reloads, random.chance(conditions.focus == .reloads ? 30 : 10) { schedule(vk_now() + script.delay / 2) { [unowned self] in reload() } }
            schedule(vk_now() + script.delay) { [unowned self] in answer(connection, one, script) }
        }
    }

    func answer(_ connection: ServiceConnection, _ one: Seen, _ script: Script) {
        guard connection.isOpen, script.ending != .silent else { return }
        var bytes = ScriptMaker.bytes(script, to: one.message.method)
        let head = bytes.count - (ScriptMaker.hasBody(script, to: one.message.method) ? bytes.count / 3 : 0)
        switch script.ending {
        case .breaksFirst: bytes = []
        case .breaksHead: bytes = Array(bytes.prefix(12))
        case .breaksBody: bytes = Array(bytes.prefix(max(head - 1, bytes.count - 8)))
        default: break
        }
        log("service \(one.service) says to \(one.id ?? 0): \(String(decoding: bytes.prefix(300), as: UTF8.self).debugDescription)")
        one.sentBytes = bytes.count
        one.saidAt = vk_now()
        say(connection, one, bytes[...], script)
    }

    func say(_ connection: ServiceConnection, _ one: Seen, _ bytes: ArraySlice<UInt8>, _ script: Script) {
        guard connection.isOpen else { return }
        guard let pieces = script.pieces, bytes.count > pieces.bytes, bytes.count < pieces.bytes * 60 else {
            connection.outbox += bytes
            switch script.ending {
            case .closes, .closesUnsaid: connection.endsThen = .inOrder
            case .breaksFirst, .breaksHead, .breaksBody, .lies:
                connection.endsThen = .broken
                one.brokeAt = vk_now()
            default: break
            }
            connection.answered += 1
            return connection.pump()
        }
        connection.outbox += bytes.prefix(pieces.bytes)
        connection.pump()
        schedule(vk_now() + pieces.apart) { [unowned self] in say(connection, one, bytes.dropFirst(pieces.bytes), script) }
    }
}
