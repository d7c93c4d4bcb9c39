"""Jobs that have ended and their files, as workers leave them to the web server."""

import hashlib
import json
from functools import partial
from pathlib import Path

from shared import jobs
from shared.errors import UnsupportedFormat
from shared.files import EXPORTS
from shared.jobs import utc_now
from shared.stages import STAGES
from tests.integration.conftest import Web
from tests.results_made import results

VIDEO = bytes(range(256)) * 40
FILES = {
    "audio.m4a": VIDEO,
    "clips/01.mp4": VIDEO,
    "clips/01.jpg": b"\xff\xd8",
    "chat.jsonl": b"{}\n",
    "timeline.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    **{export.name: form.encode() for form, export in EXPORTS.items()},
    "results.json": b'{"job_id": "x", "highlights": []}',
}
CLAIM_DOWNLOAD = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="test")


def complete(web: Web, job_id: str) -> None:
    for stage in STAGES:
        job = web.store.change(job_id, partial(jobs.claim, stage=stage, attempt=1, holder="t", now=utc_now()))
        finish = partial(jobs.finish, token=job.token, seconds=1, now=utc_now(), results=results())
        web.store.change(job_id, finish)


def keep(web: Web, job_id: str, tmp_path: Path) -> None:
    """Store the files and the manifest, as stages do."""
    entries = {}
    for name, data in FILES.items():
        source = tmp_path / "file"
        source.write_bytes(data)
        web.files.put(job_id, name, source)
        entries[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "stage": "x", "attempt": 1}
    manifest = {"job_id": job_id, "files": entries, "stages": {"download": {"notes": {"inside": 1}}}}
    web.files.write(job_id, "manifest.json", json.dumps(manifest).encode(), generation=None)
    unlisted = tmp_path / "unlisted"
    unlisted.write_bytes(b"private")
    web.files.put(job_id, "unlisted.txt", unlisted)


def fail(web: Web, job_id: str) -> None:
    job = web.store.change(job_id, lambda job: CLAIM_DOWNLOAD(job, now=utc_now()))
    web.store.change(job_id, lambda job: jobs.fail(job, token=job.token, error=UnsupportedFormat(), now=utc_now()))
    assert job.status == "downloading"
