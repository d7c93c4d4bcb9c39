"""What requests and answers look like: the examples of the OpenAPI document, by the schema's name there.

Jobs and problems are made by the code that answers; a test holds every example against its schema.
"""

import json
from dataclasses import replace

from shared.errors import InvalidRequest, KlipError, ServiceUnavailable, catalogue
from shared.feedback import GOOD
from shared.files import FILES, MANIFEST, URL_FILES, clip, thumbnail
from shared.jobs import Job
from shared.problems import problem
from shared.records import JobError, Results, RetryRecord, Video
from shared.representations import API, event_of, job_view, progress_of
from shared.stages import DELIVERY_QUEUE, QUEUES, STAGES, JobStatus
from web.job_token import LIFE_S
from web.ops import error_entries

JOB_ID = "3f0c0a6d8a5e4b7f9c1d2e3f4a5b6c7d"
BEGAN, LATER, ENDED = "2026-11-22T18:00:00.000Z", "2026-11-22T18:03:20.000Z", "2026-11-22T18:14:05.250Z"
VOD = "https://www.twitch.tv/videos/123456789"
SUPPORT_REFERENCE = "ERR-20261122-1A2B3C4D"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_PARTS = ["redis", "artifacts", "disk", *(f"worker-{queue}" for queue in QUEUES)]
_FILE_URL = f"{API}/{JOB_ID}/files/"
_NAMES = sorted([*(file.name for file in FILES if file.name != "video.mp4"), clip(1).name, thumbnail(1).name, MANIFEST])


def example_problem(error: type[KlipError], *, instance: str = f"{API}/{JOB_ID}") -> dict[str, object]:
    """The problem that `error` is answered as."""
    errors = {"options.highlights": ["Must be greater than or equal to 1 and less than or equal to 50."]}
    found = error(errors=errors) if error is InvalidRequest else error()
    return problem(found, instance=instance).as_dict() | {"support_reference": SUPPORT_REFERENCE}


_VIDEO = Video(
    id="123456789",
    source="twitch",
    title="Speedrun Sunday",
    channel="goatgamer",
    duration_seconds=14_400.0,
    created_at="2026-11-21T18:00:00Z",
    game="Celeste",
    views=2210,
    watch_url=VOD,
    file_name="Speedrun Sunday [123456789].mp4",
    audio_track=1,
    audio_tracks=1,
    has_picture=True,
    frame_rate="60/1",
    variable_frame_rate=False,
    width=1920,
    height=1080,
    audio_channels=2,
    audio_rate=48_000,
)
_MADE = Results(
    highlights=1,
    clips=1,
    files=len(_NAMES),
    results_url=f"{API}/{JOB_ID}/results",
    urls={name: _FILE_URL + file.name if file.name in _NAMES else None for name, file in URL_FILES.items()},
)
_QUEUED = Job(
    job_id=JOB_ID,
    owner="",
    url=VOD,
    source={"kind": "twitch", "ref": "123456789"},
    fingerprint=SHA256,
    created_at=BEGAN,
    updated_at=BEGAN,
    video_id="123456789",
    metadata={"episode": "42"},
)
_RUNNING = replace(
    _QUEUED,
    status=JobStatus.TRANSCRIBING,
    updated_at=LATER,
    started_at=BEGAN,
    stage="transcribe",
    stages_done=("download", "chat"),
    percentage=41.3,
    stage_progress={"download": 100.0, "chat": 100.0, "transcribe": 21.0},
    eta_seconds=610,
    video=_VIDEO,
    retries=(
        RetryRecord(
            stage="download",
            attempt=1,
            code="CONNECTION_FAILED",
            detail="A server refused or dropped the connection",
            at=BEGAN,
            until=LATER,
        ),
    ),
)
_COMPLETED = replace(
    _RUNNING,
    status=JobStatus.COMPLETED,
    updated_at=ENDED,
    finished_at=ENDED,
    stage=None,
    stages_done=tuple(stage.name for stage in STAGES),
    percentage=100.0,
    stage_progress={stage.name: 100.0 for stage in STAGES},
    eta_seconds=None,
    results=_MADE,
)


