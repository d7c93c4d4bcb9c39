"""What the Twitch stand-in has on offer: its VODs, their renditions, segments and comments."""

import gzip
import json
import random
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tests.peers.twitch_media import fmp4_segment, make_loop, ts_segment

BUNDLE = 4  # segments to a file, with byte ranges


class Rendition(NamedTuple):
    name: str
    bits: int
    height: int
    fps: float


SOURCE = "chunked"
CODEC_NAMES = {"h264": "avc1.64002A", "h265": "hvc1.1.6.L123.B0"}
RENDITIONS = (
    Rendition(SOURCE, 6_000_000, 1080, 60.0),
    Rendition("720p60", 3_000_000, 720, 60.0),
    Rendition("480p30", 1_400_000, 480, 30.0),
    Rendition("160p30", 1_200_000, 160, 30.0),
    Rendition("audio_only", 160_000, 0, 0.0),
)
WORDS = (
    "nice",
    "play",
    "gg",
    "what",
    "a",
    "shot",
    "lol",
    "wow",
    "no way",
    "close",
    "hahaha",
    "insane",
    "LUL",
    "clip it",
)


@dataclass
class Vod:
    """One VOD. `media`: ts, fmp4 or byterange.  `access`: public, subscribers, private, deleted or unlisted.

    source_codec: h264 or h265 (fmp4 only); `chunked` is listed only for those who can play it.

    missing: segments that answer `missing_status`.  muted: segments that answer 403 and have a `-muted` sibling.
    resets: segments at which the clock starts anew, with EXT-X-DISCONTINUITY.  token_requests: how many segments one
    token is good for.  comments: how many are made up; chat: a TwitchDownloader file used instead.
    """

    id: str
    seconds: float = 60.0
    segment_seconds: int = 2
    title: str = "Speedrun marathon, day 3"
    channel: str = "standin_tv"
    game: str | None = "Celeste"
    views: int = 1234
    created_at: str = "2026-11-01T18:00:00Z"
    status: str = "RECORDED"
    length_seconds: int | None = None
    media: str = "ts"
    source_codec: str = "h264"
    bits: dict[str, int] = field(default_factory=dict)
    audio_only: bool = True
    pictures: bool = True
    absolute: bool = False
    endlist: bool = True
    access: str = "public"
    missing: list[int] = field(default_factory=list)
    missing_status: int = 404
    muted: list[int] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    token_requests: int | None = None
    comments: int = 300
    chat: str | None = None
    chat_off: bool = False
    page_before: int = 3

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Vod":
        known = {one.name for one in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(f"no such switch: {unknown}")
        return cls(**given)

    @cached_property
    def lengths(self) -> list[float]:
        """Seconds of each segment; the last one may be shorter by name only, its media is whole."""
        whole, rest = divmod(self.seconds, self.segment_seconds)
        return [float(self.segment_seconds)] * int(whole) + ([round(rest, 3)] if rest > 0.001 else [])

    @property
    def renditions(self) -> list[Rendition]:
        wanted = [one for one in RENDITIONS if (one.height and self.pictures) or (not one.height and self.audio_only)]
        return [one._replace(bits=self.bits.get(one.name, one.bits)) for one in wanted]

    @cached_property
    def chat_log(self) -> "ChatLog":
        return ChatLog.read(Path(self.chat)) if self.chat else ChatLog.made(self.id, self.seconds, self.comments)


class Segments:
    """Makes segments, keeping the last ones made."""

    def __init__(self, cache_bytes: int) -> None:
        self._limit = cache_bytes
        self._held: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, vod: Vod, rendition: Rendition, number: int) -> bytes:
        key = (
            vod.media == "fmp4",
            self._codec(vod, rendition),
            vod.segment_seconds,
            rendition,
            number,
            tuple(vod.resets),
        )
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        data = self._make(vod, rendition, number)
        with self._lock:
            if key not in self._held:
                self._held[key] = data
                self._size += len(data)
            while self._size > self._limit and len(self._held) > 1:
                self._size -= len(self._held.popitem(last=False)[1])
        return data

    @staticmethod
    def _codec(vod: Vod, rendition: Rendition) -> str:
        return vod.source_codec if rendition.name == SOURCE else "h264"

    def _make(self, vod: Vod, rendition: Rendition, number: int) -> bytes:
        loop = make_loop(vod.segment_seconds, fmp4=vod.media == "fmp4", codec=self._codec(vod, rendition))
        base = loop.av if rendition.height else loop.a
        if vod.media == "fmp4":
            return fmp4_segment(base, number, seconds=vod.segment_seconds, bits=rendition.bits)
        back = max((reset for reset in vod.resets if reset <= number), default=0) * vod.segment_seconds
        return ts_segment(base, number, seconds=vod.segment_seconds, bits=rendition.bits, back_s=back)

    def bundle(self, vod: Vod, rendition: Rendition, first: int) -> bytes:
        """A file of BUNDLE segments, for playlists with byte ranges."""
        last = min(first + BUNDLE, len(vod.lengths))
        return b"".join(self.get(vod, rendition, number) for number in range(first, last))

    def init(self, vod: Vod, rendition: Rendition) -> bytes:
        loop = make_loop(vod.segment_seconds, fmp4=True, codec=self._codec(vod, rendition))
        return loop.av_init if rendition.height else loop.a_init


