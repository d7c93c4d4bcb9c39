"""Media for the Twitch stand-in: a short loop made once by ffmpeg, repeated with its timestamps moved on.

The picture is small and the segments are padded with null packets to the bit rates that Twitch's renditions have.
"""

import hashlib
import shutil
import struct
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

PACKET = 188
CLOCK = 90_000
NULL_PACKET = bytes((0x47, 0x1F, 0xFF, 0x10)) + bytes(184)
LOOP_SEGMENTS = 4
ENCODERS = {
    "h264": ("libx264", "-preset", "ultrafast"),
    "h265": ("libx265", "-preset", "ultrafast", "-x265-params", "open-gop=0:log-level=none", "-tag:v", "hvc1"),
}
TIMESCALES = {1: 15360, 2: 48000}  # of ffmpeg's fMP4: 30 frames/s video, 48 kHz sound
RECIPE = "4"  # changes with what is made below
_making = threading.Lock()

# AAC frames fit whole into 8 s, so a loop of a multiple of that repeats without a seam.


@dataclass(frozen=True)
class Loop:
    """Segments of `seconds` each, of picture and sound (`av`) and of sound alone (`a`); `*_init` for fMP4."""

    seconds: float
    av: tuple[bytes, ...]
    a: tuple[bytes, ...]
    av_init: bytes = b""
    a_init: bytes = b""

    @property
    def period(self) -> float:
        return self.seconds * len(self.av)


def make_loop(seconds: int, *, fmp4: bool = False, codec: str = "h264") -> Loop:
    """A loop of LOOP_SEGMENTS segments, from the disk cache when it has been made before."""
    with _making:  # of the threads that want one at once the first makes it
        return _made(seconds, fmp4=fmp4, codec=codec)


@cache
def _made(seconds: int, *, fmp4: bool, codec: str) -> Loop:
    if seconds * LOOP_SEGMENTS % 8:
        raise ValueError("A loop has to be a multiple of 8 s.")
    kind = f"{codec} fmp4" if fmp4 else "ts"
    name = hashlib.sha256(f"{RECIPE} {seconds} {kind}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"klipstream-peer-twitch-{name}"
    if not (folder / "done").exists():
        _make(folder, seconds, fmp4=fmp4, codec=codec)
    suffix = "m4s" if fmp4 else "ts"
    # The first loop holds the encoder's lead-in and the last one its flush; the one between repeats without a seam.
    numbers = range(LOOP_SEGMENTS, 2 * LOOP_SEGMENTS)
    return Loop(
        seconds,
        tuple((folder / f"av{number}.{suffix}").read_bytes() for number in numbers),
        tuple((folder / f"a{number}.{suffix}").read_bytes() for number in numbers),
        (folder / "av-init.mp4").read_bytes() if fmp4 else b"",
        (folder / "a-init.mp4").read_bytes() if fmp4 else b"",
    )


def _make(folder: Path, seconds: int, *, fmp4: bool, codec: str) -> None:
    fresh = Path(tempfile.mkdtemp(prefix="klipstream-peer-"))
    length = 3 * LOOP_SEGMENTS * seconds
    beeps = "aevalsrc='0.4*sin(2*PI*(300+40*floor(t))*t)*lt(mod(t,1),0.5)':s=48000:c=stereo"
    sources = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", beeps]
    video = ["-c:v", *ENCODERS[codec], "-bf", "2", "-threads", "2", "-pix_fmt", "yuv420p"]
    video += ["-force_key_frames", f"expr:gte(t,n_forced*{seconds})", "-g", "9999", "-video_track_timescale", "15360"]
    sound = ["-c:a", "aac", "-b:a", "128k"]
    common = ["-t", str(length)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *sources]
    command += ["-map", "0:v", "-map", "1:a", *video, *sound, *common, *_muxer(fresh, "av", seconds, fmp4=fmp4)]
    command += ["-map", "1:a", *sound, *common, *_muxer(fresh, "a", seconds, fmp4=fmp4)]
    subprocess.run(command, check=True, cwd=fresh)
    (fresh / "done").touch()
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)  # another process was quicker


def _muxer(folder: Path, name: str, seconds: int, *, fmp4: bool) -> list[str]:
    options = ["-f", "hls", "-hls_time", str(seconds), "-hls_list_size", "0", "-muxdelay", "0", "-muxpreload", "0"]
    if fmp4:
        options += ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", f"{name}-init.mp4"]
    suffix = "m4s" if fmp4 else "ts"
    return [*options, "-hls_segment_filename", str(folder / f"{name}%d.{suffix}"), str(folder / f"{name}.m3u8")]


