"""Every key that we have in Redis; all begin with `klip:`. Celery's own keys are the names of its queues.

Jobs, written by `store`:
    job:ID                    the job as JSON
    lease:ID                  token of whoever works on it, expires when that process stops renewing
    events:ID                 stream of the job's events; the entries' ids are the ids of server-sent events
    channel:ID                pub/sub channel of the same, in flask-sse's message format
    index:OWNER[:status:S|:video:V|:source:D|:channel:D|:metadata:D]  by creation time in ms, for the lists. D: digests
    active, active:OWNER      ids of jobs that are not finished
    running:OWNER:FP          an unfinished job of the same source and options
    finished                  ids of finished jobs by the time they ended, for the retention
    idem:OWNER:HASH           Idempotency-Key -> job and body
    idem-answer:OWNER:HASH    Idempotency-Key of another POST -> what was answered; empty while it is carried out
    cancelled                 cancelled jobs whose files are still there, by the time they ended
    retries                   how often stages were tried again, by STAGE:CODE
Whose turn it is, see `admission`:
    waiting:QUEUE:PRIORITY    owners with jobs that wait to be admitted, by their turn
    waiting:QUEUE:PRIORITY:OWNER  those jobs, by the time (ms) since which they wait
    underway:QUEUE            admitted jobs that are there, by the time (ms) from which they are due; 0: being worked on
    held                      jobs at work, by the time (ms) of their lease's last renewal
    untaken                   admitted jobs not at work, by the time (ms) from which they are due, or of the last look
    underway:of:OWNER         admitted jobs of the owner
    turns, admissions         how many turns were given; how many jobs were admitted by queue
To be told to others, written with the job, see `outbox`:
    mirror:due                ids of jobs whose row may be behind, by the time (ms) of the next send
    mirror:states:ID          the job at each change of status that was not mirrored yet, oldest first
    mirror:failing:ID         since when (ms) sending fails, and how often it did
    mirror:lock:ID            whose turn it is
    mirror:refused:HASH       what was logged today and is not again
    webhooks:due              JOB/EVENT of each event that is not delivered, by the time (ms) of the next try
    webhooks:job:ID           every event of the job by its id: what was answered
    webhooks:lock:JOB/EVENT   whose turn it is
    webhooks:ping:ID, webhooks:pong:ID  an address to be tried, and what was answered; for seconds
What people say about highlights, see `feedback`:
    edits:ID                  what was said about each highlight of a job, by its rank; goes with the job
    verdicts:OWNER:CHANNEL    the verdicts on a channel's highlights with their features, by JOB:RANK: the newest
                              MAX_VERDICTS of them, until VERDICTS_TTL_S after the last one. CHANNEL is a digest
Of the whole deployment:
    workers:QUEUE             WORKER/CHILDREN of processes that live, by the second they last said so
    seconds:STAGE             how long the stage took so far: sum, media, count
    breaker:SERVICE           a circuit breaker: state, failures, shared, failing, opened_at, probe_at (ms), and how
                              often it opened, probed and refused a call: openings, probes, refusals
    breakers                  services that have one, by the time (ms) of the last report
    breaker-evidence:SERVICE  what its failures in a row are about, and when each counted last (ms)
    breaker-served:SERVICE    what was served lately, of calls that any job makes, by the time (ms)
    breaker-probe:SERVICE     held by the one call that tries whether the service is well again
    counters                  what has happened so far, for the metrics, see `counters`
    transcribed:DAY           hours of sound sent to a paid service
    reaper:last, :grace, :outage  the reaper's clock
    reaper:version            of the sets that the reaper reads: written after every job was looked at once
    reaper:patrol             a short while after all jobs under way were looked at
    ready:HOST                written to see whether writing works
    token:secret              what all web processes sign the tokens of jobs with
    limit/...                 flask-limiter's counters
"""

import hashlib

PREFIX = "klip:"
ACTIVE = PREFIX + "active"
FINISHED = PREFIX + "finished"
CANCELLED = PREFIX + "cancelled"
RETRIES = PREFIX + "retries"
UNDERWAY_OF = PREFIX + "underway:of:"
HELD = PREFIX + "held"
UNTAKEN = PREFIX + "untaken"
LEASE = PREFIX + "lease:"
TURNS = PREFIX + "turns"
ADMISSIONS = PREFIX + "admissions"
CHANNEL = PREFIX + "channel:"
MIRROR_DUE = PREFIX + "mirror:due"
WEBHOOKS_DUE = PREFIX + "webhooks:due"
BREAKER = PREFIX + "breaker:"
BREAKERS = PREFIX + "breakers"
COUNTERS = PREFIX + "counters"
REAPER_LAST = PREFIX + "reaper:last"
REAPER_GRACE = PREFIX + "reaper:grace"
REAPER_OUTAGE = PREFIX + "reaper:outage"
TOKEN_SECRET = PREFIX + "token:secret"
REAPER_VERSION = PREFIX + "reaper:version"
REAPER_PATROL = PREFIX + "reaper:patrol"
LIMIT = PREFIX + "limit"


def job(job_id: str) -> str:
    """The job as JSON (a string)."""
    return f"{PREFIX}job:{job_id}"


