"""The job and its state machine: pure functions from one job to the next, no Redis.

`shared.redis.store` writes each new state with a compare-and-set on `seq`, so what these functions refuse never
happens, whoever dies when. A change that makes no sense raises `Refused`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from shared.errors import Cancelled, KlipError, WorkerLost
from shared.problems import problem
from shared.records import JobError, Record, Results, RetryRecord, Video
from shared.stages import STAGE_BY_NAME, STAGES, TERMINAL, JobStatus, Stage, overall_percentage

MAX_DEATHS = 3  # of the process working on one stage
MAX_KEPT_RETRIES = 50
PRIORITIES = ("normal", "low")
SAME_WAIT_S = 60.0  # a stage that meets the same obstacle so soon after its wait has been waiting all the time
STARTED = "job.started"
EVENTS = (STARTED, *(f"job.{status.value}" for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)))
RESULTS_PATH = "/api/v1/analysis/{job_id}"


class Refused(Exception):
    """The job's state does not allow this change; nothing was changed."""


class StageDone(Refused):
    """The stage has been finished by somebody else."""


class StageHeld(Refused):
    """Somebody else is working on the stage."""


class LeaseLost(Refused):
    """The job has moved on without the one who reports: cancelled, or given to another worker."""


@dataclass(frozen=True, kw_only=True)
class Options(Record):
    """What the user asked for."""

    video: str = "clips"  # clips, full or none
    highlights: int = 10
    language: str = "en"
    transcriber: str | None = None
    audio_track: int | None = None  # from 1; None to choose one
    clips: bool | str = True  # True, False or "vertical"
    learn: bool = True  # from the verdicts on the channel's earlier highlights
    chat_offset_seconds: float = 0.0  # added to the time of every comment
    priority: str = PRIORITIES[0]  # normal or low
    join: tuple[str, ...] = ()  # names of the further parts of a recording in the media folder

    @classmethod
    def of(cls, members: Mapping[str, object]) -> Self:
        """Out of JSON, which has no tuples."""
        options = super().of(members)
        return replace(options, join=tuple(options.join))


