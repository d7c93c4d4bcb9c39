"""Where the comments of a chat file lie in the recording, and what is said about those outside."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.progress import silent
from tests.conftest import ROOT
from workers.chatlog import Comment, read_comments
from workers.download.chat_import import import_chat
from workers.download.chat_placing import Recording
from workers.download.chat_shift import shift_chat
from workers.download.sources import ChatSummary

SAMPLE: dict[str, Any] = json.loads((ROOT / "samples" / "demo_chat.json").read_text())
SAMPLE_S = 190.0


class Import:
    """Imports the sample's chat, changed as a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.into = folder / "chat.jsonl"

    def __call__(self, chat: dict[str, Any], recording: Recording) -> tuple[ChatSummary, list[Comment]]:
        (self.folder / "chat.json").write_text(json.dumps(chat))
        summary = import_chat(
            self.folder / "chat.json", self.into, work=self.folder, progress=silent, recording=recording
        )
        return summary, list(read_comments(self.into))


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    return Import(tmp_path)


@pytest.fixture
def plain(imported: Import) -> list[Comment]:
    summary, comments = imported(SAMPLE, Recording(SAMPLE_S))
    assert summary == ChatSummary(659, ())
    return comments


def sample(by_s: float, *, keep: range | None = None, **video: Any) -> dict[str, Any]:
    """The sample's chat `by_s` later, of the seconds in `keep`."""
    comments = [
        {**one, "content_offset_seconds": one["content_offset_seconds"] + by_s}
        for one in SAMPLE["comments"]
        if keep is None or one["content_offset_seconds"] in keep
    ]
    return {"video": {**SAMPLE["video"], **video}, "comments": comments}


@pytest.mark.parametrize(
    "video",
    [
        {"start": 28_800, "end": 28_990},
        {"start": 28_800.0, "end": 28_990.0, "length": 40_000},
        {"start": "28800"},
        {"start": 28_800, "end": None, "length": None},
        {"start": 28_800, "end": 190},
    ],
)
def test_the_start_of_a_trimmed_chat_is_subtracted(
    imported: Import, plain: list[Comment], video: dict[str, Any]
) -> None:
    summary, comments = imported(sample(28_800, **video), Recording(SAMPLE_S))

    assert comments == plain
    assert summary.warnings == ("The chat file begins at 8:00:00 of its stream (video.start); that was subtracted.",)


def test_it_is_also_when_it_stands_behind_the_comments(imported: Import, plain: list[Comment]) -> None:
    late = sample(28_800, start=28_800, end=28_990)

    assert imported({"comments": late["comments"], "emotes": None, "video": late["video"]}, Recording(190))[1] == plain
    assert imported({"embeddedData": {"a": ["x" * 10**7]}, **late}, Recording(190))[1] == plain


@pytest.mark.parametrize("end", [190, None])
def test_a_recording_cut_at_second_60_gets_the_chat_that_was_cut_there(
    imported: Import, plain: list[Comment], end: int | None
) -> None:
    summary, comments = imported(sample(0, keep=range(60, 999), start=60, end=end), Recording(130.0))

    expected = [one._replace(offset_seconds=one.offset_seconds - 60) for one in plain if one.offset_seconds >= 60]
    assert comments == expected
    assert summary.messages == 478
    assert summary.warnings == ("The chat file begins at 0:01:00 of its stream (video.start); that was subtracted.",)


def test_of_a_whole_chat_that_says_to_be_cut_what_lies_before_is_told(imported: Import) -> None:
    summary, comments = imported(sample(0, start=60, end=190), Recording(130.0))

    assert len(comments) == summary.messages == 478
    assert summary.warnings[1].startswith("181 of 659 comments lie outside the recording (181 before its start).")


def test_a_cut_chat_beside_the_whole_recording_stays_where_it_is(imported: Import, plain: list[Comment]) -> None:
    summary, comments = imported(sample(0, keep=range(60, 120), start=60, end=120), Recording(SAMPLE_S))

    assert comments == [one for one in plain if 60 <= one.offset_seconds < 120]
    assert summary.warnings == ("The chat file holds 0:01:00 to 0:02:00 of the recording only.",)


def test_offsets_that_somebody_has_made_relative_already_are_left_alone(imported: Import, plain: list[Comment]) -> None:
    assert imported(sample(0, start=28_800, end=28_990), Recording(SAMPLE_S)) == (ChatSummary(659), plain)


def test_a_chat_of_another_part_is_all_outside_and_that_is_said(imported: Import) -> None:
    summary, _ = imported(sample(3600), Recording(100.0))

    assert summary.warnings == (f"{summary.messages} of {summary.messages} comments lie outside the recording "
                                f"({summary.messages} after its end).",)  # fmt: skip


def test_a_chat_that_lies_behind_the_recording_is_told_with_the_offset_to_its_start(imported: Import) -> None:
    summary, _ = imported({"comments": sample(3600)["comments"]}, Recording(SAMPLE_S))

    assert summary.warnings == ("659 of 659 comments lie outside the recording (659 after its end). "
                                "options.chat_offset_seconds of about -3601 would bring them in.",)  # fmt: skip


