"""What people say about highlights: verdicts, titles, borders."""

from collections.abc import Mapping
from math import inf
from typing import ClassVar

from flask import Response, jsonify
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from shared.errors import FileMissing, InvalidRequest, NotFound
from shared.feedback import Changes, Features, features_of
from shared.files import FEATURES
from shared.highlight import Highlight
from shared.jobs import Job
from shared.redis.feedback import FeedbackStore, Lesson
from shared.text import is_plain
from web.answers import VERDICTS, HighlightSchema
from web.auth import own_job
from web.blueprints import blueprint
from web.calls import operation
from web.choices import Choice
from web.dependencies import dependencies
from web.edited_files import highlights_of
from web.files import OF_RESULTS, require_completed

MAX_TITLE = 200
blp = blueprint("feedback", "What people say about highlights.")


class Title(fields.String):
    """One line of text."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object) -> str:
        line = " ".join(super()._deserialize(value, attr, data, **kwargs).split())
        if not is_plain(line):
            raise ValidationError("Must be text without control characters.")
        return line


class Seconds(fields.Float):
    """A number of seconds; neither text nor true nor false."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> float:
        if isinstance(value, str | bool):
            raise self.make_error("invalid", input=value)
        return round(float(super()._deserialize(value, attr, data, **kwargs)), 3)


class HighlightEditSchema(Schema):
    """What is said about a highlight; what is left out stays as it is."""

    LEAST_MEMBERS: ClassVar = 1

    verdict = Choice(
        "Verdict",
        VERDICTS,
        allow_none=True,
        description="null takes it back. The channel's later jobs learn from verdicts.",
    )
    title = Title(
        allow_none=True,
        validate=validate.Length(1, MAX_TITLE),
        metadata={"description": "One line. null brings back the one that was found."},
    )
    start_seconds = Seconds(
        allow_none=True,
        validate=validate.Range(min=0),
        metadata={"description": "From the start of the recording. null brings back what was found."},
    )
    end_seconds = Seconds(
        allow_none=True,
        validate=validate.Range(min=0),
        metadata={"description": "As start_seconds; not beyond the recording's end."},
    )

    @validates_schema
    def _something(self, data: Changes, **_: object) -> None:
        if not data:
            raise ValidationError("Give at least one of verdict, title, start_seconds, end_seconds.", "verdict")


@blp.route("/api/v1/analysis/<job_id>/highlights/<int:rank>", methods=["PATCH"])
@blp.arguments(HighlightEditSchema())
@blp.response(200, HighlightSchema)
@operation("editHighlight", NotFound, *OF_RESULTS)
def edit(body: Changes, job_id: str, rank: int) -> Response:
    """Judge a highlight, name it, move its borders.

    What is left out stays as it is. Results, files and exports show it at once; clips stay as they were cut.
    """
    job = own_job(job_id)
    require_completed(job)
    found = next((highlight for highlight in highlights_of(job) if highlight.rank == rank), None)
    if found is None:
        raise NotFound(f"The job has no highlight {rank}.")
    said = FeedbackStore(dependencies().redis).change(
        job.job_id,
        rank,
        body,
        check=lambda edit: _check_range(edit.applied(found), body, _duration_s(job)),
        lesson=_lesson(job, rank) if "verdict" in body else None,
    )
    return jsonify(said.applied(found).as_dict())


def _duration_s(job: Job) -> float:
    return (job.video and job.video.duration_seconds) or inf


def _check_range(highlight: Highlight, body: Changes, duration_s: float) -> None:
    """Raises InvalidRequest when the body's borders, with those that stay, make no range of the recording."""
    start_s, end_s = highlight.start_seconds, highlight.end_seconds
    ends = {"end_seconds": end_s, "start_seconds": start_s}
    given = [name for name in ends if name in body]
    errors: dict[str, list[str]] = {}
    for name in given:
        if ends[name] > duration_s:
            errors[name] = [f"Must not be beyond the recording's end, {duration_s:g} s."]
    if given and not errors and start_s >= end_s:
        errors[given[0]] = [f"The highlight would begin at {start_s:g} s and end at {end_s:g} s."]
    if errors:
        raise InvalidRequest(errors=errors)


def _lesson(job: Job, rank: int) -> Lesson | None:
    """Where the channel's verdicts are remembered; None for a recording without channel or without features."""
    channel = job.video.channel if job.video else None
    features = _features(job, rank) if channel else None
    return Lesson(job.owner, channel, features) if channel and features else None


def _features(job: Job, rank: int) -> Features | None:
    try:
        data, _ = dependencies().artifacts.read(job.job_id, FEATURES.name)
    except FileMissing:
        return None  # analysed by a version that wrote none
    return features_of(data, rank)