def _ended_by(code: str, status: JobStatus) -> Job:
    members = example_problem(catalogue()[code]) | {"stage": "transcribe", "attempt": 1}
    return replace(
        _RUNNING, status=status, updated_at=ENDED, finished_at=ENDED, eta_seconds=None, error=JobError.of(members)
    )


_FAILED = _ended_by("TRANSCRIPTION_SERVICE_ERROR", JobStatus.FAILED)
_CANCELLED = _ended_by("CANCELLED", JobStatus.CANCELLED)
_HIGHLIGHT = {
    "rank": 1,
    "start_seconds": 3661.5,
    "end_seconds": 3689.0,
    "peak_seconds": 3675.0,
    "score": 0.93,
    "emotion": "excitement",
    "title": 'Hype: "no way he did it"',
    "reasons": ["Chat wrote 9.4 times as much as usual: 212 messages in 10 s.", "64 % of the messages were amazed."],
    "transcript": "he is going for it, no way he did it",
    "chat_sample": ["POGGERS", "LETS GOOO", "no way"],
    "signals": {"messages": 12.4, "chatters": 10.1, "loudness": 3.2, "surge": 2.24, "reacting": 0.64},
    "clip_url": _FILE_URL + clip(1).name,
    "thumbnail_url": _FILE_URL + thumbnail(1).name,
    "watch_url": f"{VOD}?t=3661s",
    "verdict": GOOD,
}
_RESULTS = {
    "job_id": JOB_ID,
    "metadata": _QUEUED.metadata,
    "video": _VIDEO.as_dict(),
    "highlights": [_HIGHLIGHT],
    "tuned_on_verdicts": 0,
    "emotions": {
        "excitement": 0.41, "funny": 0.33, "happiness": 0.09, "anger": 0.03, "sadness": 0.06, "shock": 0.08
    },
    "sentiment": {"chat": 0.21, "speech": 0.08},
    "chat": {
        "messages": 51_230,
        "chatters": 3120,
        "peak_per_minute": 1270,
        "top_emotes": [{"name": "LUL", "count": 2210}, {"name": "PogChamp", "count": 1640}],
    },
    "chat_lag_seconds": 4.5,
    "transcript": {
        "language": "en",
        "words": 21_730,
        "confidence": 0.87,
        "provider": "whisper",
        "cost_estimate_usd": 0.0,
    },
    "warnings": [],
    "timings": {"download": 84.2, "chat": 21.0, "transcribe": 402.7, "analyze": 38.1},
    "files": {name: _FILE_URL + name for name in _NAMES},
    "urls": _MADE.urls,
}  # fmt: skip


def _event(name: str, job: Job, number: int, **more: object) -> dict[str, object]:
    return {**event_of(job), "event": name, **more, "connection_id": "5a2c", "update_count": number}


def _stream() -> str:
    """A stream of a job that was at work and then completed, as text."""
    events = [
        _event("connected", _RUNNING, 1),
        _event("progress", _RUNNING, 2),
        _event("completed", _COMPLETED, 3),
        _event("stream_ended", _COMPLETED, 4),
    ]
    told = [
        f"event: {event['event']}\ndata: {json.dumps(event)}\nid: 1795371{number}-0\n\n"
        for number, event in enumerate(events)
    ]
    return "retry: 3000\n" + "".join(told)


def _webhook(event: str, job: Job) -> dict[str, object]:
    return {"type": event, "timestamp": job.updated_at, "data": job_view(job, base_url="https://klip.example")}


