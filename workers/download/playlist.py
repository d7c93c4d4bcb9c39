"""HLS playlists, read with streamlink's parser and reduced to plain, bounded values. Everything in them is hostile."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from streamlink.stream.hls.m3u8 import M3U8, M3U8Parser, parse_m3u8
from streamlink.stream.hls.segment import ByteRange, HLSPlaylist, HLSSegment, StreamInfo

from shared.errors import UnsupportedFormat, VideoNotReady, VideoSizeExceeded
from shared.source_url import split_address

Parsed = M3U8[HLSSegment, HLSPlaylist]

BYTE_ORDER_MARK = "\ufeff"  # Windows editors put it in front of UTF-8
MAX_SEGMENTS = 200_000
MAX_RENDITIONS = 64
MAX_SEGMENT_SECONDS = 120.0
MAX_LINES = 1080  # of the picture that is fetched, by its shorter side
SOURCE_NAMES = frozenset({"chunked", "source"})  # what was streamed, whatever its size
SOUND_ONLY_CODECS = ("mp4a", "opus", "ac-3", "ec-3", "flac", "alac")


class Rendition(NamedTuple):
    """One way to fetch the recording.

    bandwidth: bits per second, 0 when not told.  height, width: 0 for sound alone and when not told; a name such as
    1080p60 tells the height too.  default: sound that players choose.
    """

    name: str
    url: str
    bandwidth: int
    height: int
    fps: float
    sound_only: bool
    width: int = 0
    default: bool = False

    @property
    def lines(self) -> int:
        """The picture's shorter side, 0 when not told."""
        return min(self.width, self.height) if self.width else self.height

    @property
    def portrait(self) -> bool:
        """Whether the picture is higher than wide."""
        return self.height > self.width > 0 or self.name.endswith("_portrait")


_NAME = re.compile(r"(?P<lines>\d{3,4})p(?P<fps>\d{2,3})?(?![a-zA-Z0-9])")


class Resource(NamedTuple):
    """Bytes at an address: all of them, or `length` from `offset`."""

    url: str
    offset: int = 0
    length: int | None = None


class Segment(NamedTuple):
    """starts_s: seconds from the recording's beginning, by the playlist.  init: what has to precede it (fMP4)."""

    number: int
    media: Resource
    starts_s: float
    seconds: float
    init: Resource | None
    discontinuity: bool

    @property
    def ends_s(self) -> float:
        """Seconds from the start of the recording."""
        return self.starts_s + self.seconds


def renditions_of(multivariant: Parsed) -> list[Rendition]:
    """Every rendition of a parsed master playlist, separate sound tracks included."""
    found: dict[str, Rendition] = {}
    for playlist in multivariant.playlists[:MAX_RENDITIONS]:
        if playlist.is_iframe:
            continue
        for media in playlist.media[:MAX_RENDITIONS]:
            if media.type == "AUDIO" and media.uri:
                sound = Rendition(media.name, media.uri, 0, 0, 0.0, True, default=bool(media.default))
                found.setdefault(media.uri, sound)
        found.setdefault(playlist.uri, _rendition(playlist))
    return list(found.values())


def _rendition(playlist: HLSPlaylist) -> Rendition:
    info = playlist.stream_info
    names = [str(name) for name in (info.video, playlist.get_name_name(), playlist.get_name_pixels()) if name]
    name = names[0] if names else ""
    named = next((match for one in names if (match := _NAME.match(one))), None)
    width, height = (info.resolution.width, info.resolution.height) if info.resolution else (0, 0)
    sound_only = name.startswith("audio") or (not height and not named and _only_sound(info.codecs))
    if named and not height and not sound_only:
        height = int(named["lines"])
    declared_rate = info.framerate if isinstance(info, StreamInfo) else None
    rate = declared_rate or float(named["fps"] or 0 if named else 0)
    return Rendition(name, playlist.uri, max(info.bandwidth, 0), height, rate, sound_only, width)


def _only_sound(codecs: Sequence[str]) -> bool:
    named = [codec.strip().lower() for codec in codecs if codec.strip()]
    return bool(named) and all(codec.startswith(SOUND_ONLY_CODECS) for codec in named)


def by_sound(renditions: Sequence[Rendition]) -> list[Rendition]:
    """The cheapest with sound first: sound alone, then the smallest picture."""
    return sorted(
        renditions,
        key=lambda one: (not one.sound_only, not one.default, one.lines, one.bandwidth or math.inf, one.name),
    )


