"""One raw download as a worker does it, in a process of its own that imports nothing else: what `bench.download` runs.

`python -m bench.fetch_one BASE FOLDER CDN_HOST SEGMENTS_AT_ONCE`; `adaptive` segments at once as the stack does.
"""

import sys
from pathlib import Path

from shared.progress import silent
from workers.download.concurrency import Bounds
from workers.download.hls import FetchSettings
from workers.download.hls_recording import HlsRecording
from workers.download.resolver import Resolver, TwitchAccess

ADAPTIVE = "adaptive"


def main() -> None:
    base, folder, cdn, at_once = sys.argv[1:]
    hosts = dict.fromkeys(("gql.twitch.tv", "usher.ttvnw.net", cdn), base)
    resolver = Resolver("42", TwitchAccess(client_id="bench", host_map=hosts, max_hours=12))
    bounds = Bounds() if at_once == ADAPTIVE else Bounds.fixed(int(at_once))
    settings = FetchSettings(at_once=bounds)
    recording = HlsRecording(resolver.session, resolver.load, settings=settings, min_free_bytes=0)
    recording.fetch("picture", work=Path(folder), progress=silent)


if __name__ == "__main__":
    main()