WEBHOOKS = {
    "job.started": _webhook("job.started", _RUNNING),
    "job.completed": _webhook("job.completed", _COMPLETED),
    "job.failed": _webhook("job.failed", _FAILED),
    "job.cancelled": _webhook("job.cancelled", _CANCELLED),
}
_DELIVERY = {
    "id": f"msg_{JOB_ID}_1_completed",
    "type": "job.completed",
    "url": "https://app.example/hooks",
    "state": "delivered",
    "created_at": ENDED,
    "next_try_at": None,
    "tries": [{"at": ENDED, "seconds": 0.12, "status": 204, "answer": "", "error": None}],
}
REQUESTS: dict[str, dict[str, object]] = {
    "Submission": {
        "vod": {"url": VOD},
        "file": {
            "url": "file:stream.mkv",
            "chat_url": "file:chat.json",
            "metadata": {"episode": "42"},
            "options": {"highlights": 5, "language": "auto", "audio_track": 2, "clips": "vertical"},
        },
    },
    "Batch": {"two": {"analyses": [{"url": VOD, "idempotency_key": "vod-1"}, {"url": "file:stream.mkv"}]}},
    "Ping": {"receiver": {"callback_url": "https://app.example/hooks"}},
    "HighlightEdit": {
        "judged": {"verdict": GOOD},
        "edited": {"title": "The goat strikes back", "start_seconds": 3660.0, "end_seconds": 3680.5},
    },
}
ANSWERS: dict[str, dict[str, object]] = {
    "Job": {
        "queued": job_view(_QUEUED),
        "running": job_view(_RUNNING),
        "completed": job_view(_COMPLETED),
        "failed": job_view(_FAILED),
        "cancelled": job_view(_CANCELLED),
    },
    "JobState": {
        "running": {"status": _RUNNING.status.value, "progress": progress_of(_RUNNING), "error": None},
        "failed": {
            "status": _FAILED.status.value,
            "progress": progress_of(_FAILED),
            "error": _FAILED.error and _FAILED.error.as_dict(),
        },
    },
    "JobPage": {"page": {"jobs": [job_view(_COMPLETED)], "next_cursor": None, "total": 1}},
    "Highlight": {"highlight": _HIGHLIGHT},
    "Results": {"results": _RESULTS},
    "Manifest": {
        "files": {
            "job_id": JOB_ID,
            "files": {clip(1).name: {"size": 4_194_304, "sha256": SHA256, "stage": "highlights", "attempt": 1}},
        }
    },
    "DeliveryList": {"deliveries": {"deliveries": [_DELIVERY]}},
    "Delivery": {"again": _DELIVERY | {"state": "pending", "next_try_at": ENDED}},
    "BatchAnswer": {
        "one_taken": {
            "analyses": [
                {"status": 202, "location": f"{API}/{JOB_ID}", "job": job_view(_QUEUED), "error": None},
                {"status": 422, "location": None, "job": None, "error": example_problem(InvalidRequest)},
            ]
        }
    },
    "Token": {
        "token": {
            "token": "WyIzZjBjMGE2ZCIsImFubiJd.aSd2Ew.c2lnbmF0dXJl",
            "expires_at": ENDED,
            "expires_in_seconds": LIFE_S,
            "stream_url": f"{API}/{JOB_ID}/stream?access_token=WyIzZjBjMGE2ZCIsImFubiJd.aSd2Ew.c2lnbmF0dXJl",
            "results_url": f"{API}/{JOB_ID}/results?access_token=WyIzZjBjMGE2ZCIsImFubiJd.aSd2Ew.c2lnbmF0dXJl",
        }
    },
    "Pong": {
        "accepted": {"id": "msg_ping_1", "status": 204, "answer": "", "error": None, "seconds": 0.12},
    },
    "Health": {"alive": {"status": "ok"}},
    "Ready": {"ready": {"ready": True, "parts": {key: {"ok": True, "reason": None} for key in _PARTS}}},
    "NotReady": {
        "without_workers": example_problem(ServiceUnavailable, instance="/ready")
        | {
            "detail": "Not ready: worker-analysis.",
            "ready": False,
            "parts": {key: {"ok": True, "reason": None} for key in _PARTS}
            | {"worker-analysis": {"ok": False, "reason": "No worker listens to the queue analysis."}},
        }
    },
    "QueueFigures": {
        "queues": {
            "queues": {
                queue: {
                    "waiting": 3,
                    "running": 2,
                    "oldest_wait_seconds": 41.5,
                    "workers": 2,
                    "mean_seconds": None if queue == DELIVERY_QUEUE else 84.2,
                }
                for queue in QUEUES
            }
        }
    },
    "Reliability": {
        "calm": {
            "breakers": {
                "twitch": {
                    "state": "closed",
                    "failures": 0,
                    "failing": 0,
                    "openings": 1,
                    "probes": 1,
                    "refusals": 12,
                    "opened_at": BEGAN,
                }
            },
            "retries": {"download:NETWORK_TIMEOUT": 3},
        }
    },
    "stream": {"of_a_job_at_work": _stream()},
    "ErrorList": {"first": {"errors": error_entries()[:1]}},
}
