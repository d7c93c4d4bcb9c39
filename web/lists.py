"""Lists of jobs."""

from datetime import UTC, datetime, timedelta
from typing import TypedDict

from flask import jsonify
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import InvalidRequest
from shared.redis.lists import END_MS, Wanted
from shared.stages import JobStatus
from web.answers import JobPageSchema
from web.auth import owner
from web.blueprints import blueprint
from web.calls import operation
from web.conditional import conditional, unless_known
from web.dependencies import dependencies
from web.job_views import views
from web.schemas import JobsQuerySchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
blp = blueprint("lists", "Lists of jobs.")


class Query(TypedDict):
    """What JobsQuerySchema makes of a query."""

    status: list[str]
    video_id: str | None
    source: str | None
    channel: str | None
    q: str | None
    created_after: datetime | None
    created_before: datetime | None
    metadata: list[str]
    sort: str
    limit: int
    cursor: str | None


@blp.route("/api/v1/jobs")
@blp.arguments(JobsQuerySchema(), location="query")
@blp.response(200, JobPageSchema)
@unless_known
@operation("listAnalyses")
def list_jobs(query: Query) -> AnyResponse:
    """Your jobs, a page at a time.

    All that is asked for has to hold. A page may have fewer jobs than `limit`, even none, and still have a
    `next_cursor`: a rare thing among many jobs is looked for in steps.
    """
    store = dependencies().store
    try:
        page = store.lists.page(_wanted(query), limit=query["limit"], cursor=query["cursor"])
    except ValueError:
        raise InvalidRequest(errors={"cursor": ["Must be the next_cursor of the page before."]}) from None
    return conditional(jsonify(jobs=views(store, page.jobs), next_cursor=page.next_cursor, total=page.total))


def _wanted(query: Query) -> Wanted:
    pairs = (text.partition(":") for text in query["metadata"])
    after, before = query["created_after"], query["created_before"]
    return Wanted(
        owner=owner(),
        statuses=frozenset(map(JobStatus, query["status"])),
        video_id=query["video_id"],
        source=query["source"],
        channel=query["channel"],
        text=query["q"],
        metadata=tuple((name, value) for name, _, value in pairs),
        from_ms=0 if after is None else _ms(after),
        before_ms=END_MS if before is None else _ms(before),
        oldest_first=query["sort"] == "created_at",
    )


def _ms(moment: datetime) -> int:
    """Whole milliseconds after 1970, as jobs are created at; of a moment between two the next one."""
    return max(0, -((_EPOCH - moment) // timedelta(milliseconds=1)))
