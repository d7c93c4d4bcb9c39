"""The quality measure itself: matching, intervals, held-out streamers, peers, and the commands."""

import ast
import gzip
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import peers
from bench.bursts import fit_bursts, held_out, read_bursts, streamer_of
from bench.calibration import WITHOUT_MOMENTS, wilson
from bench.judge_bursts import rounded, scored
from bench.judge_chat import judge
from bench.metrics import auc, average_precision, iou, match, precision_at
from bench.product import TrainedOn, log_odds, trained_on
from bench.quality_all import found_in, given_by_name, under_a_peer
from bench.read import read_chat, read_intervals
from tests.unit.analysis_made import LAUGHS, TALK, burst, comment, in_order, talk
from workers.analysis.scoring import Weights
from workers.chatlog import Comment

ROOT = Path(__file__).parents[2]


def test_hits_are_matched_one_to_one_best_first() -> None:
    # Given two intervals, the first found twice and once missed by more than 5 s
    wanted = [(100.0, 110.0), (200.0, 210.0)]
    found = [(95.0, 105.0), (106.0, 118.0), (216.0, 230.0), (300.0, 310.0), (214.9, 230.0)]
    # Then the first finder takes it, and 5 s of widening count
    assert match(found, wanted) == [0, None, None, None, 1]


def test_a_wide_find_takes_the_interval_it_overlaps_most() -> None:
    assert match([(100.0, 200.0), (100.0, 105.0)], [(95.0, 110.0), (150.0, 190.0)]) == [1, 0]
    assert match([(0.0, 10.0)], []) == [None]


