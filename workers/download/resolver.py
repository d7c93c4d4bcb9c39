"""From a VOD's number to its playlists, with streamlink's Twitch plugin; or to the reason why there are none."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from streamlink.exceptions import StreamlinkError
from streamlink.options import Options
from streamlink.session.session import Streamlink
from streamlink.stream.hls.hls import HLSStream

from shared.errors import (
    CircuitOpen,
    ExternalServiceError,
    KlipError,
    NetworkTimeout,
    RateLimitExceeded,
    VideoUnavailable,
)
from shared.net.deadline import AnswerLimits
from shared.net.egress import Egress, EgressAdapter, convert, restrict, restricted_session
from shared.net.retry import EXTERNAL, RetryPolicy, call_with_retry, parse_retry_after
from shared.redis.breaker import Call, Calls, all_unguarded
from shared.redis.breaker_adapter import BreakerAdapter
from workers.download.graphql import BREAKER as GRAPHQL
from workers.download.graphql import GQL_URL
from workers.download.hls_recording import Playlist, Purpose
from workers.download.http import RETRIED, check_status, send
from workers.download.playlist import Rendition, by_picture, by_sound, parse_media, renditions_of

USHER = "usher.ttvnw.net"
VIDEO_SITES = (".twitch.tv", ".ttvnw.net", ".jtvnw.net", ".cloudfront.net")  # where VODs and their playlists are
PLAYLIST_LIMITS = AnswerLimits()
STREAMLINK_TIMEOUT_S = 15.0
RESOLVE_S = 20.0  # streamlink asks for the playlist of each rendition, whatever became of the ones before
CONNECTIONS = 16
MAX_HOST = 253
NOBODYS = "Twitch lets nobody play this video; it is private or has been deleted."
# In the order Twitch prefers for sources of more than 1080 lines or less than 6 Mbit/s; without, they are not listed.
CODECS = ["av1", "h265", "h264"]
# Short: the worker waits with it, and what goes on for longer is the stage's to wait for. Long enough for one timeout.
REQUEST_RETRY = replace(EXTERNAL, within_s=20)
T = TypeVar("T")


class _Adapter(BreakerAdapter, EgressAdapter):
    """Where requests may go, each through a circuit breaker."""


class _Answer(NamedTuple):
    host: str
    status: int
    text: str
    retry_after: str | None


def is_twitch_host(host: str) -> bool:
    """Whether Twitch serves VODs from this host."""
    return host.endswith(VIDEO_SITES)


class TwitchAccess(NamedTuple):
    """How Twitch is asked for a VOD.

    host_map: addresses to go to in place of hosts.  max_hours: longer VODs are refused.  portrait: renditions higher
    than wide come first.  retry: for playlists and GraphQL.  calls: what each request goes through, such as circuit
    breakers.
    """

    client_id: str
    host_map: Mapping[str, str]
    max_hours: float
    portrait: bool = False
    retry: RetryPolicy = REQUEST_RETRY
    calls: Calls = all_unguarded


class Resolver:
    """Finds the playlists of one VOD; keeps the session that all but streamlink's own requests are made with."""

    def __init__(self, video_id: str, access: TwitchAccess) -> None:
        self._video_id = video_id
        self._client_id = access.client_id
        self._max_s = access.max_hours * 3600
        self._portrait = access.portrait
        self._retry = access.retry
        self._calls = access.calls
        self._answers: list[_Answer] = []
        self._not_asked: KlipError | None = None
        self._resolve_until = 0.0
        egress = Egress(allowed=lambda host: is_twitch_host(host) or host in access.host_map, host_map=access.host_map)
        self._streamlink = Streamlink({"no-plugin-cache": True, "http-timeout": STREAMLINK_TIMEOUT_S})
        # streamlink takes its requests' answers apart itself, so theirs are looked at one by one, as they pass.
        adapter = _Adapter(self._call_of_streamlink, egress=egress)
        restrict(self._streamlink.http, egress, adapter=adapter)
        self._streamlink.http.hooks["response"].append(self._note)
        self.session = restricted_session(egress, connections=CONNECTIONS)
        self.session.headers.update(self._streamlink.http.headers)

    def renditions(self) -> list[Rendition]:
        """Every rendition, with fresh tokens.

        Raises VideoUnavailable, ExternalServiceError, CircuitOpen and the network errors.
        """
        return self._tried(self._renditions_once)

    def load(self, purpose: Purpose) -> Playlist | None:
        """The playlist to fetch for sound or for the picture; None when there is no picture."""
        renditions = self.renditions()
        ranked = by_sound(renditions) if purpose == "sound" else by_picture(renditions, portrait=self._portrait)
        for rendition in ranked:
            found = self._text(rendition.url)
            if found is not None:
                return Playlist(rendition, parse_media(*found, max_seconds=self._max_s))
        if ranked or purpose == "sound":
            raise VideoUnavailable("Twitch does not give out the playlists of this video.")
        return None

    def _text(self, url: str) -> tuple[str, str] | None:
        """A playlist's text and final address; None when it is refused, as renditions for subscribers only are."""

        def get() -> tuple[str, str] | None:
            response = send(self.session, "GET", url, limits=PLAYLIST_LIMITS)
            check_status(response, "Twitch")
            if response.status_code != 200:
                return None
            return response.content.decode("utf-8-sig", errors="replace"), response.url

        return self._tried(lambda: self.call_for(url)(get))

    def call_for(self, url: str) -> Call:
        """What a request to an address of Twitch's goes through."""
        host = (urlsplit(url).hostname or "")[:MAX_HOST]
        if host == urlsplit(GQL_URL).hostname:
            return self._calls(GRAPHQL, shared=True)
        return self._calls("twitch:usher", shared=True) if host == USHER else self._calls(f"twitch:cdn:{host}")

    def _call_of_streamlink(self, url: str) -> Call:
        """As `call_for`; why a request was not made is kept, for streamlink takes a rendition less for an answer."""

        def call(work: Callable[[], T], /, *, probe: Callable[[], object] | None = None) -> T:
            try:
                if time.monotonic() > self._resolve_until:
                    raise NetworkTimeout("Twitch took too long to give out the playlists of this video.")
                return self.call_for(url)(work, probe=probe)
            except (NetworkTimeout, CircuitOpen) as error:
                self._not_asked = error
                raise

        return call

    def _tried(self, request: Callable[[], T]) -> T:
        return call_with_retry(request, policy=self._retry, retry_on=RETRIED)

    def _renditions_once(self) -> list[Rendition]:
        self._answers.clear()
        self._not_asked, self._resolve_until = None, time.monotonic() + RESOLVE_S
        _, plugin, url = self._streamlink.resolve_url_no_redirect(f"https://www.twitch.tv/videos/{self._video_id}")
        options = Options({"api-header": [("Client-ID", self._client_id)], "supported-codecs": CODECS})
        try:
            streams = plugin(self._streamlink, url, options).streams()
        except StreamlinkError as error:
            raise self._reason(error) from error
        for stream in streams.values():
            if isinstance(stream, HLSStream) and stream.multivariant is not None:
                # It lists every rendition: also those that streamlink dropped after one failed request.
                return renditions_of(stream.multivariant)
        raise self._reason(None)

    def _note(self, response: requests.Response, *_args: object, **_kwargs: object) -> None:
        """streamlink keeps the reason of a failure to itself, so the answers are written down as they pass by."""
        if response.request.method == "GET" and isinstance(response.raw, BytesIO):
            host = urlsplit(response.url).hostname or ""
            text = response.content[:2000].decode("utf-8", errors="replace") if response.status_code >= 400 else ""
            self._answers.append(_Answer(host, response.status_code, text, response.headers.get("Retry-After")))

    def _reason(self, error: StreamlinkError | None) -> KlipError:
        """Why there are no streams."""
        if self._not_asked is not None:
            return self._not_asked
        if error is not None and (known := _known_cause(error)) is not None:
            return known
        asked = [answer for answer in self._answers if answer.host == USHER]
        if not asked:
            # The plugin raises for an error in place of a token, and is silent when there simply is none.
            return ExternalServiceError("Twitch gave no playback token.") if error else VideoUnavailable(NOBODYS)
        refused = [answer for answer in self._answers if answer.status >= 400]
        slowed = next((answer for answer in refused if answer.status == 429), None)
        if slowed is not None:
            return RateLimitExceeded(retry_after_s=parse_retry_after(slowed.retry_after))
        if error is not None or any(answer.status >= 500 for answer in refused) or not refused:
            return ExternalServiceError("Twitch did not give out the playlists of this video.")
        if asked[-1].status in (404, 410):
            return VideoUnavailable("The video has been deleted or has expired.")
        if "restricted" in _manifest_error(asked[-1].text):
            return VideoUnavailable("The video is for subscribers only.")
        return VideoUnavailable("Twitch refuses this video; it is private, for subscribers only or blocked here.")


def _known_cause(error: BaseException) -> KlipError | None:
    """What requests or the egress raised, which streamlink wraps in its own errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KlipError):
            return cause
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            try:
                check_status(cause.response, "Twitch")
            except KlipError as known:
                return known
            return None
        if isinstance(cause, requests.RequestException):
            return convert(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def _manifest_error(text: str) -> str:
    """The code in usher's JSON error, such as vod_manifest_restricted."""
    try:
        errors = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("error_code") or first.get("error")).lower() if isinstance(first, dict) else ""