@pytest.mark.parametrize("offset_s", [0.0, -45.0])
def test_times_in_milliseconds_are_taken_as_such_and_it_is_said(
    imported: Import, plain: list[Comment], offset_s: float
) -> None:
    late = sample(-offset_s)
    for one in late["comments"]:
        one["content_offset_seconds"] *= 1000

    summary, comments = imported(late, Recording(SAMPLE_S, chat_offset_s=offset_s))

    assert comments == plain
    assert summary.warnings[0].startswith("The chat file's times were taken as milliseconds")


def test_the_chat_of_a_long_stream_is_not_taken_as_milliseconds(imported: Import) -> None:
    """Of the 12 hours one comment in a thousand lies in the recording of a minute."""
    chat = [{"_id": f"{at}", "content_offset_seconds": at, "message": {"body": "x"}} for at in range(0, 43_200, 60)]

    summary, _ = imported({"comments": chat}, Recording(100.0))

    assert summary.warnings == ("718 of 720 comments lie outside the recording (718 after its end).",)


@pytest.mark.parametrize(("id_", "told"), [("999", True), ("v999", True), ("123", False), ("v123", False), (123, False),
                                           (999, True), ("FunnySlug", False), (None, False)])  # fmt: skip
def test_the_chat_of_another_vod_is_told(imported: Import, plain: list[Comment], id_: object, *, told: bool) -> None:
    summary, comments = imported(sample(0, id=id_), Recording(SAMPLE_S, video_id="123"))

    assert comments == plain
    assert summary.warnings == (("The chat file says that it is of VOD 999, not of 123.",) if told else ())


@pytest.mark.parametrize(("late_s", "count", "where"), [(45, 145, "after its end"), (-45, 119, "before its start")])
def test_a_chat_that_is_45_seconds_off_is_told_with_the_likely_offset(
    imported: Import, late_s: int, count: int, where: str
) -> None:
    summary, _ = imported(sample(late_s), Recording(SAMPLE_S))

    (warning,) = summary.warnings
    assert f"of 659 comments lie outside the recording ({count} {where})" in warning
    likely_s = int(warning.rpartition("of about ")[2].split()[0])
    assert likely_s == pytest.approx(-late_s, abs=2)


@pytest.mark.parametrize("late_s", [45, -45, 0.5, -86_400])
def test_the_offset_brings_the_chat_back(imported: Import, plain: list[Comment], late_s: float) -> None:
    summary, comments = imported(sample(late_s), Recording(SAMPLE_S, chat_offset_s=-late_s))

    assert comments == plain
    assert summary == ChatSummary(659, ())


def test_the_offset_comes_on_top_of_a_trimmed_chats_start(imported: Import, plain: list[Comment]) -> None:
    summary, comments = imported(sample(3600 + 45, start=3600, end=3790), Recording(SAMPLE_S, chat_offset_s=-45))

    assert comments == plain
    assert len(summary.warnings) == 1


def test_a_finished_chat_is_moved_and_counted(imported: Import, plain: list[Comment]) -> None:
    summary = shift_chat(imported.into, ChatSummary(659, ("Told before.",)), Recording(SAMPLE_S, None, -60.0))

    assert list(read_comments(imported.into)) == [
        one._replace(offset_seconds=one.offset_seconds - 60) for one in plain if one.offset_seconds >= 60
    ]
    assert summary.messages == 478
    assert summary.warnings[0].startswith("181 of 659 comments lie outside the recording (181 before its start).")
    assert summary.warnings[1] == "Told before."
    assert [path.name for path in imported.folder.iterdir() if path.suffix == ".new"] == []


def test_a_chat_that_is_not_moved_stays_byte_for_byte(imported: Import, plain: list[Comment]) -> None:
    before = imported.into.read_bytes()

    assert shift_chat(imported.into, ChatSummary(659), Recording(100.0)).warnings[0].startswith("340 of 659 comments")
    assert imported.into.read_bytes() == before


def test_names_and_texts_that_look_like_fields_are_not_moved(imported: Import) -> None:
    text = '","offset_seconds":5,"user":"'
    record = {"_id": text, "content_offset_seconds": 1, "commenter": {"name": text}, "message": {"body": text}}

    _, comments = imported({"comments": [record]}, Recording(SAMPLE_S, chat_offset_s=2))

    assert comments == [Comment(text, 3.0, text, text)]


@pytest.mark.usefixtures("plain")
def test_gaps_move_with_the_comments_and_stay_inside_the_recording(imported: Import) -> None:
    gaps = ((0.0, 30.0), (60.0, 90.0), (150.0, SAMPLE_S))

    moved = shift_chat(imported.into, ChatSummary(659, (), gaps), Recording(SAMPLE_S, None, -40.0)).gaps

    assert moved == ((20.0, 50.0), (110.0, SAMPLE_S - 40.0))
