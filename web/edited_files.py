"""The files of a job that show its highlights, with what was said about them since; see shared.feedback."""

import json
from collections.abc import Mapping

from shared.feedback import Edit, edited
from shared.files import EXPORTS, HIGHLIGHTS, HIGHLIGHTS_CSV, MARKED, RESULTS
from shared.highlight import Highlight, as_dicts
from shared.jobs import Job
from shared.redis.feedback import FeedbackStore
from shared.stages import JobStatus
from web.dependencies import dependencies

DOCUMENTS = (HIGHLIGHTS.name, RESULTS.name)
TABLES = (HIGHLIGHTS_CSV.name, *(file.name for file in (*EXPORTS.values(), *MARKED.values())))


def shows_highlights(name: str) -> bool:
    """Whether the file shows highlights, which people may have edited."""
    return name in DOCUMENTS or name in TABLES


def edits_of(job: Job) -> dict[int, Edit]:
    """What was said about the job's highlights; nothing before it has completed."""
    return FeedbackStore(dependencies().redis).edits(job.job_id) if job.status is JobStatus.COMPLETED else {}


def highlights_of(job: Job) -> list[Highlight]:
    """The highlights as they were found."""
    return _highlights(_document(job, RESULTS.name))


def edited_files(job: Job, names: list[str], edits: Mapping[int, Edit]) -> dict[str, bytes]:
    """Those of `names` that show highlights, as they read with the edits; chapters only when there are enough."""
    made = {name: _edited_document(job, name, edits) for name in DOCUMENTS if name in names}
    wanted = [name for name in names if name in TABLES]
    if wanted:
        # Only here: OpenTimelineIO takes a tenth of a second to import, and few jobs are edited.
        from tasks.edited_exports import edited_exports

        exports = edited_exports(job, edited(highlights_of(job), edits))
        made |= {name: exports[name] for name in wanted if name in exports}
    return made


def _edited_document(job: Job, name: str, edits: Mapping[int, Edit]) -> bytes:
    document = _document(job, name)
    document["highlights"] = as_dicts(edited(_highlights(document), edits))
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _document(job: Job, name: str) -> dict[str, object]:
    data, _ = dependencies().artifacts.read(job.job_id, name)
    document: dict[str, object] = json.loads(data)
    return document


def _highlights(document: dict[str, object]) -> list[Highlight]:
    found = document["highlights"]
    return [Highlight.of(one) for one in found] if isinstance(found, list) else []
