"""Cut a clip out of a local media file, and choose its liveliest picture."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

from shared.atomic import written_whole
from shared.errors import FileMissing, ProcessingTimeout, UnclassifiedError, UnsupportedFormat
from shared.net.edges import exit_error, shortage
from workers.media.clip_filters import Shape, encoder_clock, picture_filter, sound_filter
from workers.media.cut_point import CutPoint, find_cut
from workers.media.ffmpeg import dying_with_us

TIMEOUT_BASE_S, TIMEOUT_PER_S = 60.0, 20.0  # for a clip: so much, and so much a second of it
THUMBNAIL_WIDTH = 640
MOST_THREADS = 4  # of the encoder and of the filters
_DECODER_THREADS = 2
# By its own choice x264 takes a thread a core and looks ahead in one more that it does not wait for: the same clip then
# differs from run to run.
_SAME_EACH_TIME = "threads={threads}:sync-lookahead=0"
_SDR_TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
_THUMBNAIL_FRAMES = 40


def cut_clip(
    part: Path,
    *,
    begins_at_s: float,
    start_s: float,
    end_s: float,
    into: Path,
    sound: int = 0,
    vertical: bool = False,
    shape: Shape | None = None,
    ffmpeg: str,
    threads: int = MOST_THREADS,
) -> None:
    """Write start_s to end_s of the recording as H.264/AAC mp4 that can be played while it loads.

    part: a local file whose timestamp 0 is the recording's `begins_at_s`.  sound: which of its sound tracks, from 0.
    vertical: the middle as 9:16, 720 x 1280.  shape: the size and rate it is to have instead of
    its own.  threads: the most that each part of ffmpeg takes.  Everything is encoded again, so that the clip begins
    with the picture nearest to start_s and not at the key frame before.  Raises FileMissing, UnsupportedFormat,
    ProcessingTimeout, InsufficientStorage, OutOfMemory (also when ffmpeg was killed), and UnclassifiedError when there
    is no working ffmpeg.
    """
    if not part.is_file():
        raise FileMissing("The piece of the recording to cut from is not there.")
    if end_s <= start_s:
        raise UnsupportedFormat("The clip would be empty.")
    cut = find_cut(part, start_s=start_s - begins_at_s, end_s=end_s - begins_at_s, sound=sound)
    cut = cut.at(shape.rate) if shape else cut
    pictures = picture_filter(cut, vertical=vertical, shape=shape)
    _write(
        _command(part, cut, sound, pictures, ffmpeg, threads),
        into,
        timeout_s=TIMEOUT_BASE_S + TIMEOUT_PER_S * (end_s - start_s),
    )
    _check(into)


def _command(part: Path, cut: CutPoint, sound: int, pictures: str, ffmpeg: str, threads: int) -> list[str]:
    # The file's own clock is kept up to the filters, which cut to the picture; -ss only spares reading all before it.
    seek = () if cut.seek_s is None else ("-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{cut.seek_s:.6f}")
    sounds = ("-map", f"0:a:{sound}", "-af", sound_filter(cut), "-c:a", "aac", "-b:a", "160k", "-ac", "2")
    most, decoders = min(threads, MOST_THREADS), min(threads, _DECODER_THREADS)
    return [
        ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-filter_threads", str(most),
        "-threads", str(decoders), "-copyts",
        "-protocol_whitelist", "file", "-f", cut.demuxer, *seek, "-i", f"file:{part.resolve()}",
        "-map", f"0:{cut.picture}", "-vf", pictures, *(sounds if cut.has_sound else ()),
        "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1",
        "-fps_mode", "passthrough", "-enc_time_base:v", encoder_clock(cut.rate),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "21",
        "-x264-params", _SAME_EACH_TIME.format(threads=most),
        "-pix_fmt", "yuv420p", *(_SDR_TAGS if cut.hdr else ()), "-movflags", "+faststart", "-f", "mp4",
    ]  # fmt: skip


def _write(command: list[str], into: Path, *, timeout_s: float) -> None:
    """Run `command`, which writes `into` when all went well."""
    # An ffmpeg of an earlier try, whose worker was killed, may still write to a file of its own.
    with written_whole(into) as temporary:
        _run([*command, f"file:{temporary.resolve()}"], timeout_s=timeout_s)


def _run(command: list[str], *, timeout_s: float) -> None:
    with tempfile.TemporaryFile() as stderr:
        # Its own group, so that nothing of it is left when this stage is cancelled.
        try:
            process = subprocess.Popen(
                dying_with_us(command), stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
            )
        except OSError as error:
            raise (shortage(error) or UnclassifiedError("ffmpeg can't be started on this worker.")) from error
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProcessingTimeout("Cutting a clip took too long.") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        stderr.seek(0)
        message = stderr.read(4000).decode(errors="replace")
    if process.returncode:
        cut_off = exit_error(process.returncode, message)
        raise cut_off or UnsupportedFormat("The clip could not be cut from the recording.")


def _check(clip: Path) -> None:
    try:
        with av.open(str(clip)) as container:
            if container.streams.video and next(container.decode(container.streams.video[0]), None) is not None:
                return
    except av.error.FFmpegError as error:
        raise (shortage(error) or UnsupportedFormat("The clip that was cut can't be read.")) from error
    raise UnsupportedFormat("The recording has no picture at this place.")


def thumbnail(clip: Path, *, into: Path, ffmpeg: str, threads: int = MOST_THREADS) -> None:
    """Write the liveliest picture of `clip` as a jpg, 640 pixels wide at most."""
    second = _liveliest(clip)
    command = [
        ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-filter_threads", "1",
        "-threads", str(min(threads, _DECODER_THREADS)), "-protocol_whitelist", "file", "-f", "mov",
        "-ss", f"{second:.3f}", "-i", f"file:{clip.resolve()}", "-frames:v", "1",
        "-vf", f"scale='min({THUMBNAIL_WIDTH},iw)':-2", "-q:v", "3", "-f", "mjpeg",
    ]  # fmt: skip
    _write(command, into, timeout_s=TIMEOUT_BASE_S)


def _liveliest(clip: Path) -> float:
    """The second whose picture has most contrast and colour and differs most from the one before."""
    try:
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            length = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 1.0
            # A clip that begins in a gap of the recording has its first picture later; -ss counts from there.
            begins = (container.start_time or 0) / av.time_base
            step, due, last = length / _THUMBNAIL_FRAMES, 0.0, None
            best, best_at = -1.0, 0.0
            for frame in container.decode(stream):
                if frame.time is None or frame.time < due:
                    continue
                due = frame.time + step
                picture = frame.reformat(width=64, height=36, format="rgb24").to_ndarray().astype(np.float32)
                life = _life(picture, last)
                if life > best:
                    best, best_at = life, max(0.0, frame.time - begins)
                last = picture
    except (av.error.FFmpegError, IndexError) as error:
        raise (shortage(error) or UnsupportedFormat("The clip can't be read.")) from error
    return best_at


def _life(picture: np.ndarray, last: np.ndarray | None) -> float:
    contrast = float(picture.std())
    colour = float((picture.max(axis=2) - picture.min(axis=2)).mean())
    change = float(np.abs(picture - last).mean()) if last is not None else 0.0
    return contrast + 0.5 * colour + min(change, 40.0)