@dataclass(frozen=True, kw_only=True)
class Job:
    """One analysis. Times are UTC ISO 8601; percentages 0-100."""

    job_id: str
    owner: str  # name of the API key, "" without keys
    url: str
    source: dict[str, str]  # {"kind": twitch|local|direct, "ref": ...}
    fingerprint: str  # of source and options
    created_at: str
    updated_at: str
    video_id: str | None = None
    chat_ref: str | None = None
    callback_url: str | None = None
    callback_events: tuple[str, ...] = ()  # those of EVENTS that are told; none: all
    options: Options = field(default_factory=Options)
    metadata: dict[str, str] = field(default_factory=dict)  # the user's own
    status: JobStatus = JobStatus.QUEUED
    attempt: int = 1
    started_at: str | None = None
    finished_at: str | None = None
    stage: str | None = STAGES[0].name  # at work or next; None when there is none left
    stages_done: tuple[str, ...] = ()
    percentage: float = 0.0
    stage_progress: dict[str, float] = field(default_factory=dict)
    eta_seconds: int | None = None
    holder: str | None = None  # who works on the stage now
    token: int = 0  # fencing token: grows with every claim and every loss
    waiting_since: str | None = None  # since when (or from when on) the stage waits for a worker
    deaths: int = 0  # of processes in this stage
    tries: int = 0  # retries used in this stage
    retries: tuple[RetryRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    video: Video | None = None
    results: Results | None = None
    error: JobError | None = None
    timings: dict[str, float] = field(default_factory=dict)
    files_removed: bool = False  # what the stages of a cancelled job had finished
    is_removed: bool = False  # the last that the mirror hears of it
    seq: int = 0  # counts every change

    @property
    def is_terminal(self) -> bool:
        """Whether the job can't change any more, but for a retry."""
        return self.status in TERMINAL

    def dumps(self) -> str:
        """As JSON, as it stands in Redis."""
        members = vars(self) | {"results": self.results.as_dict() if self.results else None}
        # The records in it by their members, as json comes to them: `asdict` would copy all of it first.
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"), default=vars)

    @classmethod
    def loads(cls, text: str | bytes) -> "Job":
        """Out of JSON; members that this version does not know are left out."""
        record = json.loads(text)
        known = {f.name for f in fields(cls)}
        record = {name: value for name, value in record.items() if name in known}
        record["status"] = JobStatus(record["status"])
        record["options"] = Options.of(record["options"])
        for name in ("stages_done", "warnings", "callback_events"):
            record[name] = tuple(record.get(name, ()))
        record["retries"] = tuple(map(RetryRecord.of, record["retries"]))
        for name, kind in (("video", Video), ("results", Results), ("error", JobError)):
            record[name] = kind.of(record[name]) if record.get(name) else None
        return cls(**record)


def iso(moment: datetime) -> str:
    """UTC as ISO 8601 with milliseconds and Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_of_ms(milliseconds: float) -> str:
    """The moment so many milliseconds after 1970."""
    return iso(datetime.fromtimestamp(milliseconds / 1000, UTC))


def ms_of(moment: str) -> int:
    """Milliseconds after 1970."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def utc_now() -> str:
    """Now, as `iso` writes it."""
    return iso(datetime.now(UTC))


def seconds_since(moment: str, now: str) -> float:
    """From one time to another, both ISO 8601."""
    return (datetime.fromisoformat(now) - datetime.fromisoformat(moment)).total_seconds()


def moved(moment: str, seconds: float) -> str:
    """`moment` and so many seconds more (or less)."""
    return iso(datetime.fromisoformat(moment) + timedelta(seconds=seconds))


def _next(job: Job, now: str, **changes: Any) -> Job:  # noqa: ANN401 -- the fields of Job, each with its own type
    return replace(job, updated_at=now, seq=job.seq + 1, **changes)


def _must_hold(job: Job, token: int) -> None:
    if job.is_terminal or job.token != token or job.holder is None:
        raise LeaseLost(f"job is {job.status}, token {job.token}, not {token}")


def claim(job: Job, *, stage: Stage, attempt: int, holder: str, now: str) -> Job:
    """A worker takes the stage. Raises StageDone, StageHeld or Refused."""
    if job.holder == holder:
        return job
    if job.is_terminal or job.attempt != attempt:
        raise Refused(f"job is {job.status} in attempt {job.attempt}")
    if stage.name in job.stages_done:
        raise StageDone(stage.name)
    if job.stage != stage.name:
        raise Refused(f"job waits for {job.stage}, not {stage.name}")
    if job.holder is not None:
        raise StageHeld(job.holder)
    return _next(
        job,
        now,
        status=stage.status,
        holder=holder,
        token=job.token + 1,
        started_at=job.started_at or now,
        waiting_since=None,
        percentage=max(job.percentage, overall_percentage(stage, 0)),
        stage_progress={**job.stage_progress, stage.name: job.stage_progress.get(stage.name, 0.0)},
    )


def report(job: Job, *, token: int, fraction: float, eta_seconds: int | None, now: str) -> Job:
    """The stage is `fraction` (0-1) done. What was reached is never taken back. Raises LeaseLost."""
    _must_hold(job, token)
    stage = STAGE_BY_NAME[str(job.stage)]
    percent = max(job.stage_progress.get(stage.name, 0.0), round(100 * min(max(fraction, 0.0), 1.0), 1))
    return _next(
        job,
        now,
        percentage=max(job.percentage, overall_percentage(stage, percent)),
        stage_progress={**job.stage_progress, stage.name: percent},
        eta_seconds=eta_seconds,
    )


def finish(
    job: Job,
    *,
    token: int,
    seconds: float,
    now: str,
    warnings: tuple[str, ...] = (),
    video: Video | None = None,
    results: Results | None = None,
) -> Job:
    """The stage is done: on to the next, or to completed. Raises LeaseLost."""
    _must_hold(job, token)
    stage = STAGE_BY_NAME[str(job.stage)]
    done = (*job.stages_done, stage.name)
    following = next((s for s in STAGES if s.name not in done), None)
    common = {
        "stages_done": done,
        "holder": None,
        "deaths": 0,
        "tries": 0,
        "stage_progress": {**job.stage_progress, stage.name: 100.0},
        "timings": {**job.timings, stage.name: round(seconds, 3)},
        "warnings": tuple(dict.fromkeys((*job.warnings, *warnings))),
        "video": video or job.video,
        "results": results or job.results,
        "percentage": max(job.percentage, overall_percentage(stage, 100)),
    }
    if following is None:
        return _next(
            job, now, **common, status=JobStatus.COMPLETED, stage=None, finished_at=now, eta_seconds=None, error=None
        )
    return _next(job, now, **common, stage=following.name, waiting_since=now)


def put_back(job: Job, *, token: int, error: KlipError, delay_s: float, now: str, counts: bool = True) -> Job:
    """The stage is tried again after `delay_s`; it `counts` as one of its tries, or is one long wait with those before.

    Raises LeaseLost.
    """
    _must_hold(job, token)
    until = moved(now, delay_s)
    since = now if counts else waiting_for(job, error, now)
    before = job.retries if since == now else job.retries[:-1]
    kept = _retry_record(job, error, at=since, until=until)
    return _next(
        job,
        now,
        holder=None,
        tries=job.tries + counts,
        waiting_since=until,
        retries=(*before, kept)[-MAX_KEPT_RETRIES:],
        eta_seconds=None,
    )


def waiting_for(job: Job, error: KlipError, now: str) -> str:
    """Since when the stage has been waiting for `error` to pass; `now` when it only begins to."""
    if not job.retries:
        return now
    last = job.retries[-1]
    is_same = last == _retry_record(job, error, at=last.at, until=last.until)
    return last.at if is_same and seconds_since(last.until, now) < SAME_WAIT_S else now


def _retry_record(job: Job, error: KlipError, *, at: str, until: str) -> RetryRecord:
    return RetryRecord(stage=job.stage, attempt=job.attempt, code=error.code, detail=error.detail, at=at, until=until)


def give_back(job: Job, *, token: int, now: str) -> Job:
    """The worker shuts down and hands the stage to the next one; nobody's fault. Raises LeaseLost."""
    _must_hold(job, token)
    return _next(job, now, holder=None, waiting_since=now, eta_seconds=None)


def lose(job: Job, *, token: int, now: str) -> Job:
    """The process that held the stage is gone. The third time in one stage the job fails."""
    _must_hold(job, token)
    deaths = job.deaths + 1
    if deaths >= MAX_DEATHS:
        error = WorkerLost(f"The process died {deaths} times in the stage {job.stage}.")
        return _stopped(_next(job, now, deaths=deaths), JobStatus.FAILED, error, now)
    kept = _retry_record(job, WorkerLost("The process died."), at=now, until=now)
    return _next(
        job,
        now,
        deaths=deaths,
        holder=None,
        token=job.token + 1,
        waiting_since=now,
        retries=(*job.retries, kept)[-MAX_KEPT_RETRIES:],
        eta_seconds=None,
    )


def fail(job: Job, *, token: int, error: KlipError, now: str) -> Job:
    """The stage can't be done. Raises LeaseLost."""
    _must_hold(job, token)
    return _stopped(_next(job, now), JobStatus.FAILED, error, now)


def _stopped(job: Job, status: JobStatus, error: KlipError, now: str) -> Job:
    """The job, ended without results; the token of whoever works on it is stale."""
    return replace(
        job,
        status=status,
        holder=None,
        token=job.token + 1,
        finished_at=now,
        eta_seconds=None,
        waiting_since=None,
        error=_job_error(job, error),
    )


def _job_error(job: Job, error: KlipError) -> JobError:
    members = problem(error, instance=RESULTS_PATH.format(job_id=job.job_id))
    return JobError(**asdict(members), stage=job.stage, attempt=job.attempt)


def cancel(job: Job, *, now: str) -> Job:
    """Stop for good; whoever works on it finds its token stale. Raises Refused on a finished job."""
    if job.is_terminal:
        raise Refused(f"The job has already {job.status.value}.")
    return _stopped(_next(job, now), JobStatus.CANCELLED, Cancelled(), now)


def give_up_files(job: Job) -> Job:
    """What the stages of a cancelled job finished is about to be removed. Raises Refused on any other job."""
    if job.status is not JobStatus.CANCELLED:
        raise Refused(f"job is {job.status}")
    return job if job.files_removed else replace(job, files_removed=True, seq=job.seq + 1)


def remove(job: Job) -> Job:
    """The last state of a job that its owner removes. Raises Refused on an unfinished one."""
    if not job.is_terminal:
        raise Refused(f"job is {job.status}")
    return replace(job, is_removed=True, seq=job.seq + 1)


def retry(job: Job, *, now: str) -> Job:
    """A new attempt from the first unfinished stage, or the first one if the files are gone.

    Raises Refused unless the job failed or was cancelled.
    """
    if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise Refused(f"Only failed and cancelled jobs can be retried; this one is {job.status.value}.")
    done = () if job.files_removed else job.stages_done
    first = next(stage for stage in STAGES if stage.name not in done)
    return _next(
        job,
        now,
        status=JobStatus.QUEUED,
        attempt=job.attempt + 1,
        stage=first.name,
        stages_done=done,
        stage_progress=dict.fromkeys(done, 100.0),
        percentage=float(first.share[0]),
        warnings=job.warnings if done else (),
        timings={name: job.timings[name] for name in done if name in job.timings},
        holder=None,
        token=job.token + 1,
        deaths=0,
        tries=0,
        started_at=None,
        finished_at=None,
        waiting_since=now,
        error=None,
        results=None,
        eta_seconds=None,
        files_removed=False,
    )
