"""Media files and HLS behind https links to the operator's MEDIA_HOSTS. ffmpeg and PyAV only see what we fetched."""

from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from shared.errors import ChatUnavailable, UnsupportedFormat, VideoNotFound, VideoSizeExceeded, VideoUnavailable
from shared.net.deadline import AnswerLimits
from shared.net.egress import Egress, restricted_session
from shared.net.retry import EXTERNAL, RetryPolicy, call_with_retry
from shared.progress import Progress, silent
from shared.records import Measured, Video
from workers.download.concurrency import Bounds
from workers.download.file_fetch import FileLimits, fetch_file, open_at, size_of
from workers.download.file_name import file_name
from workers.download.hls import SEGMENT_RETRY, FetchSettings
from workers.download.hls_recording import HlsRecording, Playlist, Purpose
from workers.download.http import RETRIED, check_status, converted_errors, send
from workers.download.playlist import (
    BYTE_ORDER_MARK,
    Rendition,
    Segment,
    by_picture,
    by_sound,
    parse_master,
    parse_media,
)
from workers.download.sources import ChatSummary, Part
from workers.download.whole_file import copy_chosen_sound, part_of
from workers.media.audio_track import Sound
from workers.media.copy_video import copy_video
from workers.media.demuxers import HEAD_BYTES, NOT_A_RECORDING, sniff
from workers.media.measure import measure
from workers.media.sound_choice import check_track, choose_sound

PLAYLIST_MARK = b"#EXTM3U"
PLAYLIST_LIMITS = AnswerLimits()
BYTES_PER_HOUR = 8 * 2**30  # of the largest file, by the hours that are allowed: about 19 Mbit/s
MAX_TITLE = 200
FETCH_SHARE = 0.9


