"""Twitch's GraphQL: one call, its answer taken apart, and the metadata of a video."""

from collections.abc import Mapping
from typing import NamedTuple

from shared.errors import ExternalServiceError, PermissionDenied, VideoNotFound
from shared.net.deadline import AnswerLimits, Session
from shared.redis.breaker import Calls, all_unguarded
from workers.download.http import check_status, json_of, send
from workers.download.json_members import child

GQL_URL = "https://gql.twitch.tv/gql"
SERVICE = "Twitch"
BREAKER = "twitch:graphql"
LIMITS = AnswerLimits()
MAX_TEXT = 500
UNKNOWN_QUERY = "PersistedQueryNotFound"
_INTEGRITY = "integrity"

# The number is part of the query, digits only: Twitch accepts this form from any public client id.
_METADATA_QUERY = (
    'query{{video(id:"{video_id}"){{id,title,createdAt,lengthSeconds,owner{{id,displayName,login}},'
    "viewCount,game{{id,displayName}},status}}}}"
)


class GraphqlRefused(ExternalServiceError):
    """Twitch's GraphQL answered with errors instead of data."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__("Twitch could not answer the request.")


class CallRefused(GraphqlRefused):
    """Twitch does not take this call from this client id, or from nobody any more; asking again does not help."""

    retryable = False


class Metadata(NamedTuple):
    """status: RECORDED, RECORDING, ... as Twitch says it.  length_s: 0 while it is not processed."""

    title: str | None
    channel: str | None
    length_s: float
    created_at: str | None
    game: str | None
    views: int | None
    status: str | None


class Graphql:
    """Calls by one client id; shared by threads. calls: what they go through, such as circuit breakers."""

    def __init__(self, session: Session, *, client_id: str, calls: Calls = all_unguarded) -> None:
        self._session = session
        self._client_id = client_id
        self._calls = calls

    def call(
        self, body: Mapping[str, object], *, client_id: str | None = None, shared: bool = False
    ) -> dict[str, object]:
        """The `data` of the answer. shared: whether every job makes such a call.

        Raises CallRefused and GraphqlRefused for errors without data, PermissionDenied for a client id that is not
        known, RateLimitExceeded, ExternalServiceError, CircuitOpen and the network errors.
        """
        return self._calls(BREAKER, shared=shared)(lambda: self._ask(body, client_id or self._client_id))

    def _ask(self, body: Mapping[str, object], client_id: str) -> dict[str, object]:
        headers = {"Client-ID": client_id, "Accept": "application/json"}
        response = send(self._session, "POST", GQL_URL, headers=headers, body=body, limits=LIMITS)
        check_status(response, SERVICE)
        answer = json_of(response, SERVICE)
        if isinstance(answer, list) and len(answer) == 1:
            answer = answer[0]
        if not isinstance(answer, dict):
            raise ExternalServiceError("Twitch sent an answer of an unknown shape.")
        errors, data = answer.get("errors"), answer.get("data")
        if errors or answer.get("error"):
            message = _message(errors) or str(answer.get("message") or answer.get("error"))
            raise _refusal(message[:MAX_TEXT])
        if response.status_code in (401, 403):
            raise PermissionDenied("Twitch does not know the client id.")
        if not isinstance(data, dict):
            raise ExternalServiceError("Twitch sent an answer without data.")
        return data


def _refusal(message: str) -> GraphqlRefused:
    final = message == UNKNOWN_QUERY or _INTEGRITY in message.lower()
    return CallRefused(message) if final else GraphqlRefused(message)


def _message(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("message", "")) if isinstance(first, dict) else ""


def text_of(value: object, limit: int = MAX_TEXT) -> str | None:
    return value[:limit] if isinstance(value, str) and value else None


def metadata_of(graphql: Graphql, video_id: str) -> Metadata:
    """What Twitch says about a video. Raises VideoNotFound when it knows none, else as `Graphql.call`."""
    data = graphql.call({"query": _METADATA_QUERY.format(video_id=video_id), "variables": {}}, shared=True)
    video = data.get("video")
    if not isinstance(video, dict):
        raise VideoNotFound("Twitch has no video of this number; it may have been deleted.")
    length, views = video.get("lengthSeconds"), video.get("viewCount")
    return Metadata(
        title=text_of(video.get("title")),
        channel=text_of(child(video, "owner", "displayName")) or text_of(child(video, "owner", "login")),
        length_s=float(length) if isinstance(length, int | float) and length > 0 else 0.0,
        created_at=text_of(video.get("createdAt"), 40),
        game=text_of(child(video, "game", "displayName")),
        views=views if isinstance(views, int) else None,
        status=text_of(video.get("status"), 40),
    )