def test_precision_average_precision_and_auc_are_the_textbook_ones() -> None:
    labels, scores = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert precision_at(labels, scores, 2) == 0.5
    assert average_precision(labels, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert auc(labels, scores) == 0.75
    assert auc(labels, np.ones(4)) == 0.5
    assert np.isnan(auc(np.ones(4), scores))


def test_overlap_is_intersection_over_union() -> None:
    assert iou((0.0, 30.0), (10.0, 40.0)) == 0.5
    assert iou((0.0, 10.0), (12.0, 20.0)) == 0.0
    assert iou((5.0, 5.0), (5.0, 5.0)) == 0.0


def test_a_streams_figures_come_with_intervals_that_are_the_same_every_time() -> None:
    # Given an hour with a moment in every ten minutes, five of six found and as much found besides
    wanted = [(block * 600.0 + 100, block * 600.0 + 130) for block in range(6)]
    found = [(start, end + 30) for start, end in wanted[:5]] + [(at + 300, at + 320) for at, _ in wanted[:5]]
    # When judged twice
    once, again = (judge(found, wanted, duration_s=3600) for _ in range(2))
    # Then precision, recall and overlap are what they are, inside an interval that tells of few blocks
    assert once.figures["P@10"] == 0.5
    assert once.figures["R@30"] == pytest.approx(5 / 6)
    assert once.figures["F1@30"] == pytest.approx(0.625)
    assert (once.mean_iou, once.enough_iou) == (0.5, 1.0)
    low, high = once.spread["R@30"]
    assert low < 5 / 6 < high
    assert once.spread == again.spread


def test_finding_fewer_than_ten_does_not_raise_precision_at_ten() -> None:
    assert judge([(0.0, 10.0)], [(0.0, 10.0)], duration_s=100).figures["P@10"] == 0.1
    assert judge([], [(0.0, 10.0)], duration_s=100).figures["F1@30"] == 0.0


def test_peers_know_nothing_of_the_product() -> None:
    tree = ast.parse(Path(peers.__file__).read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {name for name in modules if name.startswith(("workers", "bench"))} == {"workers.chatlog"}


def test_the_peak_finder_counts_people_and_messages_only_where_there_are_no_names() -> None:
    # Given one spammer at 300 s and fewer messages of many people at 900 s
    spam = [comment(300 + i / 10, "spam", "one") for i in range(80)]
    crowd = burst(900, LAUGHS, count=30)
    comments = in_order(talk(1200), spam, crowd)
    finder = peers.PEERS[0]
    # Then people lead, and without names the messages
    start, end = peers.find(finder, comments, count=1)[0]
    assert start < 900 < end
    nameless = [one._replace(user=None) for one in comments]
    start, end = peers.find(finder, nameless, count=1)[0]
    assert start < 305 < end


def test_peaks_keep_apart_and_stop_where_nothing_is() -> None:
    values = np.zeros(200)
    values[[50, 60, 120]] = [3.0, 2.0, 1.0]
    assert peers.peaks(values, count=30, spacing_s=30) == [50, 120]


@pytest.mark.parametrize("text", ["POGGERS", "omegalul", "that was insane", "hahaha", "gg", "CLIP IT", "let's go"])
def test_the_one_line_list_knows_excitement(text: str) -> None:
    assert peers.excited(text)


@pytest.mark.parametrize("text", ["i had pasta today", "the egg is bigger", "hello"])
def test_the_one_line_list_leaves_talk_alone(text: str) -> None:
    assert not peers.excited(text)


def made_bursts(streams: list[str], *, highlight: tuple[str, ...] = LAUGHS, other: tuple[str, ...] = TALK) -> Any:
    """Twelve bursts a stream, every third a highlight."""
    return [
        {
            "stream": stream, "start": place * 100.0, "end": place * 100.0 + 20, "label": "x",
            "highlight": place % 3 == 0,
            "messages": [
                [place * 100.0 + i, (highlight if place % 3 == 0 else other)[(i + place + len(stream)) % 4]]
                for i in range(15)
            ],
        }
        for stream in streams
        for place in range(12)
    ]  # fmt: skip


def write(path: Path, listed: Any) -> Path:
    path.write_bytes(gzip.compress(json.dumps(listed).encode()))
    return path


@pytest.fixture
def bursts_file(tmp_path: Path) -> Path:
    """Three made-up streams: bursts of laughter are highlights, bursts of talk are not."""
    return write(tmp_path / "labelled_bursts.json.gz", made_bursts(["s0", "s1", "s2"]))


def test_weights_fitted_on_other_streams_rank_a_stream_not_seen(bursts_file: Path) -> None:
    bursts = read_bursts([bursts_file], mask_channel_emotes=True)
    assert average_precision(bursts.labels, held_out(bursts, bursts.streams)) == 1.0
    assert average_precision(bursts.labels, log_odds(bursts.features, fit_bursts(bursts))) == 1.0
    assert not trained_on().digests & set(bursts.digests)


@pytest.mark.parametrize(
    ("stream", "streamer"),
    [("teo4", "teo"), ("T90[1]", "T90"), ("wardell[3]", "wardell"), ("new_name-12", "new_name"), ("7", "7")],
)
def test_streams_belong_to_streamers(stream: str, streamer: str) -> None:
    assert streamer_of(stream) == streamer


def test_what_a_streamer_is_judged_by_was_never_fitted_on_any_of_his_streams(tmp_path: Path) -> None:
    # Given two streams of one streamer, others' streams and a channel's watched clips
    listed = made_bursts(["teo0", "teo1", "T90[0]", "other"])
    clips = [one | {"channel": "c1"} for one in made_bursts(["clips"])]
    before = read_bursts([write(tmp_path / "one.json.gz", listed), write(tmp_path / "clips.json.gz", clips)])
    # When all labels of that streamer are turned round
    turned = [one | {"highlight": not one["highlight"]} if one["stream"].startswith("teo") else one for one in listed]
    after = read_bursts([write(tmp_path / "two.json.gz", turned), tmp_path / "clips.json.gz"])
    # Then his scores stay as they were, and the others' do not
    his = before.groups == "teo"
    scores = held_out(before), held_out(after)
    assert his.sum() == 24
    assert np.array_equal(scores[0][his], scores[1][his])
    assert not np.isclose(scores[0][~his], scores[1][~his]).any()
    assert set(before.groups[before.watched]) == {"c1"}


def test_only_streamers_the_shipped_weights_have_seen_are_held_out(tmp_path: Path) -> None:
    bursts = read_bursts([write(tmp_path / "b.json.gz", made_bursts(["teo0", "teo1", "T90[0]"]))])
    seen = TrainedOn(frozenset(bursts.digests[:1].tolist()), frozenset(("teo",)))
    # Given weights that have seen one stream of a streamer: all of his are held out
    judged = scored(bursts, seen)
    his = bursts.groups == "teo"
    assert np.array_equal(judged.scores[his], held_out(bursts)[his])
    assert "held out in turn: 1" in judged.said
    # Given weights that know the streamer from other streams only: said
    assert "have SEEN other streams of teo" in scored(bursts, TrainedOn(frozenset(), frozenset(("teo",)))).said


def run(module: str, *arguments: str, exit_code: int = 0) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == exit_code, done.stderr
    return done.stdout.splitlines()


def test_the_bursts_command_ends_with_one_json_line_and_says_which_weights(bursts_file: Path, tmp_path: Path) -> None:
    clips = [one | {"channel": one["stream"]} for one in made_bursts(["c1", "c2"])]
    lines = run("quality", "--bursts", str(bursts_file), str(write(tmp_path / "clips.json.gz", clips)))
    figures = json.loads(lines[-1])
    assert any("shipped weights on every stream" in line for line in lines)
    assert figures["P@10"] == pytest.approx(0.4)  # four highlights in each stream
    assert figures["AP"] == 1.0
    assert figures["masked AP"] == 1.0
    assert figures["chance"]["P@10"] == 0.3333
    assert figures["counting"]["AUC"] == 0.5
    assert figures["excitement list"]["AP"] == 1.0
    assert figures["watched"]["AUC"] == 1.0


def write_downloaded(path: Path, comments: list[Comment]) -> Path:
    """As TwitchDownloader writes a chat."""
    records: list[dict[str, object]] = [
        {
            "content_offset_seconds": one.offset_seconds, "commenter": {"name": one.user},
            "message": {"body": one.text, "fragments": [{"text": one.text, "emoticon": None}]},
        }
        for one in comments
    ]  # fmt: skip
    records.append({"content_offset_seconds": 5, "commenter": None, "message": {"body": None}})
    path.write_text(json.dumps({"comments": records}))
    return path


def test_the_chat_command_finds_intervals_from_the_chat_alone(tmp_path: Path) -> None:
    # Given a TwitchDownloader chat with two moments, oddities of real files among its comments
    comments = in_order(talk(1200), burst(300, LAUGHS), burst(900, LAUGHS))
    chat = write_downloaded(tmp_path / "chat.json", comments)
    (tmp_path / "wanted.csv").write_text("start,end\n290,310\n890,910\n500,510\n")
    # When it is judged
    assert len(read_chat(chat)) == len(comments) + 1
    assert len(read_intervals(tmp_path / "wanted.csv")) == 3
    figures = json.loads(run("quality", "--chat", str(chat), "--intervals", str(tmp_path / "wanted.csv"))[-1])
    # Then both moments are hits, and everything stands beside the peers
    assert figures["P@10"] >= 0.2
    assert figures["recall"] >= 0.66
    asked = {"P@10", "precision", "recall", "F1", "F1@10", "mean IoU", "IoU >= 0.3", "95 %"}
    for way in (figures, *(figures[peer.name] for peer in peers.PEERS), figures["our moments, 60 s"]):
        assert asked <= way.keys()
    assert figures["peak finder"]["recall"] >= 0.66
    assert set(figures["over the peak finder"]) == {"P@10", "F1@30"}


def test_everything_is_found_measured_and_passes_when_no_peer_is_better(bursts_file: Path, tmp_path: Path) -> None:
    # Given a folder with bursts and a chat without intervals
    write_downloaded(tmp_path / "made_chat.json", in_order(talk(600), burst(300, LAUGHS)))
    lines = run("quality_all", "--data", str(tmp_path))
    figures = json.loads(lines[-1])
    assert figures["under a peer"] == []
    assert figures["bursts"]["AP"] == 1.0
    assert figures["unlabelled"]["made_chat.json"]["found"] >= 1


def test_being_under_a_peer_fails_and_says_on_what(tmp_path: Path) -> None:
    # Given labels against all sense: the talk is the highlight, and there is more of it
    listed = made_bursts(["s0", "s1"], highlight=TALK, other=LAUGHS)
    for one in listed:
        if one["highlight"]:
            one["messages"] *= 3
    lines = run("quality_all", "--bursts", str(write(tmp_path / "bursts.json.gz", listed)), exit_code=1)
    under = json.loads(lines[-1])["under a peer"]
    assert any(line.startswith("Ours is under counting on bursts, AP: 0.") for line in under)
    assert set(under) <= set(lines)


def test_without_data_it_says_how_to_give_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.quality_all", "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "BURSTS=" in done.stderr


def test_every_main_figure_is_held_against_every_peer_that_has_it() -> None:
    results = {
        "watched": {"AUC": 0.7, "excitement list": {"AUC": 0.7}, "counting": {"AUC": 0.71}},
        "chats": {"a": {"F1": 0.5, "P@10": 0.5, "peak finder": {"F1": 0.4, "P@10": 0.6}}},
    }
    assert [line.partition(":")[0] for line in under_a_peer(results)] == [
        "Ours is under counting on watched, AUC",
        "Ours is under the peak finder on a, P@10",
    ]


def test_intervals_belong_to_the_chat_of_their_name_or_place(tmp_path: Path) -> None:
    for name in ("a_chat.json.gz", "a_intervals.csv", "b_chat.json"):
        (tmp_path / name).touch()
    a, b, intervals = (tmp_path / name for name in ("a_chat.json.gz", "b_chat.json", "a_intervals.csv"))
    assert found_in(tmp_path).chats == [(a, intervals), (b, None)]
    assert given_by_name([], [b], [intervals]).chats == [(b, intervals)]
    with pytest.raises(ValueError, match="2 chats but 1"):
        given_by_name([], [a, b], [intervals])


def test_training_writes_the_weights_and_what_they_were_fitted_on(bursts_file: Path, tmp_path: Path) -> None:
    into = tmp_path / "weights.toml"
    run("train", "--bursts", str(bursts_file), "--into", str(into))
    written = tomllib.loads(into.read_text())
    bursts = read_bursts([bursts_file])
    assert set(Weights._fields) <= written.keys()
    assert set(written["trained_on"]) == set(bursts.digests.tolist())
    assert written["trained_owners"] == ["s"]
    fitted = f"# {len(Weights._fields)} numbers, fitted by logistic regression on 36 labelled bursts of 1 streamers"
    assert fitted in into.read_text()


def test_chats_without_moments_keep_every_comment() -> None:
    comments = in_order(talk(600), burst(300, LAUGHS))
    for change in WITHOUT_MOMENTS.values():
        changed = change(comments, np.random.default_rng(0))
        offsets = [one.offset_seconds for one in changed]
        assert sorted(one.text for one in changed) == sorted(one.text for one in comments)
        assert offsets == sorted(offsets)
        assert [one.text for one in changed] != [one.text for one in comments]


def test_the_calibration_command_ends_with_one_json_line(bursts_file: Path, tmp_path: Path) -> None:
    chat = write_downloaded(tmp_path / "a_chat.json", in_order(talk(600), burst(300, LAUGHS)))
    figures = json.loads(run("calibration", "--chats", str(chat), "--bursts", str(bursts_file))[-1])
    assert figures["chats"]["a_chat.json"]["real"]["found"] >= 1
    best = figures["labelled bursts"]["best"]["best 1 of each stream"]
    assert (best["share"], best["count"]) == (1.0, 3)
    assert sum(row["count"] for row in figures["labelled bursts"]["by emotion"].values()) == 36


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 3)[0] == 0.0


def test_figures_that_do_not_exist_are_null_in_json() -> None:
    assert rounded({"AUC": float("nan"), "AP": [0.123456]}) == {"AUC": None, "AP": [0.1235]}