def by_picture(
    renditions: Sequence[Rendition], *, max_lines: int = MAX_LINES, portrait: bool = False
) -> list[Rendition]:
    """The best picture up to `max_lines` first, larger ones after them; empty when there is none.

    portrait: those higher than wide come first, else they come last.  Renditions that don't tell their size count as
    small, but for the one that was streamed.
    """
    pictures = [one for one in renditions if not one.sound_only]

    def rank(one: Rendition) -> tuple[bool, bool, int, float, int, str]:
        lines = one.lines or (max_lines if one.name in SOURCE_NAMES else 0)
        larger = lines > max_lines
        return one.portrait != portrait, larger, lines if larger else -lines, -one.fps, -one.bandwidth, one.name

    return sorted(pictures, key=rank)


def parse_master(text: str, url: str) -> list[Rendition] | None:
    """The renditions of a master playlist, None when `text` is a media playlist."""
    parsed = _parse(text, url)
    if not parsed.is_master:
        return None
    renditions = renditions_of(parsed)
    for rendition in renditions:
        split_address(rendition.url)
    return renditions


def parse_media(text: str, url: str, *, max_seconds: float) -> list[Segment]:
    """The segments of a finished recording's media playlist.

    Raises VideoNotReady while the recording goes on, VideoSizeExceeded past `max_seconds`, UnsupportedSource for
    addresses that are no plain web addresses, UnsupportedFormat for encrypted, empty or unreadable playlists.
    """
    parsed = _parse(text, url)
    if parsed.is_master:
        raise UnsupportedFormat("A playlist that should list segments lists playlists.")
    if not parsed.is_endlist:
        raise VideoNotReady("The stream is still live.")
    if not parsed.segments:
        raise UnsupportedFormat("The playlist names no segment.")
    segments = _segments(parsed.segments)
    if segments[-1].ends_s > max_seconds:
        raise VideoSizeExceeded(f"The video is longer than {max_seconds / 3600:g} h.")
    return segments


class _Parser(M3U8Parser[Parsed, HLSSegment, HLSPlaylist]):
    """Keeps the names of renditions that RFC 8216bis has and streamlink passes over."""

    def get_playlist(self, uri: str, **data: object) -> HLSPlaylist:
        attributes = self._streaminf or {}
        playlist = super().get_playlist(uri, **data)
        info = playlist.stream_info
        info.video = attributes.get("STABLE-VARIANT-ID") or info.video or attributes.get("NAME")
        return playlist


def _parse(text: str, url: str) -> Parsed:
    try:
        parsed: Parsed = parse_m3u8(text.removeprefix(BYTE_ORDER_MARK), base_uri=url, parser=_Parser)
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise UnsupportedFormat("The playlist can't be read.") from error
    if len(parsed.segments) > MAX_SEGMENTS or len(parsed.playlists) > MAX_RENDITIONS:
        raise VideoSizeExceeded("The playlist is far too long.")
    return parsed


def _segments(parsed: Sequence[HLSSegment]) -> list[Segment]:
    segments: list[Segment] = []
    starts_s = 0.0
    init: Resource | None = None
    for index, item in enumerate(parsed):
        if item.key is not None and item.key.method != "NONE":
            raise UnsupportedFormat("The recording is encrypted.")
        if not 0 <= item.duration <= MAX_SEGMENT_SECONDS:
            raise UnsupportedFormat("The playlist has a segment of impossible length.")
        # The parser forgets the map at a discontinuity; by RFC 8216 4.3.2.5 it holds until the next one.
        if item.map is not None:
            init = _resource(item.map.uri, item.map.byterange, None)
        media = _resource(item.uri, item.byterange, segments[-1].media if segments else None)
        segments.append(Segment(index, media, round(starts_s, 6), item.duration, init, bool(item.discontinuity)))
        starts_s += item.duration
    return segments


def _resource(url: str, byte_range: ByteRange | None, before: Resource | None) -> Resource:
    """A range without an offset goes on where the one before it, of the same address, ended (RFC 8216 4.3.2.2)."""
    split_address(url)
    if byte_range is None:
        return Resource(url)
    offset = byte_range.offset
    if offset is None:
        follows = before is not None and before.url == url and before.length is not None
        offset = before.offset + before.length if follows and before and before.length is not None else 0
    if byte_range.range <= 0:
        raise UnsupportedFormat("The playlist has an empty byte range.")
    return Resource(url, offset, byte_range.range)


def same_recording(old: Sequence[Segment], new: Sequence[Segment]) -> bool:
    """Whether a playlist fetched anew lists the same segments, whatever tokens its addresses carry."""
    return len(old) == len(new) and all(
        one.seconds == other.seconds and _name(one) == _name(other) for one, other in zip(old, new, strict=True)
    )


def _name(segment: Segment) -> str:
    path = segment.media.url.partition("?")[0]
    return path.rpartition("/")[2]
