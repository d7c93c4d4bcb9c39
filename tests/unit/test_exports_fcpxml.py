"""FCPXML by the rules that Final Cut Pro holds a file to."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from shared.highlight import Highlight
from tests.highlights_made import highlight
from tests.unit.exports_made import FETCHED, HOSTILE, LOCAL, RATES, Exports, highlights, video

RULES = Path(__file__).parents[1] / "data" / "fcpxml_rules.dtd"
FORMATS = {
    ("29.97", 1920, 1080): "FFVideoFormat1080p2997",
    ("59.94", 1280, 720): "FFVideoFormat720p5994",
    ("23.976", 3840, 2160): "FFVideoFormat3840x2160p2398",
    ("25", 1920, 1080): "FFVideoFormat1080p25",
    ("20", 640, 360): "FFVideoFormatRateUndefined",
    ("30", 1080, 1920): "FFVideoFormatRateUndefined",
    ("varying", 1920, 1080): "FFVideoFormatRateUndefined",
}


def valid(path: Path) -> Any:
    """The tree of a file that keeps the rules."""
    rules = etree.DTD(str(RULES))
    tree = etree.parse(str(path), etree.XMLParser(resolve_entities=False))
    assert rules.validate(tree), rules.error_log.filter_from_errors()
    return tree.getroot()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("marked", [False, True])
def test_it_keeps_the_rules_at_every_rate(tmp_path: Path, rate: str, marked: bool) -> None:
    root = valid(Exports(tmp_path, highlights(), video(RATES[rate])).path("fcpxml", marked=marked))

    # One asset, one project with a spine, and nothing beside them.
    assert [len(root.findall(f".//{tag}")) for tag in ("asset", "project", "spine", "event")] == [1, 1, 1, 1]
    assert [child.tag for child in root.find(".//event")] == ["project"]
    assert {clip.get("ref") for clip in root.iter("asset-clip")} == {root.find(".//asset").get("id")}


@pytest.mark.parametrize("found", [[], [highlight(n, 9.0 * n, 9.0 * n + 8, text) for n, text in enumerate(HOSTILE)]])
@pytest.mark.parametrize("media", [LOCAL, FETCHED])
def test_it_keeps_the_rules_whatever_is_in_it(tmp_path: Path, found: list[Highlight], media: Any) -> None:
    about = video(None, width=None, height=None, audio_tracks=0, title=HOSTILE[3])

    valid(Exports(tmp_path / "a", found, about, media).path("fcpxml"))
    valid(Exports(tmp_path / "b", found, video(None, has_picture=False, audio_channels=6), media).path("fcpxml"))


@pytest.mark.parametrize(("rate", "width", "height"), FORMATS)
def test_the_format_is_the_recordings(tmp_path: Path, rate: str, width: int, height: int) -> None:
    root = valid(Exports(tmp_path, highlights(), video(RATES[rate], width=width, height=height)).path("fcpxml"))

    (form,) = root.iter("format")
    assert (form.get("width"), form.get("height")) == (str(width), str(height))
    assert form.get("name") == FORMATS[rate, width, height]


def test_sound_has_its_role_and_all_tracks(tmp_path: Path) -> None:
    root = valid(Exports(tmp_path, highlights(), video(RATES["29.97"], audio_tracks=3)).path("fcpxml"))

    asset = root.find(".//asset")
    assert [asset.get(name) for name in ("hasVideo", "hasAudio", "audioSources", "audioChannels", "audioRate")] == [
        "1", "1", "3", "2", "48000",
    ]  # fmt: skip
    assert {clip.get("audioRole") for clip in root.iter("asset-clip")} == {"dialogue"}
    assert root.find(".//sequence").get("tcFormat") == "DF"


def test_clips_follow_each_other_by_time(tmp_path: Path) -> None:
    root = valid(Exports(tmp_path, highlights(), video(Fraction(25))).path("fcpxml"))

    clips = list(root.iter("asset-clip"))
    assert [clip.get("name").split()[0] for clip in clips] == ["#2", "#4", "#3", "#1"]
    at = Fraction(0)
    for clip in clips:
        assert Fraction(clip.get("offset")[:-1]) == at
        at += Fraction(clip.get("duration")[:-1])
    assert Fraction(root.find(".//sequence").get("duration")[:-1]) == at
