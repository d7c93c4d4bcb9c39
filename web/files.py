"""What a job made: the result document, its files, the exports."""

import hashlib
import json
from io import BytesIO
from pathlib import Path, PurePosixPath

from flask import Response, jsonify, redirect, send_file
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import FileMissing, JobConflict, ResultsNotReady
from shared.files import EXPORTS, MANIFEST, NO_CHAPTERS, RESULTS, media_type_of
from shared.jobs import Job
from shared.manifest import FileEntry, Manifest
from shared.stages import JobStatus
from web.answers import ResultsSchema
from web.auth import own_job
from web.blueprints import blueprint
from web.conditional import ETAG, NOT_CHANGED, conditional
from web.dependencies import dependencies
from web.edited_files import edited_files, edits_of, shows_highlights
from web.headers import FILE_POLICY

blp = blueprint("files", "What a job made.")


@blp.route("/api/v1/analysis/<job_id>/results")
@blp.response(200, ResultsSchema, headers=ETAG)
@blp.alt_response(304, description=NOT_CHANGED)
def results(job_id: str) -> AnyResponse:
    """The result document of a completed job."""
    found = own_job(job_id)
    require_completed(found)
    edits = edits_of(found)
    if edits:
        data = edited_files(found, [RESULTS.name], edits)[RESULTS.name]
    else:
        data, _ = dependencies().artifacts.read(found.job_id, RESULTS.name)
    return conditional(Response(data, content_type="application/json"))


@blp.route("/api/v1/analysis/<job_id>/files/<path:name>")
@blp.response(200, {"type": "string", "format": "binary"}, content_type="*/*", description="The file.")
@blp.alt_response(206, description="The range that was asked for.")
@blp.alt_response(302, description="A signed address in the cloud storage.")
@blp.alt_response(304, description="Not changed since the ETag in If-None-Match.")
def file(job_id: str, name: str) -> AnyResponse:
    """A file of the job; byte ranges are served."""
    found = own_job(job_id)
    manifest = _manifest(found)
    if name == MANIFEST:
        return jsonify(job_id=found.job_id, files=_shown_entries(found, manifest))
    return _hand_out(found, name, manifest)


@blp.route(f"/api/v1/analysis/<job_id>/export/<any({', '.join(EXPORTS)}):form>")
@blp.response(200, {"type": "string"}, content_type="*/*", description="The file.")
def export(job_id: str, form: str) -> AnyResponse:
    """The highlights for an editor, a player or a spreadsheet."""
    found = own_job(job_id)
    require_completed(found)
    response = _hand_out(found, EXPORTS[form].name, _manifest(found))
    response.headers["Content-Disposition"] = f'attachment; filename="{EXPORTS[form].download_name}"'
    return response


def require_completed(job: Job) -> None:
    """Raises JobConflict when the job ended otherwise, ResultsNotReady while it runs."""
    if job.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise JobConflict(f"The job is {job.status.value}, so there are no results.")
    if job.status is not JobStatus.COMPLETED:
        raise ResultsNotReady


def _manifest(job: Job) -> dict[str, FileEntry]:
    """Every finished file by name. Nothing else in storage can be asked for."""
    try:
        data, _ = dependencies().artifacts.read(job.job_id, MANIFEST)
    except FileMissing:
        return {}
    manifest: Manifest = json.loads(data)
    return manifest["files"]


def _shown_entries(job: Job, manifest: dict[str, FileEntry]) -> dict[str, FileEntry]:
    """The manifest's entries as the files read since highlights were edited."""
    edits = edits_of(job)
    if not edits:
        return manifest
    made = edited_files(job, list(manifest), edits)
    shown = {name: entry for name, entry in manifest.items() if name in made or not shows_highlights(name)}
    for name, data in made.items():
        shown[name] = {**manifest[name], "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return shown


def _hand_out(job: Job, name: str, manifest: dict[str, FileEntry]) -> AnyResponse:
    edits = edits_of(job) if shows_highlights(name) else {}
    # Edits may leave too few chapters, or make enough of them.
    made = edited_files(job, [name], edits) if edits else {}
    if name not in (made if edits else manifest):
        raise FileMissing(NO_CHAPTERS if name == EXPORTS["chapters"].name else None)
    if edits:
        return _sent(BytesIO(made[name]), name, etag=hashlib.sha256(made[name]).hexdigest())
    served = dependencies().artifacts.serve(job.job_id, name)
    if served.url is not None:
        response = redirect(served.url)
        response.headers["Cache-Control"] = "no-store"
        return response
    if served.path is None:
        raise FileMissing
    return _sent(served.path, name, etag=manifest[name]["sha256"])


def _sent(file: Path | BytesIO, name: str, *, etag: str) -> Response:
    response = send_file(file, download_name=PurePosixPath(name).name, conditional=True, etag=etag)
    response.content_type = media_type_of(name)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


# Set where flask-talisman looks for a view's own policy.
file.talisman_view_options = {"content_security_policy": FILE_POLICY}
