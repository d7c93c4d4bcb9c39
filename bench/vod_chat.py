"""VOD chat of 60 000 comments at 100 ms a request: four ranges at once beside one, and whether both have the same.

`python -m bench.vod_chat [--comments 60000] [--latency-ms 100]`
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.progress import silent
from tests.peers.twitch_process import TwitchPeer, running_twitch
from workers.chatlog import read_comments

RANGES = 4
VOD_SECONDS = 4 * 3600


def measure(peer: TwitchPeer, ranges: int) -> tuple[float, int, list[str]]:
    """Seconds, requests and the ids of one fetch."""
    before = peer.count("comments")
    with TemporaryDirectory() as folder:
        into = Path(folder) / "chat.jsonl"
        begun = time.monotonic()
        peer.source(chat_ranges=ranges).fetch_chat(into, work=Path(folder), progress=silent)
        seconds = time.monotonic() - begun
        ids = [comment.id for comment in read_comments(into)]
    return seconds, peer.count("comments") - before, ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=60_000)
    parser.add_argument("--latency-ms", type=float, default=100)
    given = parser.parse_args()
    with running_twitch() as peer:
        peer.fresh(seconds=VOD_SECONDS, comments=given.comments)
        peer.control(link={"latency_ms": given.latency_ms})
        one_s, one_requests, one = measure(peer, 1)
        four_s, four_requests, four = measure(peer, RANGES)
    print(f"{given.comments} comments, {given.latency_ms:g} ms a request")
    print(f"  1 range   {one_s:6.1f} s  {one_requests} requests  {len(one)} comments")
    print(f"  {RANGES} ranges  {four_s:6.1f} s  {four_requests} requests  {len(four)} comments")
    result = {
        "benchmark": "vod_chat",
        "times_faster": round(one_s / four_s, 2),
        "identical": one == four,
        "all": len(one) == given.comments,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
