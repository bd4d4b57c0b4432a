// Callers and plans from a file.

extension CallerBook {
    /// Makes every caller and plan of a file what the file says, all of them or none; those that the file does not name stay as they are. Twice the same changes nothing
    /// more.
    ///
    /// - Parameter lines: with their numbers, for errors.
    package func takeOver(_ lines: [(number: Int, line: CallerLine)]) throws(CallerFault) -> CallerImport {
        var outcome = CallerImport()
        var fault: CallerFault?
        do throws(CallerStoreError) {
            try store.change {
                do throws(CallerFault) {
                    outcome = try decide(lines)
                } catch {
                    fault = error
                    throw error
                }
            }
        } catch {
            throw fault ?? CallerFault(.unavailable, error.description)
        }
        return outcome
    }

    private func decide(_ lines: [(number: Int, line: CallerLine)]) throws(CallerFault) -> CallerImport {
        var outcome = CallerImport()
        var names: [String: Int] = [:]
        for (number, line) in lines {
            let name = line.plan.map { "plan \($0)" } ?? "caller \(line.caller ?? "")"
            if let first = names.updateValue(number, forKey: name) { throw CallerFault(.conflict, "line \(number): the same name as in line \(first)") }
        }
        // Callers have plans.
        for (number, line) in lines where line.plan != nil { try at(number) { () throws(CallerFault) in try take(plan: line, &outcome) } }
        var callers: [(number: Int, old: Caller?, new: Caller)] = []
        for (number, line) in lines where line.plan == nil {
            try at(number) { () throws(CallerFault) in
                let (old, new) = try read(line)
                callers.append((number, old, new))
            }
        }
        try checkKeys(callers)
        // Keys may go from one to another: nobody has them in between.
        for (_, old, new) in callers {
            guard var old, old.digests != new.digests else { continue }
            (old.primary, old.secondary) = (nil, nil)
            try ask { () throws(CallerStoreError) in try store.update(old) }
        }
        for (number, old, new) in callers { try at(number) { () throws(CallerFault) in try put(new, insteadOf: old, &outcome) } }
        return outcome
    }

    private func at(_ number: Int, _ body: () throws(CallerFault) -> Void) throws(CallerFault) {
        do throws(CallerFault) {
            try body()
        } catch {
            throw CallerFault(error.kind, "line \(number): \(error.description)")
        }
    }

    // MARK: Plans

    private func take(plan line: CallerLine, _ outcome: inout CallerImport) throws(CallerFault) {
        guard let name = line.plan, CallerRules.isPlanName(name) else {
            throw CallerFault(.unusable, "a plan's name must have \(CallerRules.nameAllowed), and must not be `\(Plan.none)`")
        }
        guard !declared.plans.contains(where: { $0.name == name }) else { throw CallerFault(.conflict, "the plan \(Self.quoted(name)) is declared in the configuration") }
        var request = CallerRequest(name: name)
        request.requestsPerSecond = line.requestsPerSecond ?? 0
        request.quota = line.quota
        request.per = line.per ?? (line.quota == nil ? Plan.none : nil)
        let old = try plan(name)
        if let old, CallerLine(old) == line {
            outcome.unchanged += 1
            return
        }
        guard (line.quota == nil) == (line.per == nil) else { throw CallerFault(.unusable, "`quota` and `per` need each other") }
        var changes: [Change] = []
        _ = try put(request, Plan(name: name, quota: old?.quota), &changes)
        if old == nil { outcome.made += 1 } else { outcome.changed += 1 }
    }

    // MARK: Callers

    /// What a line says of a caller, and what is known of it.
    private func read(_ line: CallerLine) throws(CallerFault) -> (old: Caller?, new: Caller) {
        guard let name = line.caller, CallerRules.isName(name) else { throw CallerFault(.unusable, "a caller's name must have \(CallerRules.nameAllowed)") }
        guard !isDeclared(name) else { throw CallerFault(.conflict, "the caller \(Self.quoted(name)) is declared in the configuration") }
        _ = try ask { () throws(CallerStoreError) in try store.deleteDamaged(callerNamed: name) }
        let old = try ask { () throws(CallerStoreError) in try store.caller(named: name) }
        var new = Caller(name: name)
        // Numbers of callers that follow come behind the greatest one.
        if let id = line.id, id > UInt32(Int32.max) { throw CallerFault(.unusable, "`id` must be at most \(Int32.max)") }
        new.id = old?.id ?? line.id ?? 0
        new.created = now
        if let text = line.created {
            guard let created = CallerTimes.read(text) else { throw CallerFault(.unusable, "`created` must be a time such as 2027-01-31T00:00:00Z") }
            new.created = created
        }
        new.primary = try digest(line.key, "key")
        guard new.primary != nil else { throw CallerFault(.unusable, "`key` is missing") }
        new.secondary = try digest(line.secondaryKey, "secondaryKey")
        guard new.primary != new.secondary else { throw CallerFault(.conflict, "the two keys are the same") }
        var request = CallerRequest(name: name)
        request.description = line.description ?? ""
        request.enabled = line.enabled ?? true
        request.notBefore = line.notBefore ?? Plan.none
        request.expires = line.expires ?? Plan.none
        try apply(request, to: &new)
        new.grants = try grants(line.plans ?? [Plan.none], insteadOf: old?.grants ?? [], of: old?.id ?? 0).sorted { ($0.domain ?? "") < ($1.domain ?? "") }
        return (old, new)
    }

    private func digest(_ text: String?, _ member: String) throws(CallerFault) -> KeyDigest? {
        guard let text else { return nil }
        guard let digest = CallerLine.digest(text) else { throw CallerFault(.unusable, "`\(member)` must be `sha256:` and 64 hexadecimal digits") }
        return digest
    }

    /// Each key is one caller's, of those in the file, those that stay and those that are declared.
    private func checkKeys(_ callers: [(number: Int, old: Caller?, new: Caller)]) throws(CallerFault) {
        let names = Set(callers.map(\.new.name))
        let declaredKeys = Set(declared.callers.flatMap(\.digests))
        var lines: [KeyDigest: Int] = [:]
        for (number, _, new) in callers {
            for digest in new.digests {
                if let first = lines.updateValue(number, forKey: digest) { throw CallerFault(.conflict, "line \(number): a key that line \(first) has too") }
                let owner = try ask { () throws(CallerStoreError) in try store.owner(of: digest) }
                if declaredKeys.contains(digest) { throw CallerFault(.conflict, "line \(number): a key that the configuration has too") }
                if let owner, !names.contains(owner) { throw CallerFault(.conflict, "line \(number): a key that the caller \(Self.quoted(owner)) has, whom the file does not name") }
            }
        }
    }

    private func put(_ new: Caller, insteadOf old: Caller?, _ outcome: inout CallerImport) throws(CallerFault) {
        guard var old else {
            _ = try ask { () throws(CallerStoreError) in try store.insert(new) }
            outcome.made += 1
            return
        }
        // When it was made stays what it is here.
        var new = new
        new.created = old.created
        old.grants.sort { ($0.domain ?? "") < ($1.domain ?? "") }
        guard new != old else {
            outcome.unchanged += 1
            return
        }
        try ask { () throws(CallerStoreError) in try store.update(new) }
        outcome.changed += 1
    }
}
