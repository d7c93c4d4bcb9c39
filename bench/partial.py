"""Bytes fetched for a 4 h VOD: sound and the segments under 10 clips, beside the whole video.

`python -m bench.partial [--hours 4] [--clips 10] [--clip-seconds 40]`

The stand-in has Twitch's proportions: audio_only 160 kbit/s, source 6 Mbit/s. It counts what it sends; the whole video
is really fetched too, and thrown away.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.progress import silent
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.download.concurrency import AdaptiveLimit
from workers.download.fetch_loop import fetch_in_order
from workers.download.hls import Addresses, FetchSettings, SegmentFetcher
from workers.download.resolver import Resolver, TwitchAccess


def sent(peer: TwitchPeer) -> int:
    counts: dict[str, int] = peer.stats()["bytes"]
    return sum(counts.values())


def partial(peer: TwitchPeer, clips: int, clip_seconds: float, hours: float) -> int:
    """What `video: clips` fetches: playlists, sound and pieces."""
    source = peer.source()
    with TemporaryDirectory() as folder:
        work = Path(folder)
        source.describe()
        source.fetch_sound(work / "audio.m4a", work=work, progress=silent)
        for number in range(clips):
            # Nowhere near segment borders, and nowhere near each other: the dearest case.
            start_s = (number + 0.5) * hours * 3600 / clips + 3.3
            if source.fetch_part(start_s, start_s + clip_seconds, work=work) is None:
                raise RuntimeError("a clip has no picture")
    return sent(peer)


def whole(peer: TwitchPeer) -> int:
    """What `video: full` fetches: playlists, sound and every segment of the picture."""
    source = peer.source()
    with TemporaryDirectory() as folder:
        source.describe()
        source.fetch_sound(Path(folder) / "audio.m4a", work=Path(folder), progress=silent)
    resolver = Resolver("42", TwitchAccess(client_id="bench", host_map=peer.host_map, max_hours=12))
    playlist = resolver.load("picture")
    if playlist is None:
        raise RuntimeError("the stand-in has no picture")
    settings = FetchSettings()
    with TemporaryDirectory() as folder:
        fetcher = SegmentFetcher(
            resolver.session,
            Addresses(playlist.segments, None),
            settings=settings,
            folder=Path(folder),
            limit=AdaptiveLimit(settings.at_once),
        )
        for _segment in fetch_in_order(range(len(playlist.segments)), fetcher, tick=lambda: None):
            pass
    return sent(peer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=4)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--clip-seconds", type=float, default=40)
    given = parser.parse_args()
    vod: dict[str, Any] = {"seconds": given.hours * 3600, "segment_seconds": 10, "comments": 0}
    with running_twitch() as peer:
        peer.fresh(**vod)
        some = partial(peer, given.clips, given.clip_seconds, given.hours)
        peer.fresh(**vod)
        everything = whole(peer)
    share = some / everything
    print(f"{given.hours:g} h VOD, {given.clips} clips of {given.clip_seconds:g} s")
    print(f"  sound and clips  {some / 2**20:8.0f} MiB")
    print(f"  whole video      {everything / 2**20:8.0f} MiB")
    print(f"  share            {100 * share:8.1f} %")
    print(json.dumps({"benchmark": "partial", "bytes": some, "full_bytes": everything, "share": round(share, 4)}))


if __name__ == "__main__":
    main()
