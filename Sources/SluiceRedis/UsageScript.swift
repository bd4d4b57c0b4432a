/// What Redis runs for `sluice quota list`: one page of the windows that contain a moment, with what is granted in them to all nodes.
enum UsageScript {
    /// Arguments: cursor of SCAN, seconds since the epoch. Answers the next cursor (0: the end) and seconds, window, owner, granted of each.
    static let text = #"""
        local prefix = KEYS[1]
        local found = {}
        local page = redis.call('SCAN', ARGV[1], 'MATCH', prefix .. ':q:*', 'COUNT', 1000)
        local generations = prefix .. ':generations'
        local all = tonumber(redis.call('HGET', generations, '*') or '0')
        for _, key in ipairs(page[2]) do
            local seconds, window, owner = string.match(string.sub(key, #prefix + 4), '^(%d+):(%d+):(.*)$')
            if seconds and math.floor(tonumber(ARGV[2]) / tonumber(seconds)) == tonumber(window) then
                local row, granted, generation = redis.call('HGETALL', key), 0, 0
                for i = 1, #row, 2 do
                    if row[i] == 'generation' then
                        generation = tonumber(row[i + 1])
                    elseif row[i] ~= 'lead' then
                        granted = granted + tonumber(string.match(row[i + 1], '^%d+'))
                    end
                end
                if generation >= all + tonumber(redis.call('HGET', generations, seconds .. ':' .. owner) or '0') then
                    local n = #found
                    found[n + 1], found[n + 2], found[n + 3], found[n + 4] = tonumber(seconds), tonumber(window), owner, granted
                end
            end
        end
        return { page[1], found }
        """#
}