def master(vod: Vod, base: str, supported_codecs: Collection[str]) -> str:
    lines = ["#EXTM3U", "#EXT-X-VERSION:4", '#EXT-X-TWITCH-INFO:ORIGIN="s3",REGION="EU"']
    for one in vod.renditions:
        codec = vod.source_codec if one.name == SOURCE else "h264"
        if codec not in supported_codecs:
            continue
        size = f"RESOLUTION={one.height * 16 // 9}x{one.height},FRAME-RATE={one.fps:.3f}," if one.height else ""
        codecs = f"{CODEC_NAMES[codec]},mp4a.40.2" if one.height else "mp4a.40.2"
        lines.append(f'#EXT-X-STREAM-INF:BANDWIDTH={one.bits},CODECS="{codecs}",{size}STABLE-VARIANT-ID="{one.name}"')
        lines.append(f"{base}/{one.name}/index-dvr.m3u8")
    return "\n".join(lines) + "\n"


def media(vod: Vod, rendition: Rendition, base: str, segments: Segments) -> str:
    longest = int(max(vod.lengths)) + 1
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", f"#EXT-X-TARGETDURATION:{longest}", "#EXT-X-PLAYLIST-TYPE:EVENT"]
    lines += ["#EXT-X-MEDIA-SEQUENCE:0", f"#EXT-X-TWITCH-TOTAL-SECS:{vod.seconds:.3f}"]
    prefix = f"{base}/{rendition.name}/" if vod.absolute else ""
    if vod.media == "fmp4":
        lines.append(f'#EXT-X-MAP:URI="{prefix}init.mp4"')
    offset = 0
    for number, seconds in enumerate(vod.lengths):
        if number in vod.resets:
            lines.append("#EXT-X-DISCONTINUITY")
        lines.append(f"#EXTINF:{seconds:.3f},")
        if vod.media == "byterange":
            offset = 0 if number % BUNDLE == 0 else offset
            size = len(segments.get(vod, rendition, number))
            lines += [f"#EXT-X-BYTERANGE:{size}" + (f"@{offset}" if number % BUNDLE == 0 else "")]
            lines.append(f"{prefix}bundle-{number // BUNDLE * BUNDLE}.ts")
            offset += size
        else:
            lines.append(f"{prefix}{number}.{'mp4' if vod.media == 'fmp4' else 'ts'}")
    return "\n".join(lines) + ("\n#EXT-X-ENDLIST\n" if vod.endlist else "\n")


class ChatLog:
    """Comments in GraphQL's shape, in order, and the pages that Twitch cuts them into."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        self.nodes = nodes
        self._offsets = [node["contentOffsetSeconds"] for node in nodes]
        self._place = {node["id"]: index for index, node in enumerate(nodes)}

    @classmethod
    def made(cls, name: str, seconds: float, count: int) -> "ChatLog":
        rng = random.Random(name)
        # A third of the chat comes in bursts, so some seconds hold more than others; a few come after the end.
        moments = [rng.uniform(0, seconds) for _ in range(max(3, int(seconds / 300)))]
        offsets = [
            min(seconds, max(0.0, rng.gauss(rng.choice(moments), 4)))
            if rng.random() < 0.33
            else rng.uniform(0, seconds)
            for _ in range(max(0, count - 2))
        ]
        offsets = sorted([*offsets, *([seconds + 90, seconds + 200] if count >= 2 else [])])
        return cls([_node(rng, index, int(offset)) for index, offset in enumerate(offsets)])

    @classmethod
    def read(cls, path: Path) -> "ChatLog":
        raw = path.read_bytes()
        given = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        rng = random.Random(path.name)
        nodes = []
        for index, comment in enumerate(given["comments"]):
            node = _node(rng, index, int(comment["content_offset_seconds"]))
            node["message"]["fragments"] = [{"text": comment["message"]["body"], "emote": None}]
            nodes.append(node)
        return cls(nodes)

    def by_offset(self, seconds: int, before: int) -> tuple[list[dict[str, Any]], bool]:
        """The page at an offset; it begins `before` comments early, as Twitch's do."""
        start = max(0, bisect_left(self._offsets, seconds) - before)
        return self._page(start)

    def by_cursor(self, cursor: str) -> tuple[list[dict[str, Any]], bool] | None:
        place = self._place.get(cursor)
        return None if place is None else self._page(place + 1)

    def _page(self, start: int) -> tuple[list[dict[str, Any]], bool]:
        size = 50 + start % 11
        return self.nodes[start : start + size], start + size < len(self.nodes)


def _node(rng: random.Random, index: int, offset: int) -> dict[str, Any]:
    viewer = rng.randrange(400)
    text = " ".join(rng.choices(WORDS, k=rng.randint(1, 6))) + " "
    fragments: list[dict[str, Any]] = [{"text": text, "emote": None}]
    if rng.random() < 0.3:
        fragments.append({"text": "Kappa", "emote": {"id": f"25;{len(text)};5", "emoteID": "25", "from": len(text)}})
    if index % 97 == 96:
        fragments.append({"text": " Cheer100", "emote": None})
    badges = [{"id": "c3Vic2NyaWJlcg==", "setID": "subscriber", "version": "3"}] if viewer % 3 == 0 else []
    commenter = {"id": str(viewer), "login": f"viewer_{viewer}", "displayName": f"Viewer_{viewer}"}
    return {
        "id": f"{rng.getrandbits(32):08x}-{index:012d}",
        "commenter": None if index % 101 == 100 else commenter,
        "contentOffsetSeconds": offset,
        "createdAt": "2026-11-01T18:00:00.123Z",
        "message": {"fragments": fragments, "userBadges": badges, "userColor": None},
    }
