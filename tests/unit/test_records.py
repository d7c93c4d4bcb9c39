"""Records and their JSON: the members in the documents' order, and the same record back."""

import json
from dataclasses import replace

from shared.highlight import Highlight
from shared.jobs import Job
from shared.records import Problem
from tests.highlights_made import highlight
from tests.jobs_made import new_job
from tests.results_made import results

# As the result document has shown them to its readers, `verdict` added behind the contract's.
MEMBERS = (
    "rank", "start_seconds", "end_seconds", "peak_seconds", "score", "emotion", "title", "reasons", "transcript",
    "chat_sample", "signals", "clip_url", "thumbnail_url", "watch_url", "verdict",
)  # fmt: skip


def test_a_highlight_stands_in_json_as_documents_show_it_and_comes_back() -> None:
    found = highlight(1, 10.0, 20.0)

    members = json.loads(json.dumps(found.as_dict()))

    assert tuple(members) == MEMBERS
    assert Highlight.of(members) == found


def test_a_highlight_without_chat_has_no_sample() -> None:
    found = highlight(1, 10.0, 20.0, chat_sample=None)

    assert Highlight.of(json.loads(json.dumps(found.as_dict()))).chat_sample is None


def test_members_of_a_later_version_are_left_out() -> None:
    found = highlight(1, 10.0, 20.0)

    assert Highlight.of(found.as_dict() | {"invented_later": 1}) == found


def test_a_jobs_results_are_kept_with_their_addresses_beside_the_counts() -> None:
    job = replace(new_job(), results=results(audio_url="/a"))

    kept = json.loads(job.dumps())["results"]

    assert (kept["highlights"], kept["audio_url"], kept["video_url"]) == (3, "/a", None)
    assert Job.loads(job.dumps()) == job


def test_a_problem_names_fields_only_where_there_are_some() -> None:
    told = Problem(
        type="t",
        title="T",
        status=422,
        detail="d",
        instance="/",
        code="C",
        error_type="e",
        retryable=False,
        retry_after_seconds=None,
        suggested_action="a",
        support_reference="r",
    )

    assert "errors" not in told.as_dict()
    assert list(replace(told, errors={"url": ["Bad."]}).as_dict())[-1] == "errors"
