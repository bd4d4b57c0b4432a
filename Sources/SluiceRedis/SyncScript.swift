/// What Redis runs for one batch of one node, as a whole: the books of the fleet.
///
/// The books, all under one hash tag so that a cluster keeps them in one slot:
///
///     {sluice}:clock        last (TIME at the last call), logical, run, settle, counter, epoch, squeeze; how many members, sums of projects and sums
///                           of windows there are; cursor (of what looks for old sums)
///     {sluice}:members      node -> "sequence received contact local fair left joined silent"
///     {sluice}:c:PROJECT    node -> "held demand", and `ceiling`
///     {sluice}:held         project -> sum of what stands in its row
///     {sluice}:n:NODE       projects of which others need what NODE holds
///     {sluice}:q:SECONDS:WINDOW:OWNER   node -> "granted wish unmet time", `gone` for all that were forgotten an hour ago, `generation`,
///                                       and `lead` (`StoreClock`) when it was begun
///     {sluice}:sums                     PARITY:SECONDS:OWNER, for even and odd windows -> "number total generation lead"
///     {sluice}:m:NODE       windows of which others need what NODE holds
///     {sluice}:generations  SECONDS:OWNER -> number of resets; `*` of all; where it is lost, rows and nodes tell the numbers
///
/// Ceilings. A node may use what `held` says in its name: it is written before the reply that grants it is sent, and
/// lowered only when the node itself says that it holds less. New grants come out of `ceiling - sum of held`. So the sum of what
/// nodes may use is at most the ceiling, whatever is lost or late; a batch that comes after a newer one changes nothing.
///
/// Time is the logical clock's: it advances with Redis's, but by half a second at most for one call and never backwards, so that
/// setting Redis's clock cannot make a lease end early. A node that has been silent for longer than its lease, the window and that half second
/// is forgotten, and what it held is free; one in mode `local` holds at least its fair part for a minute from then on.
///
/// After a restart, a failover or a loss of data (another run of the server, no clock, or a node that knows of a newer batch than Redis),
/// nothing is granted for `settling`: by then every node has told again what it holds, or its lease has ended.
///
/// The books say of themselves that they are whole: what a key holds stands, as a sum or a number, in another. Where that says more, a key has been
/// lost (evicted, deleted): of members or of a project, the books settle as after a loss of everything; of a window, what is missing
/// counts as granted to somebody unknown, until the window ends or whoever has it says so. How many sums there are stands in the clock: where they
/// are lost, together with what they sum up or alone, the books settle too; and where the clock is lost. So the loss of some keys costs
/// admissions and adds none, whichever they are.
///
/// What a node was granted that has been forgotten for an hour goes into one sum of the window: a month sees ten thousand come and go, and a row is
/// read as a whole. Should one come back after that, the same process and in the same window, what it had counts twice.
///
/// Windows go by Redis's wall clock, and by the rule of `StoreClock` if that is set back.
///
/// `StoreModel` is the same in Swift, for simulations; `RedisScriptTests` compares the two.
package enum SyncScript {
    /// Arguments: node, sequence, acknowledged, mode (1: local), fair parts, run of the server (empty: unknown), leaving (1: yes),
    /// number of ceilings; for each: project, ceiling, held, demand; number of quotas; for each: owner, seconds, window, limit,
    /// granted, wanted, generation, pass (`QuotaRequest.begun`).
    ///
    /// Answers an array: clock, nodes, registration, milliseconds to settle, fair parts, fair target, squeeze, then four arrays: ceilings (share,
    /// target, fair), notices of ceilings (project, share, target, fair), quotas (granted, total, keep or -1, generation, pass, added), notices of quotas
    /// (seconds, window, owner, keep). Answers the error STALE to a batch that is not newer than the last.
    package static let text = #"""
        local prefix = KEYS[1]
        local call, floor, min, max = redis.call, math.floor, math.min, math.max
        local function text(number) return string.format('%.0f', number) end

        -- Bounds in microseconds of the logical clock. Those of the node are in CeilingLedger.
        local UNIT = 232792560            -- AllowanceReplies.fairUnit
        local JUMP = 500000               -- most that one call advances the logical clock
        local SETTLING = 4500000
        local LEASE = 4500000             -- a node's 2.5 s, the window's 1.008 s, one jump, drift
        local LOCAL_LEASE = 60000000
        local LEFT = 1600000              -- the window and one jump: a node that leaves admits no more
        local SILENT = 1500000            -- without acknowledged contact
        local DEAF = 2000000              -- without any batch
        local TURN = 8000000              -- whose turn it is to have what does not divide
        local NEED = 2000000              -- for how long an unmet wish counts
        local GONE = 3600000000           -- when what was granted to a node that is forgotten stands under its name no more

        local heldKey, sumsKey = prefix .. ':held', prefix .. ':sums'
        local node, sequence, acknowledged = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
        local isLocal, fairHeld, run, isLeaving = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'

        -- Members, sorted by name.
        local members, ids, latest = {}, {}, 0
        local flat = call('HGETALL', prefix .. ':members')
        for i = 1, #flat, 2 do
            local m = {}
            for word in string.gmatch(flat[i + 1], '%d+') do m[#m + 1] = tonumber(word) end
            members[flat[i]] = { sequence = m[1], received = m[2], contact = m[3], isLocal = m[4], fair = m[5], left = m[6], joined = m[7], silent = m[8] }
            ids[#ids + 1] = flat[i]
            latest = max(latest, m[2])
        end
        local own = members[node]
        if own and sequence <= own.sequence then return redis.error_reply('STALE a newer batch has come') end

        -- The clock.
        local time = call('TIME')
        local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
        local clock = {}
        flat = call('HGETALL', prefix .. ':clock')
        for i = 1, #flat, 2 do clock[flat[i]] = flat[i + 1] end
        local function stands(count, key) return not count or tonumber(count) == call('HLEN', key) end
        local isWhole = tonumber(clock.members or #ids) == #ids and stands(clock.projects, heldKey) and stands(clock.sums, sumsKey)
        local counter = tonumber(clock.counter or '0')
        local squeeze = tonumber(clock.squeeze or '0')
        local settle = tonumber(clock.settle or '0')
        local epoch = tonumber(clock.epoch or '0')
        -- Where it has been lost, from when somebody was last heard: else leases that were given before would not end for as long as it had gone on.
        local logical = max(tonumber(clock.logical or '0'), latest) + max(0, min(JUMP, now - tonumber(clock.last or text(now))))
        local isNewRun = not clock.run or (run ~= '' and clock.run ~= run) or (own and acknowledged > own.sequence) or not isWhole
        if isNewRun then
            counter = max(counter + 1, now)
            epoch = counter
            settle = logical + SETTLING
            if run == '' then run = clock.run or '' end
        end
        local isSettling = logical < settle
        local lead = now - logical

        -- Who is forgotten, who is silent.
        local function write(id)
            local m = members[id]
            call('HSET', prefix .. ':members', id, table.concat({ text(m.sequence), text(m.received), text(m.contact), m.isLocal, text(m.fair),
                m.left, text(m.joined), m.silent }, ' '))
        end
        local kept = {}
        for _, id in ipairs(ids) do
            local m = members[id]
            local lease = m.left == 1 and LEFT or m.isLocal == 1 and LOCAL_LEASE or LEASE
            if id ~= node and logical - m.received > lease then
                members[id] = nil
                call('HDEL', prefix .. ':members', id)
                call('DEL', prefix .. ':n:' .. id, prefix .. ':m:' .. id)
            else
                kept[#kept + 1] = id
            end
        end
        ids = kept
        if own then
            if acknowledged == own.sequence then own.contact = own.received end
        else
            counter = max(counter + 1, now)
            own = { contact = logical, joined = counter, silent = 0 }
            members[node] = own
            ids[#ids + 1] = node
        end
        own.sequence, own.received, own.isLocal, own.left = sequence, logical, isLocal, isLeaving and 1 or 0
        table.sort(ids)
        local count, fairOthers = 0, 0
        for _, id in ipairs(ids) do
            local m = members[id]
            local silent = (m.isLocal == 1 and m.left == 0 and logical - m.contact > SILENT) and 1 or 0
            if silent ~= m.silent then
                m.silent = silent
                if silent == 1 then squeeze = squeeze + 1 end
                if id ~= node then write(id) end
            end
            m.deaf = silent == 1 or m.left == 1 or logical - m.received > DEAF
            if m.left == 0 then count = count + 1 end
            if id ~= node then fairOthers = fairOthers + m.fair end
        end

        -- Fair parts are shared out like a ceiling: nobody's grows before another's has been given back.
        local fairTarget = isLocal == 1 and not isLeaving and floor(UNIT / count) or 0
        own.fair = fairHeld
        if not isSettling then own.fair = fairHeld + max(0, min(fairTarget - fairHeld, UNIT - fairOthers - fairHeld)) end
        write(node)
        call('HSET', prefix .. ':clock', 'last', text(now), 'logical', text(logical), 'run', isNewRun and run or clock.run, 'settle', text(settle),
            'counter', text(counter), 'epoch', text(epoch), 'squeeze', text(squeeze), 'members', text(#ids))

        -- A project's row has been lost: nobody knows who holds what.
        local isLost = false
        local function lose()
            if isLost then return end
            isLost, isSettling = true, true
            counter = max(counter + 1, now)
            epoch = counter
            settle = logical + SETTLING
            call('HSET', prefix .. ':clock', 'settle', text(settle), 'counter', text(counter), 'epoch', text(epoch))
        end

        -- What each listening node should hold of what the others leave: its demand and a part of what is over, or, if demands
        -- exceed it, the same for all who want that much (max-min fairness), in whole requests.
        local function divide(rest, listening, demand, sum)
            local target = {}
            if sum <= rest then
                local spare = floor((rest - sum) / (2 * #listening))
                for _, id in ipairs(listening) do target[id] = demand[id] + spare end
                return target, spare
            end
            local order = {}
            for i, id in ipairs(listening) do order[i] = id end
            table.sort(order, function(a, b)
                if demand[a] ~= demand[b] then return demand[a] < demand[b] end
                return a < b
            end)
            local first, left = 1, rest
            while first <= #order and demand[order[first]] <= floor(left / (#order - first + 1)) do
                target[order[first]] = demand[order[first]]
                left = left - demand[order[first]]
                first = first + 1
            end
            local wanting = {}
            for i = first, #order do wanting[#wanting + 1] = order[i] end
            table.sort(wanting)
            local level = floor(left / #wanting)
            local over, turn = left - level * #wanting, floor(logical / TURN) % #wanting
            for i, id in ipairs(wanting) do
                target[id] = level + (((i - 1 - turn) % #wanting) < over and 1 or 0)
            end
            return target, 0
        end

        -- One project, for a request (with what the node holds and wants) or for a notice (without).
        local function weigh(project, ceiling, reported, wanted)
            local key = prefix .. ':c:' .. project
            local held, demand, known = {}, {}, nil
            local row, stood, kept = call('HGETALL', key), 0, 0
            for i = 1, #row, 2 do
                local id = row[i]
                if id == 'ceiling' then
                    known = tonumber(row[i + 1])
                elseif members[id] then
                    local h, d = string.match(row[i + 1], '^(%d+) (%d+)$')
                    held[id], demand[id] = tonumber(h), tonumber(d)
                    stood, kept = stood + held[id], kept + held[id]
                else
                    stood = stood + tonumber(string.match(row[i + 1], '^%d+'))
                    call('HDEL', key, id)
                end
            end
            local told = tonumber(call('HGET', heldKey, project) or '0')
            if told > stood then lose() end
            local function tell(sum)
                if sum ~= told then call('HSET', heldKey, project, text(sum)) end
            end
            if not reported then tell(kept) end
            kept = kept - (held[node] or 0)
            if reported and ceiling == 0 then
                -- No longer configured there.
                call('HDEL', key, node)
                tell(kept)
                if kept == 0 and call('HLEN', key) <= 1 then
                    call('DEL', key)
                    call('HDEL', heldKey, project)
                end
                return 0, 0, 0
            end
            ceiling = ceiling or known
            if reported then
                held[node], demand[node] = reported, wanted
            elseif not ceiling or not held[node] then
                return nil
            end
            local rest, others, sum, listening = ceiling, 0, 0, {}
            for _, id in ipairs(ids) do
                local m = members[id]
                held[id], demand[id] = held[id] or 0, min(demand[id] or 0, ceiling)
                local counted = held[id]
                if id ~= node then
                    if m.silent == 1 then counted = max(counted, floor(ceiling * m.fair / UNIT)) end
                    others = others + counted
                end
                if id ~= node and m.deaf then
                    rest = rest - counted
                else
                    listening[#listening + 1] = id
                    sum = sum + demand[id]
                end
            end
            rest = max(rest, 0)
            local target, spare = divide(rest, listening, demand, sum)
            local share, want = held[node], demand[node]
            if reported and not isSettling then
                local wish = target[node]
                if sum <= rest then wish = max(wish, want + 1) end
                share = share + max(0, min(wish - share, ceiling - others - share))
            end
            -- What is held in excess is asked back only if others need it, or if it is a lot.
            local needed, free = 0, ceiling - others - share
            for _, id in ipairs(listening) do
                if id ~= node then needed = needed + max(0, min(target[id], demand[id]) - held[id]) end
            end
            local aim = share
            if free < 0 or needed > free or (sum <= rest and share > want + 2 * spare + 1) then aim = min(share, target[node]) end
            local isNeedy = min(target[node], want) > share
            if isNeedy then aim = target[node] end
            if reported then
                if share < target[node] and not isSettling then
                    for _, id in ipairs(listening) do
                        if id ~= node and (held[id] > demand[id] + 2 * spare + 1 or (isNeedy and held[id] > target[id])) then
                            call('SADD', prefix .. ':n:' .. id, project)
                        end
                    end
                end
                call('HSET', key, node, text(share) .. ' ' .. text(want))
                tell(kept + share)
                if ceiling ~= known then call('HSET', key, 'ceiling', text(ceiling)) end
            end
            return share, aim, floor(ceiling * min(own.fair, fairTarget) / UNIT)
        end

        local place = 8
        local ceilings, extras, quotas, notices = {}, {}, {}, {}
        for _ = 1, tonumber(ARGV[place]) do
            local share, aim, fair = weigh(ARGV[place + 1], tonumber(ARGV[place + 2]), tonumber(ARGV[place + 3]), tonumber(ARGV[place + 4]))
            ceilings[#ceilings + 1], ceilings[#ceilings + 2], ceilings[#ceilings + 3] = share, aim, fair
            place = place + 4
        end
        place = place + 1
        for _, project in ipairs(call('SPOP', prefix .. ':n:' .. node, 256)) do
            local share, aim, fair = weigh(project)
            if share then
                local n = #extras
                extras[n + 1], extras[n + 2], extras[n + 3], extras[n + 4] = project, share, aim, fair
            end
        end

        -- The window of now. MONTH stands for calendar months, counted from January 1970; days from March of the year 0, so that a leap day is a year's last.
        local MONTH = 2678400
        local function present(per)
            if per ~= MONTH then return floor(now / 1000000 / per) end
            local day = floor(now / 86400000000) + 719468
            local era = floor(day / 146097)
            local ofEra = day - era * 146097
            local year = floor((ofEra - floor(ofEra / 1460) + floor(ofEra / 36524) - floor(ofEra / 146096)) / 365)
            local ofYear = ofEra - (365 * year + floor(year / 4) - floor(year / 100))
            return (year + era * 400) * 12 + floor((5 * ofYear + 2) / 153) + 2 - 1970 * 12
        end

        -- One window of one condition.
        local generations = prefix .. ':generations'
        local all = tonumber(call('HGET', generations, '*') or '0')
        local function isOver(begun, per) return tonumber(begun) - lead >= per * 1000000 end
        local function rows(key, generation, per)
            local row, total, unmet, mine = call('HGETALL', key), 0, 0, nil
            local grants, begun, gone, sum = {}, nil, {}, 0
            for i = 1, #row, 2 do
                if row[i] == 'generation' or row[i] == 'lead' then
                    if row[i] == 'lead' then begun = tonumber(row[i + 1]) end
                    if row[i] == 'generation' and tonumber(row[i + 1]) < generation or row[i] == 'lead' and isOver(begun, per) then
                        call('DEL', key)
                        return {}, 0, 0, nil
                    end
                else
                    local entry = {}
                    for word in string.gmatch(row[i + 1], '%d+') do entry[#entry + 1] = tonumber(word) end
                    if row[i] == node then
                        mine = entry
                    else
                        grants[row[i]] = entry
                        total = total + entry[1]
                        if logical - entry[4] <= NEED then unmet = unmet + entry[3] end
                        if row[i] == 'gone' or (not members[row[i]] and logical - entry[4] > GONE and #gone < 1000) then
                            sum = sum + entry[1]
                            if row[i] ~= 'gone' then gone[#gone + 1] = row[i] end
                        end
                    end
                end
            end
            -- A row is read for every batch, and a long window sees many nodes come and go.
            if #gone > 0 then
                call('HDEL', key, unpack(gone))
                call('HSET', key, 'gone', text(sum) .. ' 0 0 0')
            end
            return grants, total, unmet, mine, begun
        end
        local function keep(unmet, mine)
            if unmet == 0 then return -1 end
            return logical - mine[4] <= NEED and floor(mine[2] / 2) or 0
        end
        for _ = 1, tonumber(ARGV[place]) do
            local owner, seconds, window, limit = ARGV[place + 1], ARGV[place + 2], ARGV[place + 3], tonumber(ARGV[place + 4])
            local granted, wanted, told = tonumber(ARGV[place + 5]), tonumber(ARGV[place + 6]), tonumber(ARGV[place + 7])
            local pass = tonumber(ARGV[place + 8])
            place = place + 8
            local per, number = tonumber(seconds), tonumber(window)
            local generation = all + tonumber(call('HGET', generations, seconds .. ':' .. owner) or '0')
            local name = seconds .. ':' .. window .. ':' .. owner
            local key = prefix .. ':q:' .. name
            local half = text(number % 2) .. ':' .. seconds .. ':' .. owner
            local known, sum, of, from = string.match(call('HGET', sumsKey, half) or '', '^(%d+) (%d+) (%d+) (%d+)$')
            -- Resets that `generations` has lost: somebody else knows of them. A row that was written under fewer would be taken for one from before them.
            local said = max(told, tonumber(call('HGET', key, 'generation') or '0'), tonumber(of or '0'))
            if said > generation then
                call('HSET', generations, seconds .. ':' .. owner, text(said - all))
                generation = said
            end
            if told < generation then granted = 0 end
            local grants, total, unmet, mine, begun = rows(key, generation, per)
            -- What the books say was granted of it and the row does not know.
            local lost = 0
            if known == window and tonumber(of) >= generation and not isOver(from, per) then
                begun = begun or tonumber(from)
                lost = max(0, tonumber(sum) - total - (mine and mine[1] or 0))
            end
            -- Which pass of the window the node speaks of.
            if pass > 0 and isOver(pass, per) then granted, pass = 0, 0 end
            begun = begun or (granted > 0 and pass > 0 and pass or lead)
            local base = mine and mine[1] or 0
            if pass == 0 then base = base + granted elseif pass - begun < per * 1000000 then base = granted end
            if not mine then lost = max(0, lost - base) end
            mine = mine or { 0, 0, 0, 0 }
            local current = present(per)
            local grant = 0
            local isPresent = number == current or number == current + 1
            if not isSettling and isPresent then grant = max(0, min(wanted, limit - total - lost - base)) end
            mine[1] = base + grant
            mine[3] = isSettling and 0 or wanted - grant
            if wanted > 0 then mine[2], mine[4] = wanted, logical end
            if mine[3] > 0 then
                for id, entry in pairs(grants) do
                    if members[id] and entry[1] > 0 and not (entry[3] > 0 and logical - entry[4] <= NEED) then call('SADD', prefix .. ':m:' .. id, name) end
                end
            end
            call('HSET', key, node, text(mine[1]) .. ' ' .. text(mine[2]) .. ' ' .. text(mine[3]) .. ' ' .. text(mine[4]), 'generation', text(generation))
            call('HSETNX', key, 'lead', text(begun))
            call('PEXPIREAT', key, text(((number + 1) * per + max(per, 3600)) * 1000))
            if isPresent then
                call('HSET', sumsKey, half, window .. ' ' .. text(total + lost + mine[1]) .. ' ' .. text(generation) .. ' ' .. text(begun))
            end
            local n = #quotas
            quotas[n + 1], quotas[n + 2], quotas[n + 3], quotas[n + 4] = mine[1], total + lost + mine[1], keep(unmet, mine), generation
            quotas[n + 5], quotas[n + 6] = begun, grant
        end
        for _, name in ipairs(call('SPOP', prefix .. ':m:' .. node, 256)) do
            local seconds, window, owner = string.match(name, '^(%d+):(%d+):(.*)$')
            local generation = all + tonumber(call('HGET', generations, seconds .. ':' .. owner) or '0')
            local _, _, unmet, mine = rows(prefix .. ':q:' .. name, generation, tonumber(seconds))
            local kept = keep(unmet, mine or { 0, 0, 0, 0 })
            if kept >= 0 then
                local n = #notices
                notices[n + 1], notices[n + 2], notices[n + 3], notices[n + 4] = tonumber(seconds), tonumber(window), owner, kept
            end
        end
        -- Sums of windows that are long over, of conditions that are no more: by the logical clock, since one that is set ahead for a moment ends none.
        if sequence % 64 == 0 then
            local page = call('HSCAN', sumsKey, clock.cursor or '0', 'COUNT', '64')
            for i = 1, #page[2], 2 do
                local per, number, begun = string.match(page[2][i] .. ' ' .. page[2][i + 1], '^%d:(%d+):.* (%d+) %d+ %d+ (%d+)$')
                if not per or (number + 2) * per + max(tonumber(per), 3600) < (logical + begun) / 1000000 then call('HDEL', sumsKey, page[2][i]) end
            end
            call('HSET', prefix .. ':clock', 'cursor', page[1])
        end
        call('HSET', prefix .. ':clock', 'projects', text(call('HLEN', heldKey)), 'sums', text(call('HLEN', sumsKey)))
        return { now, count, max(epoch, own.joined), floor((max(0, settle - logical) + 999) / 1000), own.fair, fairTarget, squeeze, ceilings, extras, quotas, notices }
        """#

    /// Makes the present windows of a condition begin anew on every node. Arguments: `SECONDS:OWNER`, or `*` for all.
    package static let reset = "return redis.call('HINCRBY', KEYS[1] .. ':generations', ARGV[1], 1)"
}
