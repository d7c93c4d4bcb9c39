"""The quality measure itself: matching, precision, held-out streams, the two command forms."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.bursts import fit_bursts, held_out, read_bursts
from bench.metrics import average_precision, match, precision_at
from bench.product import log_odds, trained_on
from bench.read import read_chat, read_intervals
from tests.unit.analysis_made import LAUGHS, TALK, burst, in_order, talk

ROOT = Path(__file__).parents[2]


def test_hits_are_matched_one_to_one_best_first() -> None:
    # Given two intervals, the first found twice and once missed by more than 5 s
    wanted = [(100.0, 110.0), (200.0, 210.0)]
    found = [(95.0, 105.0), (106.0, 118.0), (216.0, 230.0), (300.0, 310.0), (214.9, 230.0)]
    # Then the first finder takes it, and 5 s of widening count
    assert match(found, wanted) == [0, None, None, None, 1]


def test_precision_and_average_precision_are_the_textbook_ones() -> None:
    labels, scores = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert precision_at(labels, scores, 2) == 0.5
    assert average_precision(labels, scores) == pytest.approx((1 + 2 / 3) / 2)


@pytest.fixture
def bursts_file(tmp_path: Path) -> Path:
    """Three made-up streams: bursts of laughter are highlights, bursts of talk are not."""
    listed = [
        {
            "stream": f"s{stream}", "start": place * 100.0, "end": place * 100.0 + 20, "label": "x",
            "highlight": place % 3 == 0,
            "messages": [
                [place * 100.0 + i, (LAUGHS if place % 3 == 0 else TALK)[(i + stream) % 4]] for i in range(15)
            ],
        }
        for stream in range(3)
        for place in range(12)
    ]  # fmt: skip
    path = tmp_path / "bursts.json.gz"
    path.write_bytes(gzip.compress(json.dumps(listed).encode()))
    return path


def test_weights_fitted_on_other_streams_rank_a_stream_not_seen(bursts_file: Path) -> None:
    bursts = read_bursts([bursts_file], mask_channel_emotes=True)
    assert average_precision(bursts.labels, held_out(bursts, bursts.streams)) == 1.0
    assert average_precision(bursts.labels, log_odds(bursts.features, fit_bursts(bursts))) == 1.0
    assert not trained_on().digests & set(bursts.digests)


def run(*arguments: str) -> list[str]:
    command = [sys.executable, "-m", "bench.quality", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    ).stdout.splitlines()


def test_the_bursts_command_ends_with_one_json_line_and_says_which_weights(bursts_file: Path) -> None:
    lines = run("--bursts", str(bursts_file))
    figures = json.loads(lines[-1])
    assert any("shipped weights on every stream" in line for line in lines)
    assert figures["P@10"] == pytest.approx(0.4)  # four highlights in each stream
    assert figures["AP"] == 1.0
    assert figures["masked AP"] == 1.0


def test_the_chat_command_finds_intervals_from_the_chat_alone(tmp_path: Path) -> None:
    # Given a TwitchDownloader chat with two moments, oddities of real files among its comments
    comments = in_order(talk(1200), burst(300, LAUGHS), burst(900, LAUGHS))
    records: list[dict[str, object]] = [
        {
            "content_offset_seconds": one.offset_seconds, "commenter": {"name": one.user},
            "message": {"body": one.text, "fragments": [{"text": one.text, "emoticon": None}]},
        }
        for one in comments
    ]  # fmt: skip
    records.append({"content_offset_seconds": 5, "commenter": None, "message": {"body": None}})
    (tmp_path / "chat.json").write_text(json.dumps({"comments": records}))
    (tmp_path / "wanted.csv").write_text("start,end\n290,310\n890,910\n500,510\n")
    # When it is judged
    assert len(read_chat(tmp_path / "chat.json")) == len(records)
    assert len(read_intervals(tmp_path / "wanted.csv")) == 3
    figures = json.loads(run("--chat", str(tmp_path / "chat.json"), "--intervals", str(tmp_path / "wanted.csv"))[-1])
    # Then both moments are hits
    assert figures["P@10"] >= 0.2
    assert figures["recall"] >= 0.66
    assert {"P@10", "precision", "recall", "F1"} <= figures.keys()