def lease(job_id: str) -> str:
    """The fencing token of whoever works on the job (a string that expires)."""
    return LEASE + job_id


def events(job_id: str) -> str:
    """The job's events (a stream), whose entries' ids are those of server-sent events."""
    return f"{PREFIX}events:{job_id}"


def channel(job_id: str) -> str:
    """Where the job's events are published."""
    return CHANNEL + job_id


def active_of(owner: str) -> str:
    """The owner's jobs that are not finished (a set of ids)."""
    return f"{ACTIVE}:{owner}"


def running(owner: str, fingerprint: str) -> str:
    """The unfinished job of the same source and options (a string: its id)."""
    return f"{PREFIX}running:{owner}:{fingerprint}"


def idempotency(owner: str, key_hash: str) -> str:
    """What was answered under an Idempotency-Key. key_hash: its digest in hexadecimal."""
    return f"{PREFIX}idem:{owner}:{key_hash}"


def idempotent_answer(owner: str, key_hash: str) -> str:
    """What was answered to a POST that makes no job. key_hash: of its path and Idempotency-Key."""
    return f"{PREFIX}idem-answer:{owner}:{key_hash}"


def index(owner: str, *, status: str | None = None, video_id: str | None = None, about: str | None = None) -> str:
    """All jobs of the owner, or those of a status, or those of a video, or those `about` something else."""
    name = f"{PREFIX}index:{owner}"
    if video_id is not None:
        return f"{name}:video:{video_id}"
    if about is not None:
        return f"{name}:{about}"
    return name if status is None else f"{name}:status:{status}"


def waiting_owners(queue: str, priority: str) -> str:
    """Owners whose jobs wait to be admitted, by their turn (a sorted set)."""
    return f"{PREFIX}waiting:{queue}:{priority}"


def waiting(queue: str, priority: str, owner: str) -> str:
    """The owner's jobs that wait, by the time in ms since which they do (a sorted set)."""
    return f"{waiting_owners(queue, priority)}:{owner}"


def underway(queue: str) -> str:
    """Admitted jobs of the queue, by the time in ms from which they are due (a sorted set)."""
    return f"{PREFIX}underway:{queue}"


def underway_of(owner: str) -> str:
    """The owner's admitted jobs."""
    return UNDERWAY_OF + owner


def mirror_states(job_id: str) -> str:
    """The job at each change that Convex was not told yet, oldest first (a list)."""
    return f"{PREFIX}mirror:states:{job_id}"


def mirror_failing(job_id: str) -> str:
    """Since when (ms) sending the job's row fails, and how often it did."""
    return f"{PREFIX}mirror:failing:{job_id}"


def mirror_lock(job_id: str) -> str:
    """Whose turn it is to send the job's row."""
    return f"{PREFIX}mirror:lock:{job_id}"


def mirror_refused(about: str) -> str:
    """Whether a refusal was logged today. about: a digest of what it says."""
    return f"{PREFIX}mirror:refused:{about}"


def webhooks(job_id: str) -> str:
    """Every event of the job by its id, with what was answered (a hash)."""
    return f"{PREFIX}webhooks:job:{job_id}"


def webhook_lock(member: str) -> str:
    """Whose turn it is to send an event. member: JOB/EVENT."""
    return f"{PREFIX}webhooks:lock:{member}"


def webhook_ping(ping_id: str) -> str:
    """The address that a ping goes to."""
    return f"{PREFIX}webhooks:ping:{ping_id}"


def webhook_pong(ping_id: str) -> str:
    """What its receiver answered (a list of one)."""
    return f"{PREFIX}webhooks:pong:{ping_id}"


def sweep_lock(due: str) -> str:
    """Of the sweep of a set of what is due."""
    return f"{due}:sweep"


def edits(job_id: str) -> str:
    """What was said about each highlight of the job, by its rank (a hash)."""
    return f"{PREFIX}edits:{job_id}"


def verdicts(owner: str, channel: str) -> str:
    """The verdicts on a channel's highlights, by JOB:RANK (a hash)."""
    # A channel's name comes from outside; its digest can't be long nor look like another owner's.
    return f"{PREFIX}verdicts:{owner}:{hashlib.sha256(channel.casefold().encode()).hexdigest()[:32]}"


def workers(queue: str) -> str:
    """Workers of the queue that live, by the second they last said so (a sorted set)."""
    return f"{PREFIX}workers:{queue}"


def seconds(stage: str) -> str:
    """How long the stage took so far."""
    return f"{PREFIX}seconds:{stage}"


def breaker(service: str) -> str:
    return BREAKER + service


def breaker_evidence(service: str) -> str:
    return f"{PREFIX}breaker-evidence:{service}"


def breaker_served(service: str) -> str:
    return f"{PREFIX}breaker-served:{service}"


def breaker_probe(service: str) -> str:
    return f"{PREFIX}breaker-probe:{service}"


def transcribed(day: str) -> str:
    """Hours of sound sent to a paid service. day: such as 2025-01-31."""
    return f"{PREFIX}transcribed:{day}"


def ready(host: str) -> str:
    """Written to see whether writing works."""
    return f"{PREFIX}ready:{host}"
