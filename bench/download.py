"""Download throughput beside streamlink, yt-dlp and ffmpeg, on loopback and on a shaped link; peak memory of 4 GB.

`python -m bench.download [--rounds 3] [--seconds 660] [--gigabytes 4]`

All fetch the same 6 Mbit/s rendition of the same VOD from the Twitch stand-in into one file. The clock runs from a
tool's first segment request until its last byte is in the file, so nobody's start-up counts; rounds are interleaved and
each tool's best one counts, which other load on the machine disturbs least. We run with the default of six segments at
once, and with as many as the widest peer. Memory is the process's peak resident set.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import imageio_ffmpeg

from tests.peers.twitch import CDN_HOST
from tests.peers.twitch_process import TwitchPeer, running_twitch

ROOT = Path(__file__).resolve().parent.parent
SHAPED = {"latency_ms": 80.0, "bytes_per_s": 40e6}
SOURCE_BITS = 6_000_000
MEBIBYTE = 2**20


class Run(NamedTuple):
    """bytes_per_s: throughput.  peak_bytes: resident memory at its highest."""

    bytes_per_s: float
    peak_bytes: int


Command = Callable[[str, Path], list[str]]


def klipstream(at_once: int) -> Command:
    def command(base: str, folder: Path) -> list[str]:
        # As the stack starts its workers.
        environment = ["env", "MALLOC_ARENA_MAX=1"]
        return [*environment, sys.executable, "-m", "bench.fetch_one", base, str(folder), CDN_HOST, str(at_once)]

    return command


ours = klipstream(6)  # the default


def streamlink(threads: int) -> Command:
    def command(base: str, folder: Path) -> list[str]:
        options = ["--stream-segment-threads", str(threads), "--force", "--no-config", "-l", "error"]
        target = ["-o", str(folder / "out.ts"), f"hls://{playlist(base)}", "best"]
        return [sys.executable, "-m", "streamlink", *options, *target]

    return command


def yt_dlp(fragments: int) -> Command:
    def command(base: str, folder: Path) -> list[str]:
        options = ["-q", "--no-warnings", "--no-config", "--no-cache-dir", "--fixup", "never", "-N", str(fragments)]
        options += ["--downloader", "native"]
        return [sys.executable, "-m", "yt_dlp", *options, "-o", str(folder / "out.ts"), playlist(base)]

    return command


def ffmpeg(base: str, folder: Path) -> list[str]:
    options = ["-v", "error", "-nostdin", "-i", playlist(base), "-c", "copy", "-f", "mpegts"]
    return [imageio_ffmpeg.get_ffmpeg_exe(), *options, str(folder / "out.ts")]


PEERS: dict[str, Command] = {
    "klipstream 6": ours,
    "klipstream 8": klipstream(8),
    "streamlink 1": streamlink(1),
    "streamlink 4": streamlink(4),
    "streamlink 8": streamlink(8),
    "yt-dlp -N 4": yt_dlp(4),
    "yt-dlp -N 8": yt_dlp(8),
    "ffmpeg": ffmpeg,
}


OURS = ("klipstream 6", "klipstream 8")


def playlist(base: str) -> str:
    """The stand-in's media playlist itself, for tools that need no token."""
    return f"{base}/t1/42/chunked/index-dvr.m3u8"


def measure(peer: TwitchPeer, command: Command, expected_bytes: int) -> Run:
    """One download. Raises when the tool fails or loses some of the recording."""
    peer.control(reset=True)
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(command(peer.base, Path(folder)), cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        files = [path.stat() for path in Path(folder).rglob("*") if path.is_file()]
        written = sum(file.st_size for file in files)
        ended = max((file.st_ctime for file in files), default=0.0)
    stats = peer.stats()
    sent = stats["bytes"].get("chunked", 0)
    # ffmpeg leaves the padding out of what it writes, so what was sent counts.
    if process.returncode or sent < expected_bytes or not written:
        raise RuntimeError(f"failed with {process.returncode}, {sent} of {expected_bytes} bytes: {process.args!r}")
    return Run(expected_bytes / (ended - stats["first_segment_at"]), usage.ru_maxrss * 1024)


def compare(peer: TwitchPeer, name: str, link: dict[str, float], rounds: int, size: int) -> dict[str, Any]:
    """Every tool in turn, `rounds` times; prints a table and returns the ratios."""
    peer.control(link=link)
    runs: dict[str, list[Run]] = {tool: [] for tool in PEERS}
    for _ in range(rounds):
        for tool, command in PEERS.items():
            runs[tool].append(measure(peer, command, size))
    peer.control(link={})
    speed = {tool: max(run.bytes_per_s for run in found) for tool, found in runs.items()}
    best = max(value for tool, value in speed.items() if tool not in OURS)
    print(f"\n{name}: {size / MEBIBYTE:.0f} MiB, best of {rounds}")
    for tool, value in speed.items():
        peak = max(run.peak_bytes for run in runs[tool]) / MEBIBYTE
        print(f"  {tool:13} {value / 1e6:6.0f} MB/s  {value / best:5.2f} of the best peer  {peak:4.0f} MiB")
    return {tool: round(speed[tool] / best, 3) for tool in OURS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=660, help="of the VOD for throughput")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of the VOD for memory; 0 leaves it out")
    given = parser.parse_args()
    size = given.seconds * SOURCE_BITS // 8
    result: dict[str, Any] = {"benchmark": "download"}
    with running_twitch(cache_mb=size // MEBIBYTE + 64) as peer:
        peer.fresh(seconds=given.seconds, segment_seconds=10)
        measure(peer, ours, 1)  # segments are made once, before anybody is measured
        size = peer.stats()["bytes"]["chunked"]
        result["loopback"] = compare(peer, "Loopback", {}, given.rounds, size)
        result["shaped"] = compare(peer, "80 ms a request, 40 MB/s a connection", SHAPED, given.rounds, size)
    if given.gigabytes:
        with running_twitch() as peer:
            peer.fresh(seconds=int(given.gigabytes * 8e9 / SOURCE_BITS) // 10 * 10, segment_seconds=10)
            run = measure(peer, ours, int(given.gigabytes * 0.99e9))
        result["peak_mib"] = round(run.peak_bytes / MEBIBYTE)
        print(f"\nPeak memory of a {given.gigabytes:g} GB VOD: {result['peak_mib']} MiB")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
