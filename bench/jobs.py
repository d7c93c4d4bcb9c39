"""A job for benchmarks that nothing works on."""

from uuid import uuid4

from shared.jobs import Job, moved, utc_now


def new_job() -> Job:
    now = utc_now()
    return Job(
        job_id=uuid4().hex,
        owner="",
        url="file:bench",
        source={"kind": "local", "ref": "bench"},
        fingerprint=uuid4().hex,
        created_at=now,
        updated_at=now,
        # Far enough ahead that the reaper leaves it alone.
        waiting_since=moved(now, 3600),
    )
