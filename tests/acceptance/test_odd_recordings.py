"""Recordings as programs, phones and people leave them, through the whole stack: what comes out is what was in."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest

from tests.acceptance.conftest import Api, running_stack
from tests.flash_and_beep import HERTZ, look_at, make
from tests.recordings import AAC, ffmpeg

SECONDS = 14
RECODED = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "copy")
PHONE = ("-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr", *RECODED)
LOUD = f"0.5*sin(2*PI*{HERTZ[0]}*t)*lt(mod(t,1),0.1)"


class Case(NamedTuple):
    """make: from the flashing recording to the odd one.  size: of its clips.  begins_s: where it begins in that one."""

    name: str
    make: Callable[[Path, Path], None]
    size: tuple[int, int] = (64, 36)
    begins_s: float = 0.0
    rate: str | None = "25/1"


def copied(*options: str) -> Callable[[Path, Path], None]:
    return lambda base, into: ffmpeg("-i", base, "-c", "copy", *options, into)


def recoded(*options: str) -> Callable[[Path, Path], None]:
    return lambda base, into: ffmpeg("-i", base, *RECODED, *options, into)


def sounding(channels: str, layout: str) -> Callable[[Path, Path], None]:
    sound = ("-f", "lavfi", "-i", f"aevalsrc='{channels}':c={layout}:s=48000:d={SECONDS}")
    return lambda base, into: ffmpeg("-i", base, *sound, "-map", "0:v", "-map", "1", "-c:v", "copy", *AAC, into)


def turned(degrees: int) -> Callable[[Path, Path], None]:
    def turn(base: Path, into: Path) -> None:
        ffmpeg("-i", base, *PHONE, flat := into.with_suffix(".flat.mp4"))
        ffmpeg("-display_rotation", str(degrees), "-i", flat, "-c", "copy", into)
        flat.unlink()

    return turn


def covered(base: Path, into: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:s=300x300:d=1", "-frames:v", "1", cover := into.with_suffix(".png"))
    two = ("-map", "0", "-map", "1", "-c", "copy", "-c:v:0", "mjpeg", "-disposition:v:0", "0")
    ffmpeg("-i", cover, "-i", base, *two, "-disposition:v:1", "default", into)
    cover.unlink()


CASES = [
    Case("trimmed.mp4", lambda base, into: ffmpeg("-ss", "3.9", "-i", base, "-c", "copy", into), begins_s=3.9),
    Case("cover.mkv", covered),
    Case("ten hours.m2ts", copied("-f", "mpegts", "-mpegts_m2ts_mode", "1", "-output_ts_offset", "36000")),
    Case("timecode.mp4", copied("-timecode", "10:00:00:00")),
    Case("centre of five.mp4", sounding(f"0|0|{LOUD}|0|0|0", "5.1")),
    Case("right ear.mp4", sounding(f"0|{LOUD}", "stereo")),
    Case("phone 90.mp4", turned(90), (36, 64), rate=None),
    Case("phone 180.mp4", turned(180), rate=None),
    Case("phone 270.mp4", turned(270), (36, 64), rate=None),
    Case("odd.mkv", recoded("-vf", "scale=279:119,setsar=1,format=yuv444p"), (278, 118)),
    Case("ten bit.mp4", recoded("-pix_fmt", "yuv420p10le")),
    Case('it\'s "5" \U0001f600 #1?&%20.mp4', copied()),
    Case("-i.mp4", copied()),
    Case("ü" * 120 + ".mp4", copied()),
    Case("n" * 251 + ".mp4", copied()),
]
NAMES = [case.name[:30] for case in CASES]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    base = make(tmp_path_factory.mktemp("base") / "base.mp4", rate="25", key_s=2, seconds=SECONDS)
    for number, case in enumerate(CASES):
        # Names of 255 bytes leave no room for what is made on the way.
        made = folder / f"{number}{Path(case.name).suffix}"
        case.make(base, made)
        made.rename(folder / case.name)
    chat = [{"content_offset_seconds": 5 + n / 20, "commenter": {"name": f"u{n}"}, "message": {"body": "LUL"}}
            for n in range(60)]  # fmt: skip
    (folder / "chat.json").write_text(json.dumps({"comments": chat}))
    return folder


@pytest.fixture(scope="module")
def api(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running_stack(tmp_path_factory.mktemp("odd"), LOCAL_MEDIA_DIR=str(media)) as stack, Api(stack.url) as client:
        yield client


@pytest.fixture(scope="module")
def jobs(api: Api) -> dict[str, str]:
    options = {"transcriber": "none", "highlights": 1}
    return {
        case.name: api.submit(f"file:{case.name}", chat_url="file:chat.json", options=options)["job_id"]
        for case in CASES
    }


def beats(moments: np.ndarray, case: Case) -> np.ndarray:
    """How far moments of the clip are from whole seconds of the flashing recording."""
    there = moments[moments > 0.2] + case.begins_s
    assert len(there) > 3
    return np.asarray(there - np.round(there))


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_an_odd_recording_is_cut_as_it_is_shown(api: Api, jobs: dict[str, str], case: Case, tmp_path: Path) -> None:
    job = api.wait(jobs[case.name], seconds=240)

    assert job["status"] == "completed", job["error"]
    assert not any("jumps" in warning or "silent" in warning for warning in job["warnings"]), job["warnings"]
    video: dict[str, Any] = job["video"]
    assert video["file_name"] == case.name
    assert video["duration_seconds"] == pytest.approx(SECONDS - case.begins_s, abs=0.1)
    assert video["frame_rate"] == case.rate if case.rate else video["variable_frame_rate"]
    (found,) = api.results(job["job_id"])["highlights"]
    path = api.download(found["clip_url"], tmp_path)
    clip = look_at(path)
    with av.open(str(path)) as container:
        picture = container.streams.video[0]
        assert (picture.width, picture.height, picture.codec_context.pix_fmt) == (*case.size, "yuv420p")
    assert clip.times[0] == 0
    assert np.abs(beats(clip.flashes() + found["start_seconds"], case)).max() <= 0.06
    assert np.abs(beats(clip.beeps(0) + found["start_seconds"], case)).max() <= 0.045


@pytest.mark.parametrize("case", CASES[-4:], ids=NAMES[-4:])
@pytest.mark.parametrize("form", ["csv", "edl", "fcpxml", "otio", "premiere", "mlt"])
def test_exports_of_odd_names_can_be_fetched(api: Api, jobs: dict[str, str], case: Case, form: str) -> None:
    job_id = jobs[case.name]
    api.wait(job_id, seconds=240)

    assert api.http.get(f"/api/v1/analysis/{job_id}/export/{form}").status_code == 200


@pytest.mark.parametrize(
    "name", ["line\nbreak.mp4", "tab\t.mp4", "back\\slash.mp4", "right to left\u202e4pm.exe", "n" * 256]
)
def test_names_that_show_as_something_else_are_refused(api: Api, name: str) -> None:
    answer = api.http.post("/api/v1/analysis", json={"url": f"file:{name}"})

    assert (answer.status_code, answer.json()["code"]) == (422, "UNSUPPORTED_SOURCE")
