"""Download throughput beside streamlink, yt-dlp and ffmpeg over three shapes of link; peak memory.

`python -m bench.download [--rounds 3] [--seconds 1320] [--gigabytes 4]`

All fetch the same 6 Mbit/s rendition of the same VOD from the Twitch stand-in into one file. The clock runs from a
tool's first segment request until its last byte is in the file, so nobody's start-up counts; rounds are interleaved and
each tool's best one counts, which other load on the machine disturbs least. We run as the stack does, with as many
segments at once as the link rewards, and with fixed numbers of them. Memory is the process's peak resident set: of each
run, of a VOD of 4 GB, and of one whose segments have 60 MB.
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

from bench.fetch_one import ADAPTIVE
from tests.peers.twitch import CDN_HOST
from tests.peers.twitch_process import TwitchPeer, running_twitch

ROOT = Path(__file__).resolve().parent.parent
LINKS: dict[str, tuple[str, dict[str, float]]] = {
    "loopback": ("Loopback", {}),
    "shaped": ("80 ms a request, 40 MB/s a connection", {"latency_ms": 80, "bytes_per_s": 40e6}),
    "crowded": (
        "80 ms a request, 20 MB/s a connection, 5 MB/s from 8 connections on",
        {"latency_ms": 80, "bytes_per_s": 20e6, "crowded_from": 8, "crowded_bytes_per_s": 5e6},
    ),
}
SOURCE_BITS = 6_000_000
LARGE_SEGMENT_S = 80
MEBIBYTE = 2**20


class Run(NamedTuple):
    """bytes_per_s: throughput.  peak_bytes: resident memory at its highest."""

    bytes_per_s: float
    peak_bytes: int


Command = Callable[[str, Path], list[str]]


def klipstream(at_once: int | str) -> Command:
    def command(base: str, folder: Path) -> list[str]:
        # As the stack starts its workers.
        environment = ["env", "MALLOC_ARENA_MAX=1"]
        return [*environment, sys.executable, "-m", "bench.fetch_one", base, str(folder), CDN_HOST, str(at_once)]

    return command


ours = klipstream(ADAPTIVE)


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


OURS = "klipstream"
FIXED: dict[str, Command] = {f"{OURS}, fixed {count}": klipstream(count) for count in (4, 6, 8)}
PEERS: dict[str, Command] = {
    "streamlink 1": streamlink(1),
    "streamlink 4": streamlink(4),
    "streamlink 8": streamlink(8),
    "yt-dlp -N 4": yt_dlp(4),
    "yt-dlp -N 8": yt_dlp(8),
    "ffmpeg": ffmpeg,
}
TOOLS = {OURS: ours, **FIXED, **PEERS}


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
    runs: dict[str, list[Run]] = {tool: [] for tool in TOOLS}
    for _ in range(rounds):
        for tool, command in TOOLS.items():
            runs[tool].append(measure(peer, command, size))
    peer.control(link={})
    speed = {tool: max(run.bytes_per_s for run in found) for tool, found in runs.items()}
    best, best_fixed = (max(speed[tool] for tool in tools) for tools in (PEERS, FIXED))
    print(f"\n{name}: {size / MEBIBYTE:.0f} MiB, best of {rounds}")
    for tool, value in speed.items():
        peak = max(run.peak_bytes for run in runs[tool]) / MEBIBYTE
        print(f"  {tool:19} {value / 1e6:6.0f} MB/s  {value / best:5.2f} of the best peer  {peak:4.0f} MiB")
    return {
        "of_best_peer": round(speed[OURS] / best, 3),
        "of_best_fixed": round(speed[OURS] / best_fixed, 3),
        "mb_per_s": {tool: round(value / 1e6, 1) for tool, value in speed.items()},
        "peak_mib": round(max(run.peak_bytes for run in runs[OURS]) / MEBIBYTE),
    }


def peak_mib(gigabytes: float, *, segment_seconds: int) -> int:
    with running_twitch() as peer:
        seconds = int(gigabytes * 8e9 / SOURCE_BITS) // segment_seconds * segment_seconds
        peer.fresh(seconds=seconds, segment_seconds=segment_seconds)
        return round(measure(peer, ours, int(seconds * SOURCE_BITS / 8 * 0.99)).peak_bytes / MEBIBYTE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=1320, help="of the VOD for throughput")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of the VOD for memory; 0 leaves it out")
    given = parser.parse_args()
    size = given.seconds * SOURCE_BITS // 8
    result: dict[str, Any] = {"benchmark": "download"}
    with running_twitch(cache_mb=size // MEBIBYTE + 64) as peer:
        peer.fresh(seconds=given.seconds, segment_seconds=10)
        measure(peer, ours, 1)  # segments are made once, before anybody is measured
        size = peer.stats()["bytes"]["chunked"]
        for name, (told, link) in LINKS.items():
            result[name] = compare(peer, told, link, given.rounds, size)
    if given.gigabytes:
        result["peak_mib"] = peak_mib(given.gigabytes, segment_seconds=10)
        print(f"\nPeak memory of a {given.gigabytes:g} GB VOD: {result['peak_mib']} MiB")
        result["peak_mib_of_large_segments"] = peak_mib(given.gigabytes, segment_seconds=LARGE_SEGMENT_S)
        print(f"Peak memory of one with segments of 60 MB: {result['peak_mib_of_large_segments']} MiB")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
