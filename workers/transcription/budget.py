"""The hours of sound that may be sent to a paid service a day, counted by all workers together."""

from datetime import UTC, datetime, timedelta

import redis

from shared.errors import RateLimitExceeded
from shared.redis import keys
from shared.redis.script import Script

KEEP_S = 48 * 3600


class TranscriptionBudget:
    """`hours_a_day` by UTC days."""

    def __init__(self, client: redis.Redis, hours_a_day: float) -> None:
        self._spend, self._hours_a_day = Script(client, "spend"), hours_a_day

    def spend(self, hours: float) -> None:
        """Count these hours; negative ones are given back. Raises RateLimitExceeded when the day has too few left."""
        now = datetime.now(UTC)
        if self._spend([keys.transcribed(f"{now:%Y-%m-%d}")], [hours, self._hours_a_day, KEEP_S]):
            return
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        raise RateLimitExceeded(
            f"The {self._hours_a_day:g} hours of transcription a day are used up.",
            retry_after_s=round((midnight - now).total_seconds()),
        )
