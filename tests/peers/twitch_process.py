"""The Twitch stand-in as a process of its own, and the hands on its switches."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from shared.net.retry import RetryPolicy
from tests.conftest import wait_until
from tests.peers.twitch import CDN_HOST, WEB_CLIENT
from workers.download.resolver import TwitchAccess
from workers.download.twitch import TwitchSource

ROOT = Path(__file__).resolve().parent.parent.parent
HOSTS = ("gql.twitch.tv", "usher.ttvnw.net", CDN_HOST)
QUICK = RetryPolicy(attempts=4, base_s=0.01, cap_s=5.0)


class TwitchPeer:
    """One running stand-in."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.host_map = dict.fromkeys(HOSTS, base)

    def setting(self) -> str:
        """TWITCH_HOST_MAP that points here."""
        return ",".join(f"{host}={base}" for host, base in self.host_map.items())

    def control(self, **switches: Any) -> None:
        requests.post(f"{self.base}/_control", json=switches, timeout=30).raise_for_status()

    def fresh(self, **vod: Any) -> None:
        """No faults, counters at 0, and one VOD, number 42 unless told otherwise."""
        self.control(reset=True, link={}, integrity=[WEB_CLIENT], vods=[{"id": "42", **vod}])

    def fault(self, match: str, *, times: int = 1_000_000, skip: int = 0, vod: str | None = None, **do: Any) -> None:
        only = {} if vod is None else {"vod": vod}
        self.control(faults=[{"match": match, "times": times, "skip": skip, "do": do, **only}])

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.base}/_stats", timeout=30).json()
        return found

    def count(self, kind: str) -> int:
        return int(self.stats()["counts"].get(kind, 0))

    def asked(self, prefix: str) -> Counter[str]:
        """How often each thing whose key begins so was asked for."""
        keys: dict[str, int] = self.stats()["keys"]
        return Counter({key.removeprefix(prefix): count for key, count in keys.items() if key.startswith(prefix)})

    def source(self, video_id: str = "42", **options: Any) -> TwitchSource:
        """The real source, pointed here, with short waits between tries."""
        access = TwitchAccess(client_id=WEB_CLIENT, host_map=self.host_map, max_hours=12, retry=QUICK)
        asked = {name: options.pop(name) for name in TwitchAccess._fields if name in options}
        return TwitchSource(
            video_id, access._replace(**asked), **{"min_free_bytes": 0, "segment_retry": QUICK, **options}
        )


@contextmanager
def running_twitch(*, cache_mb: int = 64) -> Iterator[TwitchPeer]:
    """A stand-in, while the block runs."""
    with TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [sys.executable, "-m", "tests.peers.twitch", "--port-file", str(port_file)]
        process = subprocess.Popen([*command, "--cache-mb", str(cache_mb)], cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: port_file.exists() or process.poll() is not None, seconds=30)
            yield TwitchPeer(f"http://127.0.0.1:{port_file.read_text()}")
        finally:
            process.terminate()
            process.wait(10)