def ts_segment(loop: tuple[bytes, ...], number: int, *, seconds: float, bits: float, back_s: float = 0) -> bytes:
    """Segment `number` of the endless repetition of `loop`, padded to `bits`/s, its clock set back by `back_s`."""
    repeats, place = divmod(number, len(loop))
    packets = np.frombuffer(loop[place], np.uint8).reshape(-1, PACKET).copy()
    index = _index(loop[place])
    shift = round((repeats * len(loop) * seconds - back_s) * CLOCK)
    _move(packets.reshape(-1), index.stamps, shift)
    _move_clock(packets.reshape(-1), index.clocks, shift)
    for pid, rows in index.rows.items():
        a_loop = sum(len(_index(base).rows.get(pid, ())) for base in loop)
        packets[rows, 3] = (packets[rows, 3] & 0xF0) | ((packets[rows, 3] + a_loop * repeats % 16) & 0x0F)
    data = packets.tobytes()
    return data + NULL_PACKET * max(0, int(bits / 8 * seconds - len(data)) // PACKET)


@dataclass(frozen=True)
class _Index:
    stamps: NDArray[np.int64]  # byte offsets of PTS and DTS
    clocks: NDArray[np.int64]  # byte offsets of PCR
    rows: dict[int, NDArray[np.int64]]  # packets with a payload, by PID


@cache
def _index(base: bytes) -> _Index:
    stamps: list[int] = []
    clocks: list[int] = []
    rows: dict[int, list[int]] = {}
    for row in range(len(base) // PACKET):
        at = row * PACKET
        pid = (base[at + 1] & 0x1F) << 8 | base[at + 2]
        if base[at + 3] & 0x10:
            rows.setdefault(pid, []).append(row)
        payload = at + 4
        if base[at + 3] & 0x20:
            if base[at + 4] and base[at + 5] & 0x10:
                clocks.append(at + 6)
            payload += 1 + base[at + 4]
        if base[at + 1] & 0x40 and base[payload : payload + 3] == b"\0\0\1":
            flags = base[payload + 7] >> 6
            stamps += [payload + 9] * (flags >= 2) + [payload + 14] * (flags == 3)
    by_pid = {pid: np.array(found, np.int64) for pid, found in rows.items()}
    return _Index(np.array(stamps, np.int64), np.array(clocks, np.int64), by_pid)


def _move(data: NDArray[np.uint8], at: NDArray[np.int64], ticks: int) -> None:
    """Add `ticks` to the 33-bit timestamps at these offsets (ISO/IEC 13818-1, 2.4.3.7)."""
    b = [data[at + n].astype(np.int64) for n in range(5)]
    value = (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1
    value = (value + ticks) & (2**33 - 1)
    data[at] = (b[0] & 0xF1) | (value >> 30) << 1
    data[at + 1] = value >> 22 & 0xFF
    data[at + 2] = (value >> 15 & 0x7F) << 1 | 1
    data[at + 3] = value >> 7 & 0xFF
    data[at + 4] = (value & 0x7F) << 1 | 1


def _move_clock(data: NDArray[np.uint8], at: NDArray[np.int64], ticks: int) -> None:
    """The same for the program clock reference (2.4.3.5)."""
    b = [data[at + n].astype(np.int64) for n in range(5)]
    value = b[0] << 25 | b[1] << 17 | b[2] << 9 | b[3] << 1 | b[4] >> 7
    value = (value + ticks) & (2**33 - 1)
    for place, shift in enumerate((25, 17, 9, 1)):
        data[at + place] = value >> shift & 0xFF
    data[at + 4] = (value & 1) << 7 | b[4] & 0x7F


def fmp4_segment(loop: tuple[bytes, ...], number: int, *, seconds: float, bits: float) -> bytes:
    """The same for fMP4, padded with a `free` box."""
    repeats, place = divmod(number, len(loop))
    data = bytearray(loop[place])
    tracks = _tracks(loop[place])
    for at, track in tracks:
        (value,) = struct.unpack_from(">Q", data, at)
        moved = round(repeats * len(loop) * seconds * tracks_scale(tracks, track))
        struct.pack_into(">Q", data, at, value + moved)
    padding = int(bits / 8 * seconds) - len(data)
    return bytes(data) + (struct.pack(">I4s", padding, b"free") + bytes(padding - 8) if padding >= 8 else b"")


def tracks_scale(tracks: tuple[tuple[int, int], ...], track: int) -> int:
    """Sound is track 2 beside a picture, and track 1 alone."""
    alone = {number for _, number in tracks} == {1}
    return TIMESCALES[2] if alone else TIMESCALES[track]


@cache
def _tracks(base: bytes) -> tuple[tuple[int, int], ...]:
    """Where the 64-bit decode times are, with their track's number."""
    found = []
    at = base.find(b"tfdt")
    while at >= 0:
        header = base.rfind(b"tfhd", 0, at)
        found.append((at + 8, struct.unpack_from(">I", base, header + 8)[0]))
        at = base.find(b"tfdt", at + 4)
    return tuple(found)
