"""HLS playlists, read with streamlink's parser and reduced to plain, bounded values. Everything in them is hostile."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from streamlink.stream.hls.m3u8 import M3U8Parser, parse_m3u8

from shared.errors import UnsupportedFormat, VideoNotReady, VideoSizeExceeded
from shared.source_url import split_address

BYTE_ORDER_MARK = "\ufeff"  # Windows editors put it in front of UTF-8
MAX_SEGMENTS = 200_000
MAX_RENDITIONS = 64
MAX_SEGMENT_SECONDS = 120.0
MAX_HEIGHT = 1080  # of the picture that is fetched
SOUND_ONLY_CODECS = ("mp4a", "opus", "ac-3", "ec-3", "flac", "alac")


class Rendition(NamedTuple):
    """One way to fetch the recording.  height: 0 for sound alone.  bandwidth: bits per second, 0 when not told."""

    name: str
    url: str
    bandwidth: int
    height: int
    fps: float
    sound_only: bool


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
        return self.starts_s + self.seconds


def renditions_of(multivariant: Any) -> list[Rendition]:  # noqa: ANN401 - streamlink has no types
    """Every rendition of a parsed master playlist, separate sound tracks included."""
    found: dict[str, Rendition] = {}
    for playlist in multivariant.playlists[:MAX_RENDITIONS]:
        if playlist.is_iframe:
            continue
        for media in playlist.media[:MAX_RENDITIONS]:
            if media.type == "AUDIO" and media.uri:
                found.setdefault(media.uri, Rendition(media.name, media.uri, 0, 0, 0.0, True))
        info = playlist.stream_info
        height = info.resolution.height if info.resolution else 0
        name = str(info.video or playlist.get_name_pixels() or "")
        sound_only = name.startswith("audio") or (not height and _only_sound(info.codecs))
        rate = info.framerate or 0.0
        found.setdefault(playlist.uri, Rendition(name, playlist.uri, max(info.bandwidth, 0), height, rate, sound_only))
    return list(found.values())


def _only_sound(codecs: Sequence[str]) -> bool:
    named = [codec.strip().lower() for codec in codecs if codec.strip()]
    return bool(named) and all(codec.startswith(SOUND_ONLY_CODECS) for codec in named)


def by_sound(renditions: Sequence[Rendition]) -> list[Rendition]:
    """The cheapest with sound first: sound alone, then the smallest picture."""
    return sorted(renditions, key=lambda one: (not one.sound_only, one.height, one.bandwidth or math.inf, one.name))


def by_picture(renditions: Sequence[Rendition], *, max_height: int = MAX_HEIGHT) -> list[Rendition]:
    """The best picture up to `max_height` first, larger ones last; empty when there is none.

    Renditions that don't tell their height count as small.
    """
    pictures = [one for one in renditions if not one.sound_only]
    fitting = [one for one in pictures if one.height <= max_height]
    larger = [one for one in pictures if one.height > max_height]
    return [
        *sorted(fitting, key=lambda one: (-one.height, -one.fps, -one.bandwidth, one.name)),
        *sorted(larger, key=lambda one: (one.height, one.bandwidth, one.name)),
    ]


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


def _parse(text: str, url: str) -> Any:  # noqa: ANN401 - streamlink has no types
    try:
        parsed = parse_m3u8(text.removeprefix(BYTE_ORDER_MARK), base_uri=url, parser=M3U8Parser)
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise UnsupportedFormat("The playlist can't be read.") from error
    if len(parsed.segments) > MAX_SEGMENTS or len(parsed.playlists) > MAX_RENDITIONS:
        raise VideoSizeExceeded("The playlist is far too long.")
    return parsed


def _segments(parsed: Sequence[Any]) -> list[Segment]:
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


def _resource(url: str, byte_range: Any, before: Resource | None) -> Resource:  # noqa: ANN401 - streamlink has no types
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
