"""Playlists become plain values, or an error that says what is wrong."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import KlipError, UnsupportedFormat, UnsupportedSource, VideoNotReady, VideoSizeExceeded
from workers.download.hls_recording import run_numbers
from workers.download.playlist import Rendition, Resource, by_picture, by_sound, parse_master, parse_media
from workers.download.twitch import muted_address

URL = "https://cdn.example.com/vod/index.m3u8"


def media(*lines: str, end: bool = True) -> str:
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:10", *lines, *(["#EXT-X-ENDLIST"] if end else [])]) + "\n"


def test_segments_have_addresses_and_times() -> None:
    text = media("#EXTINF:10.0,", "0.ts", "#EXTINF:9.5,", "https://other.example.com/1.ts", "#EXTINF:0.5,", "/2.ts")

    segments = parse_media(text, URL, max_seconds=3600)

    assert [segment.media.url for segment in segments] == [
        "https://cdn.example.com/vod/0.ts",
        "https://other.example.com/1.ts",
        "https://cdn.example.com/2.ts",
    ]
    assert [(segment.starts_s, segment.ends_s) for segment in segments] == [(0, 10), (10, 19.5), (19.5, 20)]


def test_a_byte_order_mark_in_front_counts_for_nothing() -> None:
    text = media("#EXTINF:10.0,", "0.ts")

    assert parse_media("\ufeff" + text, URL, max_seconds=3600) == parse_media(text, URL, max_seconds=3600)
    assert parse_master("\ufeff" + text, URL) is None


def test_byte_ranges_go_on_where_the_last_one_ended() -> None:
    text = media(
        "#EXTINF:2,", "#EXT-X-BYTERANGE:100@50", "a.ts",
        "#EXTINF:2,", "#EXT-X-BYTERANGE:70", "a.ts",
        "#EXTINF:2,", "#EXT-X-BYTERANGE:30", "b.ts",
    )  # fmt: skip

    found = [segment.media for segment in parse_media(text, URL, max_seconds=3600)]

    base = "https://cdn.example.com/vod"
    assert found == [
        Resource(f"{base}/a.ts", 50, 100),
        Resource(f"{base}/a.ts", 150, 70),
        Resource(f"{base}/b.ts", 0, 30),
    ]


def test_an_initialisation_holds_until_the_next_one_also_over_a_discontinuity() -> None:
    text = media(
        '#EXT-X-MAP:URI="a.mp4"', "#EXTINF:2,", "0.m4s", "#EXT-X-DISCONTINUITY", "#EXTINF:2,", "1.m4s",
        '#EXT-X-MAP:URI="b.mp4",BYTERANGE="10@5"', "#EXTINF:2,", "2.m4s", "#EXTINF:2,", "3.m4s",
    )  # fmt: skip

    segments = parse_media(text, URL, max_seconds=3600)

    names = [segment.init.url.rpartition("/")[2] for segment in segments if segment.init]
    assert names == ["a.mp4", "a.mp4", "b.mp4", "b.mp4"]
    assert segments[2].init == Resource("https://cdn.example.com/vod/b.mp4", 5, 10)
    assert run_numbers(segments) == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (media("#EXTINF:2,", "0.ts", end=False), VideoNotReady),
        (media(), UnsupportedFormat),
        (media(*["#EXTINF:100,", "0.ts"] * 37), VideoSizeExceeded),
        (media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"", "#EXTINF:2,", "0.ts"), UnsupportedFormat),
        (media("#EXTINF:121,", "0.ts"), UnsupportedFormat),
        ("no playlist", UnsupportedFormat),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n", UnsupportedFormat),
    ],
    ids=["live", "empty", "long", "encrypted", "long segment", "text", "master"],
)  # fmt: skip
def test_playlists_that_cannot_be_fetched_say_why(text: str, error: type[KlipError]) -> None:
    with pytest.raises(error):
        parse_media(text, URL, max_seconds=3600)


def rendition(name: str, height: int, bandwidth: int, *, fps: float = 30, sound_only: bool = False) -> Rendition:
    return Rendition(name, f"https://cdn.example.com/{name}", bandwidth, height, fps, sound_only)


def test_sound_comes_from_the_cheapest_and_the_picture_from_the_best_up_to_1080p() -> None:
    found = [
        rendition("2160", 2160, 20_000_000),
        rendition("1080", 1080, 6_000_000, fps=60),
        rendition("1080-30", 1080, 7_000_000),
        rendition("160", 160, 200_000),
        rendition("audio", 0, 160_000, sound_only=True),
    ]

    assert [one.name for one in by_sound(found)][:2] == ["audio", "160"]
    assert [one.name for one in by_picture(found)] == ["1080", "1080-30", "160", "2160"]
    assert by_sound(found[:4])[0].name == "160"
    assert by_picture(found[4:]) == []
    assert by_picture(found[:1])[0].name == "2160"


def test_a_master_playlist_lists_renditions_and_separate_sound() -> None:
    text = (
        "#EXTM3U\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",URI="sound.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080,FRAME-RATE=60,CODECS="avc1,mp4a.40.2",AUDIO="a"\n'
        "hd.m3u8\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS="mp4a.40.2"\n'
        "radio.m3u8\n"
    )

    found = parse_master(text, URL)

    assert found is not None
    assert {one.url.rpartition("/")[2]: one.sound_only for one in found} == {
        "sound.m3u8": True,
        "hd.m3u8": False,
        "radio.m3u8": True,
    }
    assert parse_master(media("#EXTINF:2,", "0.ts"), URL) is None


@pytest.mark.parametrize(
    ("url", "muted"),
    [
        ("https://c.net/a/chunked/12.ts", "https://c.net/a/chunked/12-muted.ts"),
        ("https://c.net/a/chunked/12-unmuted.ts", "https://c.net/a/chunked/12-muted.ts"),
        ("https://c.net/a/12.mp4?sig=1.ts", "https://c.net/a/12-muted.mp4?sig=1.ts"),
        ("https://c.net/a/12-muted.ts", None),
        ("https://c.net/a/list.m3u8", None),
    ],
)
def test_twitch_keeps_muted_segments_beside_the_others(url: str, muted: str | None) -> None:
    assert muted_address(url) == muted


_TAGS = st.sampled_from(
    [
        "#EXTM3U", "#EXTINF:", "#EXT-X-BYTERANGE:", "#EXT-X-MAP:URI=", "#EXT-X-KEY:METHOD=", "#EXT-X-STREAM-INF:",
        "#EXT-X-MEDIA:TYPE=AUDIO,", "#EXT-X-VERSION:", "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-DATERANGE:DURATION=",
        "#EXT-X-DISCONTINUITY", "#EXT-X-ENDLIST", "#EXT-X-START:TIME-OFFSET=", "#EXT-X-PROGRAM-DATE-TIME:", "",
    ]
)  # fmt: skip
_LINES = st.lists(st.tuples(_TAGS, st.text(max_size=30)).map("".join), max_size=12)


@settings(max_examples=300, deadline=None)
@given(_LINES)
def test_no_playlist_raises_anything_but_our_errors(lines: list[str]) -> None:
    text = "#EXTM3U\n" + "\n".join(lines)

    with suppress(UnsupportedFormat, UnsupportedSource, VideoNotReady, VideoSizeExceeded):
        parse_master(text, URL)
    with suppress(UnsupportedFormat, UnsupportedSource, VideoNotReady, VideoSizeExceeded):
        parse_media(text, URL, max_seconds=3600)


def master(*renditions: str) -> list[Rendition]:
    lines = [line for number, attributes in enumerate(renditions) for line in
             (f"#EXT-X-STREAM-INF:BANDWIDTH={1000 + number},{attributes}", f"{number}.m3u8")]  # fmt: skip
    found = parse_master("\n".join(["#EXTM3U", *lines]) + "\n", URL)
    assert found is not None
    return found


def best(*renditions: str, portrait: bool = False) -> str:
    """The attributes of the rendition that is fetched."""
    url = by_picture(master(*renditions), portrait=portrait)[0].url
    return renditions[int(url.rpartition("/")[2].removesuffix(".m3u8"))]


LANDSCAPE_720, LANDSCAPE_480 = "RESOLUTION=1280x720", "RESOLUTION=852x480"
PORTRAIT_480, PORTRAIT_1080 = "RESOLUTION=480x852", "RESOLUTION=1080x1920"


def test_landscape_comes_before_portrait_unless_portrait_is_asked_for() -> None:
    renditions = (PORTRAIT_480, LANDSCAPE_480, LANDSCAPE_720, PORTRAIT_1080)

    assert best(*renditions) == LANDSCAPE_720
    assert best(*renditions, portrait=True) == PORTRAIT_1080


def test_portrait_recordings_are_compared_by_their_shorter_side() -> None:
    assert best(PORTRAIT_480, PORTRAIT_1080, "RESOLUTION=1440x2560") == PORTRAIT_1080


@pytest.mark.parametrize(
    "source",
    [
        'STABLE-VARIANT-ID="1080p60"',
        'VIDEO="1080p60"',
        'NAME="1080p"',
        'VIDEO="chunked"',
        'STABLE-VARIANT-ID="1080p60",CODECS="hvc1.1.6.L123.B0,mp4a.40.2"',
    ],
)
def test_a_rendition_without_resolution_is_compared_by_its_name(source: str) -> None:
    assert best(LANDSCAPE_720, source, LANDSCAPE_480) == source


def test_a_name_tells_lines_and_frame_rate() -> None:
    (found,) = master('STABLE-VARIANT-ID="1080p60"')

    assert (found.name, found.lines, found.fps, found.sound_only) == ("1080p60", 1080, 60.0, False)


@pytest.mark.parametrize("codec", ["hvc1.1.6.L123.B0", "av01.0.09M.08", "hev1.1.6.L120.90"])
def test_the_best_picture_is_taken_whatever_its_codec(codec: str) -> None:
    finest = f'RESOLUTION=1920x1080,CODECS="{codec},mp4a.40.2",FRAME-RATE=60.000'

    assert best('RESOLUTION=1280x720,CODECS="avc1.64001F,mp4a.40.2"', finest) == finest


def test_the_default_sound_comes_first() -> None:
    group = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="{}",DEFAULT={},URI="{}.m3u8"'
    text = "\n".join(
        ["#EXTM3U", group.format("commentary", "NO", "b"), group.format("stream", "YES", "a"),
         '#EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=640x360,AUDIO="a"', "v.m3u8"]
    )  # fmt: skip

    found = parse_master(text, URL)

    assert found is not None
    assert by_sound(found)[0].name == "stream"
