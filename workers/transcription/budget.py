"""The hours of sound that may be sent to a paid service a day, counted by all workers together."""

from datetime import UTC, datetime, timedelta

import redis

from shared.errors import RateLimitExceeded

KEY = "klip:transcribed:"
KEEP_S = 48 * 3600

# Taking and counting in one step: two workers can't both have the last hour.
_SPEND = """
local spent = tonumber(redis.call('GET', KEYS[1]) or '0') + ARGV[1]
if tonumber(ARGV[1]) > 0 and spent > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], tostring(math.max(spent, 0)), 'EX', ARGV[3])
return 1
"""


class TranscriptionBudget:
    """`hours_a_day` by UTC days."""

    def __init__(self, client: redis.Redis, hours_a_day: float) -> None:
        self._redis, self._hours_a_day = client, hours_a_day

    def spend(self, hours: float) -> None:
        """Count these hours; negative ones are given back. Raises RateLimitExceeded when the day has too few left."""
        now = datetime.now(UTC)
        arguments = [hours, self._hours_a_day, KEEP_S]
        if self._redis.register_script(_SPEND)(keys=[KEY + f"{now:%Y-%m-%d}"], args=arguments):
            return
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        raise RateLimitExceeded(
            f"The {self._hours_a_day:g} hours of transcription a day are used up.",
            retry_after_s=round((midnight - now).total_seconds()),
        )
