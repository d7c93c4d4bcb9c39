-- Accept a job, take waiting jobs whose turn it is, and tell how many still go before it: create.lua, admit_jobs.lua and
-- ahead.lua in one step, so that a submission costs one question.
-- KEYS: those of create.lua, of admit_jobs.lua, of ahead_of in ahead.lua (three).
-- ARGV: how many of KEYS and of ARGV are create.lua's, the priority of the job, LOW_EVERY, then ARGV of create.lua and of
--   admit_jobs.lua.
-- Answer: {answer of create.lua, answer of admit_jobs.lua, jobs ahead or -1}; where no job was made nothing is admitted.
local function create(KEYS, ARGV)
-- include create.lua
end
local function admit(KEYS, ARGV)
-- include admit_jobs.lua
end
-- include ahead.lua
local create_keys, create_args, priority, low_every = unpack(ARGV, 1, 4)
local args_of_create = {unpack(ARGV, 5, 4 + create_args)}
local created = create({unpack(KEYS, 1, create_keys)}, args_of_create)
if created[1] ~= 'created' then return {created, {}, -1} end
local admitted = admit({unpack(KEYS, create_keys + 1, #KEYS - 3)}, {unpack(ARGV, 5 + create_args)})
local id, owner = args_of_create[5], args_of_create[13]
local ahead = ahead_of(tonumber(low_every), id, owner, priority, unpack(KEYS, #KEYS - 2))
return {created, admitted, ahead or -1}
