"""Twitch VODs. Nothing a user typed gets here but the video's number; every address is made by us or by Twitch."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from shared.errors import ChatUnavailable, VideoNotFound, VideoNotReady, VideoSizeExceeded
from shared.net.retry import RetryPolicy, call_with_retry
from shared.progress import Progress
from shared.records import Measured, Video
from workers.download.concurrency import Bounds
from workers.download.file_name import file_name
from workers.download.graphql import Graphql, Metadata, metadata_of
from workers.download.hls import LIMITS, FetchSettings
from workers.download.hls_recording import HlsRecording
from workers.download.http import RETRIED
from workers.download.resolver import Resolver, TwitchAccess
from workers.download.sources import ChatSummary, Part
from workers.download.vod_chat import ChatSettings, fetch_chat
from workers.media.audio_track import Sound
from workers.media.sound_choice import check_track

SEGMENT_RETRY = RetryPolicy(attempts=8, base_s=0.5, cap_s=4, within_s=10)
_SEGMENT_NAME = re.compile(r"(?P<stem>[^/]+?)(?:-unmuted)?(?P<ext>\.(?:ts|mp4|m4s))")


class TwitchSource:
    """One VOD.

    audio_track: None, or 1, the only one.  segments_at_once: at most.  chat_ranges: pages of chat fetched together.
    min_free_bytes: of disk, to be left.  segment_retry: for segments.  read_timeout_s: between two bytes of a segment.
    """

    def __init__(
        self,
        video_id: str,
        access: TwitchAccess,
        *,
        audio_track: int | None = None,
        segments_at_once: int = 16,
        chat_ranges: int = 4,
        min_free_bytes: int = 1 << 30,
        segment_retry: RetryPolicy = SEGMENT_RETRY,
        read_timeout_s: float = 15.0,
    ) -> None:
        if not (video_id.isascii() and video_id.isdigit()):
            raise ValueError("A VOD is named by its number.")
        self._id = video_id
        self._max_hours = access.max_hours
        self._audio_track = audio_track
        self._retry = access.retry
        self._chat_settings = ChatSettings(ranges=chat_ranges, retry=access.retry)
        self._resolver = Resolver(video_id, access)
        self._graphql = Graphql(self._resolver.session, client_id=access.client_id, calls=access.calls)
        self._recording = HlsRecording(
            self._resolver.session,
            self._resolver.load,
            settings=FetchSettings(
                at_once=Bounds.up_to(segments_at_once),
                retry=segment_retry,
                limits=replace(LIMITS, silence_s=read_timeout_s),
                call_for=self._resolver.call_for,
            ),
            min_free_bytes=min_free_bytes,
            replacement=muted_address,
        )
        self._length_s: float | None = None

    def describe(self) -> Video:
        """What Twitch says about the VOD.

        Raises InvalidRequest (another sound track than the first), VideoNotFound, VideoNotReady (live or not
        processed), VideoSizeExceeded, VideoUnavailable (private, deleted, for subscribers only), RateLimitExceeded,
        ExternalServiceError and the network errors.
        """
        check_track(self._audio_track, 1)
        found = self._metadata()
        if found.status == "RECORDING":
            raise VideoNotReady("The stream is still live.")
        if not found.length_s:
            raise VideoNotReady("Twitch has not finished processing this video.")
        if found.length_s > self._max_hours * 3600:
            raise VideoSizeExceeded(f"The video is longer than {self._max_hours:g} h.")
        self._resolver.load("sound")
        return Video(
            id=self._id,
            source="twitch",
            title=found.title,
            channel=found.channel,
            duration_seconds=found.length_s,
            created_at=found.created_at,
            game=found.game,
            views=found.views,
            watch_url=f"https://www.twitch.tv/videos/{self._id}",
            file_name=file_name(found.title or "", tag=f"[{self._id}]"),
        )

    def measure(self, *, work: Path) -> Measured:
        """Nothing yet: the picture is fetched for clips only."""
        return Measured()

    def fetch_sound(self, into: Path, *, work: Path, progress: Progress) -> Sound:
        """The `audio_only` rendition, or the sound of the smallest one."""
        return self._recording.sound(into, work=work, progress=progress)

    def fetch_video(self, into: Path, *, work: Path, progress: Progress) -> None:
        """The best rendition up to 1080p."""
        self._recording.video(into, work=work, progress=progress)

    def fetch_part(self, start_s: float, end_s: float, *, work: Path) -> Part | None:
        """The segments of the best rendition under start_s to end_s; clips share what is in `work`."""
        return self._recording.part(start_s, end_s, work=work)

    def fetch_chat(self, into: Path, *, work: Path, progress: Progress) -> ChatSummary:
        """All comments. Raises ChatUnavailable when the chat is switched off or gone."""
        try:
            length_s = self._metadata().length_s
        except VideoNotFound as error:
            raise ChatUnavailable("The video and its chat are gone.") from error
        return fetch_chat(
            self._graphql,
            self._id,
            into,
            length_s=length_s,
            work=work,
            progress=progress,
            settings=self._chat_settings,
        )

    def _metadata(self) -> Metadata:
        return call_with_retry(lambda: metadata_of(self._graphql, self._id), policy=self._retry, retry_on=RETRIED)


def muted_address(url: str) -> str | None:
    """Where Twitch keeps the muted version of a segment; None when this is one already."""
    path = urlsplit(url).path
    folder, _, name = path.rpartition("/")
    match = _SEGMENT_NAME.fullmatch(name)
    if match is None or match["stem"].endswith("-muted"):
        return None
    muted = f"{folder}/{match['stem']}-muted{match['ext']}"
    return url.replace(path, muted, 1)
