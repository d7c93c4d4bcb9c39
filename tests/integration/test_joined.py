"""A recording in several files, of any container, rate and size, is one timeline."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from shared.errors import ChatUnavailable, FileMissing, InvalidRequest, UnsupportedFormat, VideoSizeExceeded
from shared.progress import silent
from tests.flash_and_beep import HERTZ, Seen, look_at, make
from tests.recordings import ffmpeg, recording
from workers.download.joined import JoinedSource
from workers.media.clips import cut_clip

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SECONDS = (7, 5, 6)  # each part's second 0 begins with a flash and a beep
TOGETHER_S = 0.040
ALIKE = {"a.mkv": ("25", "64x36"), "b.mkv": ("25", "64x36"), "c.mkv": ("25", "64x36")}
UNLIKE = {"a.mkv": ("29.97", "128x72"), "b.ts": ("25", "64x36"), "c.webm": ("vfr", "36x64")}
OTHERS = {"a.mp4": ("59.94", "64x36"), "b.flv": ("23.976", "64x48"), "c.m2ts": ("25", "128x72")}


@pytest.fixture(params=[ALIKE, UNLIKE, OTHERS], ids=["alike", "unlike", "others"])
def joined(request: pytest.FixtureRequest, tmp_path: Path) -> JoinedSource:
    """Parts made by ffmpeg, their sound fetched to audio.m4a."""
    kinds: dict[str, tuple[str, str]] = request.param
    for (name, (rate, size)), seconds in zip(kinds.items(), SECONDS, strict=True):
        make(tmp_path / name, rate=rate, key_s=2, seconds=seconds, size=size)
    return fetched(tmp_path, *kinds)


def fetched(folder: Path, *names: str, audio_track: int | None = None) -> JoinedSource:
    source = JoinedSource(names, root=folder, max_hours=1, audio_track=audio_track)
    source.describe()
    source.fetch_sound(folder / "audio.m4a", work=folder, progress=silent)
    return source


def begins(sound: Path, hertz: int = HERTZ[0]) -> np.ndarray:
    """When beeps begin in a file without picture."""
    video = sound.with_name("seen.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=black:s=64x36:r=5", "-i", sound, "-map", "0", "-map", "1", "-c:a", "copy",
           "-shortest", video)  # fmt: skip
    beeps = look_at(video).beeps(HERTZ.index(hertz))
    return beeps[beeps > 0.5]  # what is heard from the first instant on does not begin


def clip(source: JoinedSource, folder: Path, start_s: float, end_s: float) -> Seen:
    part = source.fetch_part(start_s, end_s, work=folder)
    assert part is not None
    cut_clip(
        part.path, begins_at_s=part.begins_at_seconds, start_s=start_s, end_s=end_s, into=folder / "clip.mp4",
        sound=part.sound, ffmpeg=FFMPEG,
    )  # fmt: skip
    return middle(folder / "clip.mp4")


def middle(video: Path) -> Seen:
    """The middle of the picture, where no part has black beside it."""
    cropped = video.with_name("middle.mp4")
    ffmpeg("-i", video, "-vf", "crop=16:16", "-fps_mode", "passthrough", "-c:v", "libx264", "-c:a", "copy", cropped)
    return look_at(cropped)


def test_every_second_of_every_part_is_where_the_parts_before_it_end(joined: JoinedSource, tmp_path: Path) -> None:
    beeps = begins(tmp_path / "audio.m4a")

    assert np.round(beeps).tolist() == list(range(1, 18))
    assert np.abs(beeps - np.round(beeps)).max() <= TOGETHER_S


def test_the_timeline_is_the_sum_of_the_parts(tmp_path: Path) -> None:
    for name, seconds in zip(ALIKE, SECONDS, strict=True):
        make(tmp_path / name, rate="25", key_s=2, seconds=seconds)

    source = JoinedSource(tuple(ALIKE), root=tmp_path, max_hours=1)
    sound = source.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)

    assert sound.duration_seconds == pytest.approx(18, abs=0.01)
    assert [part.file_name for part in sound.parts] == list(ALIKE)
    assert [part.begins_at_seconds for part in sound.parts] == pytest.approx([0, 7, 12], abs=0.01)


@pytest.mark.parametrize(("start_s", "end_s", "second"), [(1.3, 3.8, 1), (8.3, 10.8, 1), (13.3, 17.5, 1)])
def test_a_clip_inside_a_part_is_cut_from_that_part(
    joined: JoinedSource, tmp_path: Path, start_s: float, end_s: float, second: int
) -> None:
    seen = clip(joined, tmp_path, start_s, end_s)

    assert seen.second_at(0) == second
    check_together(seen, start_s, np.arange(np.ceil(start_s), np.ceil(end_s)))


def test_a_clip_over_a_joint_holds_both_sides(joined: JoinedSource, tmp_path: Path) -> None:
    seen = clip(joined, tmp_path, 5.3, 9.5)

    assert [seen.second_at(at) for at in (0.0, 1.3, 2.3, 3.4)] == [5, 6, 0, 1]
    check_together(seen, 5.3, np.array([6, 7, 8, 9]))


def test_a_clip_over_two_joints_holds_all_of_the_part_between(joined: JoinedSource, tmp_path: Path) -> None:
    seen = clip(joined, tmp_path, 5.3, 13.5)

    assert [seen.second_at(at) for at in (0.3, 2.3, 5.3, 7.4)] == [5, 0, 3, 0]
    check_together(seen, 5.3, np.arange(6, 14))


def test_the_whole_video_is_one_file(joined: JoinedSource, tmp_path: Path) -> None:
    joined.fetch_video(tmp_path / "video.mp4", work=tmp_path, progress=silent)

    seen = middle(tmp_path / "video.mp4")

    seconds = [seen.second_at(at + 0.5) for at in range(18)]
    assert seconds == [*range(7), *range(5), *range(6)]
    check_together(seen, 0.0, np.arange(1, 18))
    assert seen.ends_s == pytest.approx((18, 18), abs=0.06)


def check_together(seen: Seen, start_s: float, seconds: np.ndarray) -> None:
    """Flashes and beeps at these seconds of the timeline, and only there."""
    flashes, beeps = seen.flashes() + start_s, seen.beeps(0) + start_s
    beeps = beeps[beeps > 0.5]  # what is heard from the first instant on does not begin
    assert np.round(flashes).tolist() == seconds.tolist()
    assert np.round(beeps).tolist() == seconds.tolist()
    # A picture is up to 84 ms long in the recording whose rate varies, 42 ms in the others.
    assert np.abs(beeps - seconds).max() <= TOGETHER_S
    assert np.abs(flashes - seconds).max() <= 0.084


def test_fifty_parts_add_up_to_no_drift(tmp_path: Path) -> None:
    # Given a recording cut into fifty files whose sound reaches a little behind the picture
    make(tmp_path / "part0.mkv", rate="25", key_s=1, seconds=2)
    names = ["part0.mkv", *(f"part{number}.mkv" for number in range(1, 50))]
    for name in names[1:]:
        (tmp_path / name).hardlink_to(tmp_path / "part0.mkv")

    fetched(tmp_path, *names)

    beeps = begins(tmp_path / "audio.m4a")
    assert round(beeps[-1]) == 99
    assert np.abs(beeps - np.round(beeps)).max() <= TOGETHER_S


def test_a_part_without_the_track_gives_another_and_says_so(tmp_path: Path) -> None:
    # Given a first part whose default track is silent up to its second one, and a second one with one track
    make(tmp_path / "two.mkv", rate="25", key_s=2, seconds=5, sounds=2)
    ffmpeg("-i", tmp_path / "two.mkv", "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "aac",
           "-filter:a:0", "volume=0", tmp_path / "quiet.mkv")  # fmt: skip
    make(tmp_path / "one.mp4", rate="25", key_s=2, seconds=5)

    source = JoinedSource(("quiet.mkv", "one.mp4"), root=tmp_path, max_hours=1)
    sound = source.fetch_sound(tmp_path / "audio.m4a", work=tmp_path, progress=silent)

    assert (sound.track, sound.tracks) == (2, 2)
    assert any("one.mp4: There is no sound track 2" in warning for warning in sound.warnings)
    assert np.round(begins(tmp_path / "audio.m4a", HERTZ[1])).tolist() == [1, 2, 3, 4]
    assert begins(tmp_path / "audio.m4a", HERTZ[0]).round().tolist() == [5, 6, 7, 8, 9]


def test_a_track_that_a_part_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path / "two.mkv", rate="25", key_s=2, seconds=3, sounds=2)
    recording(tmp_path / "one.mp4", seconds=1)

    with pytest.raises(InvalidRequest, match=r"one\.mp4: There is no sound track 2") as refused:
        JoinedSource(("two.mkv", "one.mp4"), root=tmp_path, max_hours=1, audio_track=2).describe()

    assert list(refused.value.errors or {}) == ["options.audio_track"]


def test_wrong_parts_are_told_by_name(tmp_path: Path) -> None:
    recording(tmp_path / "a.mkv", seconds=1)
    recording(tmp_path / "sound.m4a", "-map", "1", "-c:a", "aac", seconds=1)
    recording(tmp_path / "silent.mkv", "-map", "0", "-c:v", "libx264", seconds=1)

    def joined(name: str) -> JoinedSource:
        return JoinedSource(("a.mkv", name), root=tmp_path, max_hours=1)

    with pytest.raises(FileMissing, match=r"missing\.mkv"):
        joined("missing.mkv").describe()
    with pytest.raises(UnsupportedFormat, match=r"sound\.m4a: Either all parts"):
        joined("sound.m4a").describe()
    with pytest.raises(UnsupportedFormat, match=r"silent\.mkv: .*no sound"):
        joined("silent.mkv").describe()
    with pytest.raises(ChatUnavailable):
        joined("a.mkv").fetch_chat(tmp_path / "chat.jsonl", work=tmp_path, progress=silent)


def test_the_parts_together_may_not_be_too_long(tmp_path: Path) -> None:
    recording(tmp_path / "a.mkv", seconds=3)

    with pytest.raises(VideoSizeExceeded, match="together"):
        JoinedSource(("a.mkv", "a.mkv"), root=tmp_path, max_hours=5 / 3600).describe()


def test_sound_alone_is_joined_to_the_sample_and_has_no_picture(tmp_path: Path) -> None:
    for name, codec in (("a.m4a", "aac"), ("b.mka", "flac"), ("c.mp3", "libmp3lame"), ("d.wav", "pcm_s16le")):
        beep = "aevalsrc='0.5*sin(2*PI*600*t)*lt(mod(t,1),0.1)':s=44100"
        ffmpeg("-f", "lavfi", "-i", beep, "-t", "3", "-c:a", codec, tmp_path / name)

    source = fetched(tmp_path, "a.m4a", "b.mka", "c.mp3", "d.wav")

    beeps = begins(tmp_path / "audio.m4a")
    assert np.round(beeps).tolist() == list(range(1, 12))
    assert np.abs(beeps - np.round(beeps)).max() <= TOGETHER_S
    assert source.fetch_part(2, 4, work=tmp_path) is None
