"""What runs inside Redis, where nothing comes in between: the line of those who want a name.

    lane:NAME     list: the token of the holder, then those who wait, in the order they came
    beat:NAME     sorted set: each of these tokens, and when it dies unless it is renewed
    inbox:CLIENT  list: tokens of that process whose turn has come, until it reads them

A token is `CLIENT:NUMBER`. All times are milliseconds on the clock of the Redis server. A
token that its process no longer renews is dead and leaves the line as soon as anybody looks,
and keys that nobody touches any more vanish by themselves.
"""

from __future__ import annotations


PREFIX = "letta-gateway:"

# The inbox is no declared key, because only the line tells whose turn it is: these scripts
# want one Redis, not a cluster.
_COMMON = f"""
local ttl = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- When memory is full a script may go on if its first write needs none, as this one: what is
-- held then stays held.
redis.call('PEXPIRE', KEYS[1], ttl)

local function remove(lane, beat, tokens)
    local head = redis.call('LINDEX', lane, 0)
    for _, token in ipairs(tokens) do
        redis.call('LREM', lane, 0, token)
        redis.call('ZREM', beat, token)
    end
    local new = redis.call('LINDEX', lane, 0)
    if new and new ~= head then
        local inbox = '{PREFIX}inbox:' .. string.match(new, '^[^:]+')
        redis.call('RPUSH', inbox, new)
        redis.call('PEXPIRE', inbox, ttl)
    end
end

local function bury(lane, beat)
    remove(lane, beat, redis.call('ZRANGEBYSCORE', beat, '-inf', now))
    -- Only one of the two keys is left when Redis was short of memory and threw one out.
    if redis.call('EXISTS', beat) == 0 then redis.call('DEL', lane) end
end

local function touch(lane, beat)
    redis.call('PEXPIRE', lane, ttl)
    redis.call('PEXPIRE', beat, ttl)
end
"""

# Stand in line. KEYS: lane, beat. ARGV: ttl, token, how many may wait.
# Returns how many are ahead, 0 for the holder, or -1 if the line is full.
JOIN = f"""{_COMMON}
bury(KEYS[1], KEYS[2])
local ahead = redis.call('LLEN', KEYS[1])
if ahead > 0 and ahead > tonumber(ARGV[3]) then return -1 end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + ttl, ARGV[2])
touch(KEYS[1], KEYS[2])
return ahead
"""

# Leave the line, from any place in it. KEYS: lane, beat. ARGV: ttl, token.
LEAVE = f"""{_COMMON}
remove(KEYS[1], KEYS[2], {{ARGV[2]}})
bury(KEYS[1], KEYS[2])
"""

# Keep tokens alive. KEYS: lane and beat for each of them. ARGV: ttl, the tokens.
# Returns for each how many are ahead, or -1 if it is in the line no more. None is put back:
# its owner may have left a moment ago.
RENEW = f"""{_COMMON}
for i = 2, #ARGV do
    redis.call('ZADD', KEYS[2 * i - 2], 'XX', now + ttl, ARGV[i])
end
local answer = {{}}
for i = 2, #ARGV do
    local lane, beat = KEYS[2 * i - 3], KEYS[2 * i - 2]
    bury(lane, beat)
    local ahead = redis.call('LPOS', lane, ARGV[i])
    if ahead then touch(lane, beat) end
    answer[i - 1] = ahead or -1
end
return answer
"""
