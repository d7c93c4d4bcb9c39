"""The reaper's clock: whether the stack or Redis was away, and when more than what is due has to be looked at."""

import redis

from shared.jobs import seconds_since, utc_now
from shared.redis import keys
from shared.redis.admission import STAGE_QUEUES
from shared.redis.store import LEASE_MS

# Nobody looked at the clock for this long: then the stack or Redis was away.
OUTAGE_S = 6.0
# Of the sets that tell what is due. A deployment that has another one, or none, is looked through once.
VERSION = "1"
PATROL_S = 60


def grace_left(client: redis.Redis) -> bool:
    """Whether holders still have time to take up leases that ran out while Redis or the stack was away."""
    now = utc_now()
    last = client.set(keys.REAPER_LAST, now, get=True)
    # A clock that was set back counts as an outage too.
    if last is None or not 0 <= seconds_since(str(last), now) <= OUTAGE_S:
        client.set(keys.REAPER_GRACE, "1", px=LEASE_MS)
        client.set(keys.REAPER_OUTAGE, now)
    return bool(client.exists(keys.REAPER_GRACE))


def knows_every_job(client: redis.Redis) -> bool:
    """Whether the jobs were looked through since this version of the sets."""
    return client.get(keys.REAPER_VERSION) == VERSION


def looked_through(client: redis.Redis) -> None:
    """Every job is in the sets of this version."""
    client.set(keys.REAPER_VERSION, VERSION)


def needs_patrol(client: redis.Redis) -> bool:
    """Whether jobs are under way and it is a while since they were compared with the sets."""
    return not client.exists(keys.REAPER_PATROL) and bool(client.exists(*map(keys.underway, STAGE_QUEUES)))


def begins_patrol(client: redis.Redis) -> bool:
    """Whether it is this caller's turn to compare."""
    return bool(client.set(keys.REAPER_PATROL, "1", nx=True, ex=PATROL_S))
