"""What a job made: the result document, its files, the exports."""

import hashlib
import json
from io import BytesIO
from pathlib import Path, PurePosixPath

from flask import Response, jsonify, redirect, send_file
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import FileMissing, JobConflict, NotFound, RangeNotSatisfiable, ResultsNotReady, StorageServiceError
from shared.files import EXPORT_MEDIA_TYPES, EXPORTS, FILE_MEDIA_TYPES, MANIFEST, NO_CHAPTERS, RESULTS, media_type_of
from shared.jobs import Job
from shared.manifest import FileEntry, Manifest
from shared.stages import JobStatus
from web.answers import ManifestSchema, ResultsSchema
from web.auth import own_job
from web.blueprints import blueprint
from web.calls import download, operation
from web.conditional import conditional, unless_known
from web.dependencies import dependencies
from web.edited_files import edited_files, edits_of, shows_highlights
from web.headers import FILE_POLICY

OF_FILES = (FileMissing, StorageServiceError)
OF_RESULTS = (JobConflict, ResultsNotReady, *OF_FILES)
blp = blueprint("files", "What a job made.")


@blp.route("/api/v1/analysis/<job_id>/results")
@blp.response(200, ResultsSchema)
@unless_known
@operation("getResults", *OF_RESULTS)
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


@blp.route("/api/v1/analysis/<job_id>/files/manifest.json")
@blp.response(200, ManifestSchema)
@operation("getManifest", *OF_FILES)
def manifest(job_id: str) -> Response:
    """Every finished file of the job, with its size and sha256."""
    found = own_job(job_id)
    return jsonify(job_id=found.job_id, files=_shown_entries(found, _manifest(found)))


@blp.route("/api/v1/analysis/<job_id>/files/<path:name>")
@download(FILE_MEDIA_TYPES, is_text=False)
@operation("getFile", RangeNotSatisfiable, *OF_FILES)
def file(job_id: str, name: str) -> AnyResponse:
    """A file of the job; byte ranges are served.

    `<video>` and `<img>` send no headers: where the server has keys, `?access_token=TOKEN` stands for one
    (`makeToken`).
    """
    found = own_job(job_id)
    return _hand_out(found, name, _manifest(found))


@blp.route(f"/api/v1/analysis/<job_id>/export/<any({', '.join(EXPORTS)}):format>")
@download(EXPORT_MEDIA_TYPES, is_text=True)
@operation("exportHighlights", NotFound, RangeNotSatisfiable, *OF_RESULTS)
def export(job_id: str, format: str) -> AnyResponse:
    """The highlights for an editor, a player or a spreadsheet."""
    found = own_job(job_id)
    require_completed(found)
    response = _hand_out(found, EXPORTS[format].name, _manifest(found))
    response.headers["Content-Disposition"] = f'attachment; filename="{EXPORTS[format].download_name}"'
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