class DirectSource:
    """One media file or HLS playlist.

    allowed_hosts: MEDIA_HOSTS.  allow_private: `host:port` that may be private and http.  host_map: as TWITCH_HOST_MAP;
    only its entries for allowed hosts count.  audio_track: the sound track to use, from 1; None to choose one.
    portrait: renditions higher than wide come first.
    """

    def __init__(
        self,
        url: str,
        *,
        allowed_hosts: Collection[str],
        allow_private: frozenset[str] = frozenset(),
        host_map: Mapping[str, str] | None = None,
        max_hours: float,
        audio_track: int | None = None,
        portrait: bool = False,
        segments_at_once: int = 16,
        min_free_bytes: int = 1 << 30,
        retry: RetryPolicy = EXTERNAL,
        segment_retry: RetryPolicy = SEGMENT_RETRY,
    ) -> None:
        hosts = frozenset(host.lower() for host in allowed_hosts)
        mapped = {host: base for host, base in (host_map or {}).items() if host in hosts}
        self._egress = Egress(allowed=hosts.__contains__, host_map=mapped, private=allow_private)
        self._egress.route(url)
        self._url = url
        self._audio_track = audio_track
        self._portrait = portrait
        self._session = restricted_session(self._egress)
        self._max_s = max_hours * 3600
        self._limits = FileLimits(int(max_hours * BYTES_PER_HOUR), min_free_bytes)
        self._retry = retry
        self._recording = HlsRecording(
            self._session,
            self._load,
            settings=FetchSettings(at_once=Bounds.up_to(segments_at_once), retry=segment_retry),
            min_free_bytes=min_free_bytes,
        )
        self._hls: bool | None = None

    def describe(self) -> Video:
        """What the address holds.

        Raises VideoNotFound, VideoUnavailable, VideoNotReady (a live playlist), VideoSizeExceeded, UnsupportedFormat,
        UnsupportedSource (a playlist that points elsewhere) and the network errors.
        """
        duration_s, title = None, _title(self._url)
        if self._is_hls():
            check_track(self._audio_track, 1)
            playlist = self._load("sound")
            duration_s = round(playlist.segments[-1].ends_s, 3) if playlist else None
        return Video(
            id=f"direct-{sha256(self._url.encode()).hexdigest()[:16]}",
            source="direct",
            title=title,
            duration_seconds=duration_s,
            file_name=file_name(PurePosixPath(title or "recording").stem) if self._is_hls() else title,
        )

    def measure(self, *, work: Path) -> Measured:
        """Of HLS nothing yet, of a file all there is; it is fetched if it has not been."""
        return Measured() if self._is_hls() else measure(self._file(work, silent))

    def fetch_sound(self, into: Path, *, work: Path, progress: Progress) -> Sound:
        """The cheapest rendition's sound, or the file's."""
        if self._is_hls():
            return self._recording.sound(into, work=work, progress=progress)
        path = self._file(work, lambda done: progress(done * FETCH_SHARE))
        return copy_chosen_sound(
            path, into, asked=self._audio_track, progress=_later(progress), max_seconds=self._max_s
        )

    def fetch_video(self, into: Path, *, work: Path, progress: Progress) -> None:
        """The best rendition up to 1080p, or the file."""
        if self._is_hls():
            self._recording.video(into, work=work, progress=progress)
            return
        path = self._file(work, lambda done: progress(done * FETCH_SHARE))
        track = choose_sound(path, asked=self._audio_track).track
        copy_video(path, into, track=track, progress=_later(progress), max_seconds=self._max_s)

    def fetch_part(self, start_s: float, end_s: float, *, work: Path) -> Part | None:
        """The segments under start_s to end_s; of a file, all of it, fetched once."""
        if self._is_hls():
            return self._recording.part(start_s, end_s, work=work)
        return part_of(self._file(work, lambda _done: None), asked=self._audio_track)

    def fetch_chat(self, into: Path, *, work: Path, progress: Progress) -> ChatSummary:
        """There is none behind a link."""
        raise ChatUnavailable("A media link has no chat: name a chat file in chat_url.")

    def _file(self, work: Path, progress: Progress) -> Path:
        folder = work / "file"
        folder.mkdir(parents=True, exist_ok=True)
        into = folder / "recording.bin"
        fetch_file(self._session, self._url, into, limits=self._limits, retry=self._retry, progress=progress)
        return into

    def _is_hls(self) -> bool:
        """Whether the address holds a playlist, by its first bytes. Raises unless they are a recording's."""
        if self._hls is None:
            head, size = call_with_retry(self._head, policy=self._retry, retry_on=RETRIED)
            self._hls = head.removeprefix(BYTE_ORDER_MARK.encode()).startswith(PLAYLIST_MARK)
            if not self._hls and sniff(head) is None:
                raise UnsupportedFormat(NOT_A_RECORDING)
            if not self._hls and size is not None and size > self._limits.max_bytes:
                raise VideoSizeExceeded("The file is larger than this server accepts.")
        return self._hls

    def _head(self) -> tuple[bytes, int | None]:
        """The first bytes, and the size in bytes where it is told."""
        head = b""
        with open_at(self._session, self._url) as response, converted_errors():
            while len(head) < HEAD_BYTES:
                chunk = response.raw.read1(HEAD_BYTES - len(head), decode_content=False)
                if not chunk:
                    break
                head += chunk
            return head, size_of(response)

    def _load(self, purpose: Purpose) -> Playlist | None:
        text, url = self._text(self._url)
        renditions = parse_master(text, url)
        if renditions is None:
            # A lone media playlist holds what it holds: whether there is a picture shows when it is opened.
            return Playlist(Rendition("only", url, 0, 0, 0.0, False), self._segments(text, url))
        for rendition in renditions:
            self._egress.route(rendition.url)
        ranked = by_sound(renditions) if purpose == "sound" else by_picture(renditions, portrait=self._portrait)
        if not ranked and purpose == "picture":
            return None
        if not ranked:
            raise UnsupportedFormat("The playlist names no rendition.")
        return Playlist(ranked[0], self._segments(*self._text(ranked[0].url)))

    def _segments(self, text: str, url: str) -> list[Segment]:
        segments = parse_media(text, url, max_seconds=self._max_s)
        for segment in segments:
            for resource in (segment.media, segment.init):
                if resource is not None:
                    self._egress.route(resource.url)
        return segments

    def _text(self, url: str) -> tuple[str, str]:
        """A playlist's text and its final address, which relative ones in it start from."""

        def get() -> tuple[str, str]:
            response = send(self._session, "GET", url, limits=PLAYLIST_LIMITS)
            check_status(response, "The media server")
            if response.status_code in (404, 410):
                raise VideoNotFound("There is no playlist at this address.")
            if response.status_code != 200:
                raise VideoUnavailable("The media server does not give out this playlist.")
            return response.content.decode("utf-8", errors="replace"), response.url

        return call_with_retry(get, policy=self._retry, retry_on=RETRIED)


def _later(progress: Progress) -> Progress:
    return lambda fraction: progress(FETCH_SHARE + (1 - FETCH_SHARE) * fraction)


def _title(url: str) -> str | None:
    """The file's name, as far as it can be shown."""
    name = PurePosixPath(unquote(urlsplit(url).path, errors="replace")).name
    return "".join(sign for sign in name if sign.isprintable())[:MAX_TITLE] or None
