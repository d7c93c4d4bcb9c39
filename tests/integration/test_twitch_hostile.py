"""Media links and playlists that point where they shouldn't: nothing outside the allowed hosts is ever dialled."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ChatUnavailable, KlipError, UnsupportedSource
from shared.progress import silent
from shared.records import Measured
from tests.peers.twitch import CDN, CDN_HOST
from tests.peers.twitch_process import QUICK, TwitchPeer, running_twitch
from workers.download.direct import DirectSource
from workers.media.remux import probe

MASTER = f"{CDN}/t1/42/chunked/index-dvr.m3u8"
HEAD = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n"


class Canary:
    """A server where nobody should call; it counts who does."""

    def __init__(self) -> None:
        self.calls = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = int(self._socket.getsockname()[1])
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                caller, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.calls += 1
            caller.close()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def twitch() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary()
    yield made
    made.close()


@contextmanager
def dialled() -> Iterator[list[object]]:
    """Every address that this process connects to while the block runs."""
    seen: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        connect = socket.socket.connect

        def noted(self: socket.socket, address: Any) -> None:
            seen.append(address)
            connect(self, address)

        patch.setattr(socket.socket, "connect", noted)
        yield seen


def direct(twitch: TwitchPeer, url: str = MASTER, **options: Any) -> DirectSource:
    given: dict[str, Any] = {"allowed_hosts": [CDN_HOST], "host_map": twitch.host_map, "max_hours": 12}
    given |= {"min_free_bytes": 0, "retry": QUICK, "segment_retry": QUICK}
    return DirectSource(url, **{**given, **options})


def look_and_fetch(source: DirectSource, folder: Path) -> None:
    source.describe()
    source.fetch_sound(folder / "audio.m4a", work=folder, progress=silent)


def segments(*uris: str, extra: str = "") -> str:
    return HEAD + extra + "".join(f"#EXTINF:2.0,\n{uri}\n" for uri in uris) + "#EXT-X-ENDLIST\n"


def renditions(*uris: str) -> str:
    return "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1\n{uri}\n" for uri in uris)


# {canary} becomes an address on this machine where somebody would answer.
HOSTILE = {
    "a file": segments("file:///etc/passwd"),
    "a file without slashes": segments("file:/etc/passwd"),
    "a file in capitals": segments("FILE:///etc/passwd"),
    "a good segment, then a file": segments("0.ts", "file:///etc/passwd"),
    "another host": segments("https://evil.example/0.ts"),
    "another host by protocol-relative address": segments("//evil.example/0.ts"),
    "another host behind three slashes": segments("https:///evil.example/0.ts"),
    "another port": segments(f"https://{CDN_HOST}:8443/0.ts"),
    "plain http": segments(f"http://{CDN_HOST}/0.ts"),
    "loopback": segments("http://127.0.0.1:{canary}/0.ts"),
    "loopback by https": segments("https://127.0.0.1:{canary}/0.ts"),
    "loopback by name": segments("https://localhost:{canary}/0.ts"),
    "loopback by IPv6": segments("https://[::1]:{canary}/0.ts"),
    "loopback as a number": segments("https://2130706433:{canary}/0.ts"),
    "loopback in octal": segments("https://0177.0.0.1:{canary}/0.ts"),
    "the cloud's metadata": segments("http://169.254.169.254/latest/meta-data/"),
    "the cloud's metadata by https": segments("https://169.254.169.254/latest/meta-data/"),
    "user info": segments(f"https://{CDN_HOST}@127.0.0.1:{{canary}}/0.ts"),
    "user info of ours": segments(f"https://a:b@{CDN_HOST}/0.ts"),
    "a backslash": segments(f"https://127.0.0.1:{{canary}}\\@{CDN_HOST}/0.ts"),
    "a dot behind the host": segments(f"https://{CDN_HOST}./0.ts"),
    "a unicode host": segments("https://d1standın.cloudfront.net/0.ts"),
    "a fullwidth dot": segments("https://d1standin．cloudfront．net/0.ts"),
    "a space": segments("https://127.0.0.1:{canary} /0.ts"),
    "a tab": segments("https://127.0.0.1:{canary}\t/0.ts"),
    "data": segments("data:video/mp2t;base64,R0A="),
    "concat": segments("concat:/etc/passwd|/etc/hosts"),
    "gopher": segments("gopher://127.0.0.1:{canary}/_GET"),
    "ftp": segments("ftp://127.0.0.1:{canary}/0.ts"),
    "subfile": segments("subfile,,start,0,end,9,,:/etc/passwd"),
    "crypto": segments("crypto+file:/etc/passwd"),
    "a key": segments("0.ts", extra='#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{canary}/key"\n'),
    "a key in a file": segments("0.ts", extra='#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"\n'),
    "a map in a file": segments("0.mp4", extra='#EXT-X-MAP:URI="file:///etc/passwd"\n'),
    "a map elsewhere": segments("0.mp4", extra='#EXT-X-MAP:URI="https://127.0.0.1:{canary}/init.mp4"\n'),
    "a rendition in a file": renditions("file:///etc/passwd"),
    "a rendition elsewhere": renditions("https://evil.example/x.m3u8"),
    "a rendition on loopback": renditions("http://127.0.0.1:{canary}/x.m3u8"),
    "one good and one bad rendition": renditions("index-dvr.m3u8", "https://evil.example/x.m3u8"),
    "a sound track elsewhere": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="https://evil.example/a"\n'
    '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nindex-dvr.m3u8\n',
    "itself as a rendition": renditions(MASTER),
    "no segments": HEAD + "#EXT-X-ENDLIST\n",
    "no renditions": "#EXTM3U\n",
    "a live playlist": HEAD + "#EXTINF:2,\n0.ts\n",
    "an endless segment": HEAD + "#EXTINF:1e9,\n0.ts\n#EXTINF:" + "9" * 400 + ",\n1.ts\n#EXT-X-ENDLIST\n",
    "a huge number": HEAD.replace("VERSION:6", "VERSION:" + "9" * 5000) + segments("0.ts"),
    "a day too long": HEAD + "#EXTINF:100,\n0.ts\n" * 500 + "#EXT-X-ENDLIST\n",
    "an empty range": HEAD + "#EXTINF:2,\n#EXT-X-BYTERANGE:0@0\n0.ts\n#EXT-X-ENDLIST\n",
    "renditions without end": renditions(*(f"{number}.m3u8" for number in range(5000))),
    "no playlist": "<html>" * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_playlist_leads_nowhere(twitch: TwitchPeer, canary: Canary, tmp_path: Path, name: str) -> None:
    twitch.fresh(seconds=16)
    twitch.fault("playlist:", body=HOSTILE[name].replace("{canary}", str(canary.port)), status=200)
    port = int(twitch.base.rpartition(":")[2])

    with dialled() as addresses, pytest.raises(KlipError):
        look_and_fetch(direct(twitch), tmp_path)

    assert {address[1] for address in addresses if isinstance(address, tuple)} <= {port}
    assert canary.calls == 0
    assert not (tmp_path / "audio.m4a").exists()


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:{canary}/",
        "https://127.0.0.1:{canary}/",
        "https://localhost:{canary}/",
        "https://[::1]:{canary}/",
        "//127.0.0.1:{canary}/",
        "file:///etc/passwd",
        "https://evil.example/",
        f"https://{CDN_HOST}:{{canary}}/",
        f"https://{CDN_HOST}@127.0.0.1:{{canary}}/",
    ],
)
@pytest.mark.parametrize("match", ["playlist:", "segment:"])
def test_a_redirect_elsewhere_is_not_followed(
    twitch: TwitchPeer, canary: Canary, tmp_path: Path, target: str, match: str
) -> None:
    twitch.fresh(seconds=16)
    twitch.fault(match, redirect=target.replace("{canary}", str(canary.port)))
    port = int(twitch.base.rpartition(":")[2])

    with dialled() as addresses, pytest.raises(UnsupportedSource):
        direct(twitch).fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)

    assert {address[1] for address in addresses if isinstance(address, tuple)} <= {port}
    assert canary.calls == 0


def test_a_redirect_in_a_circle_ends(twitch: TwitchPeer) -> None:
    twitch.fresh(seconds=16)
    twitch.fault("playlist:", redirect=MASTER)

    with pytest.raises(UnsupportedSource):
        direct(twitch).describe()

    assert twitch.count("playlist") < 10


def test_hls_behind_a_link_gives_sound_and_parts(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=16)
    source = direct(twitch)

    video = source.describe()
    sound = source.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)
    part = source.fetch_part(5, 7, work=tmp_path)

    assert video.file_name == "index-dvr.mp4"
    assert source.measure(work=tmp_path) == Measured()
    assert (video.source, video.duration_seconds, video.title) == ("direct", 16.0, "index-dvr.m3u8")
    assert sound.duration_seconds == pytest.approx(16, abs=0.1)
    assert part is not None
    assert part.begins_at_seconds == 4.0
    assert probe(part.path).has_picture


def test_a_file_behind_a_link_is_resumed_where_it_broke(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=16, segment_seconds=2)
    twitch.fault("segment:", skip=1, times=2, truncate=0.5)
    source = direct(twitch, f"{CDN}/t1/42/chunked/3.ts")

    video = source.describe()
    sound = source.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)
    measured = source.measure(work=tmp_path)

    assert (video.title, video.file_name) == ("3.ts", "3.ts")
    assert measured.frame_rate == "30/1"
    assert sound.duration_seconds == pytest.approx(2, abs=0.1)
    whole = 2 * 6_000_000 // 8
    # The first request only looks at the beginning; the rest comes once.
    assert twitch.stats()["bytes"]["chunked"] <= 2 * whole + 10_000
    assert (tmp_path / "file" / "recording.bin").stat().st_size == pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"{CDN}/t1/43/chunked/0.ts", "VIDEO_NOT_FOUND"),
        (f"{CDN}/t1/42/chunked/index.html", "VIDEO_NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_told_as_such(twitch: TwitchPeer, url: str, code: str) -> None:
    twitch.fresh(seconds=16)

    with pytest.raises(KlipError) as caught:
        direct(twitch, url).describe()

    assert caught.value.code == code


def test_a_page_is_no_recording(twitch: TwitchPeer) -> None:
    twitch.fresh(seconds=16)
    twitch.fault("segment:", body="<html>hello</html>", status=200)

    with pytest.raises(KlipError) as caught:
        direct(twitch, f"{CDN}/t1/42/chunked/0.ts").describe()

    assert caught.value.code == "UNSUPPORTED_FORMAT"


def test_a_link_has_no_chat(twitch: TwitchPeer, tmp_path: Path) -> None:
    with pytest.raises(ChatUnavailable):
        direct(twitch).fetch_chat(tmp_path / "chat.jsonl", work=tmp_path, progress=silent)


@pytest.mark.parametrize(
    "url", ["https://evil.example/a.mp4", f"http://{CDN_HOST}/a.mp4", f"https://{CDN_HOST}:81/a.mp4", "file:a"]
)
def test_a_link_that_is_not_allowed_makes_no_source(twitch: TwitchPeer, url: str) -> None:
    with pytest.raises(UnsupportedSource):
        direct(twitch, url)
