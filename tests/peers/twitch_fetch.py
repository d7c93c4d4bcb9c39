"""Fetches one thing of VOD 42 in a process of its own, so that a test can kill it.

`python -m tests.peers.twitch_fetch BASE sound|picture|chat INTO WORK`
"""

import sys
from pathlib import Path

from shared.progress import silent
from tests.peers.twitch_process import TwitchPeer

AT_ONCE = 5  # segments on their way at most


def main() -> None:
    base, what, into, work = sys.argv[1:]
    source = TwitchPeer(base).source(segments_at_once=AT_ONCE)
    target, folder = Path(into), Path(work)
    if what == "sound":
        source.fetch_sound(target, work=folder, progress=silent)
    elif what == "picture":
        source.fetch_video(target, work=folder, progress=silent)
    else:
        source.fetch_chat(target, work=folder, progress=silent)


if __name__ == "__main__":
    main()
