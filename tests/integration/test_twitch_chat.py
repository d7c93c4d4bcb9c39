"""The chat of a VOD: paged in parallel, without doubles or gaps, in spite of Twitch's traps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ChatUnavailable, ExternalServiceError, KlipError, RateLimitExceeded
from shared.net.retry import RetryPolicy
from shared.progress import silent
from tests.peers.twitch import WEB_CLIENT
from tests.peers.twitch_process import QUICK, TwitchPeer, running_twitch
from tests.peers.twitch_vods import ChatLog
from workers.chatlog import Comment, read_comments
from workers.download.chat_pages import CURSOR_CLIENT_ID
from workers.download.sources import ChatSummary
from workers.download.vod_chat import ChatSettings, fetched_so_far

SECONDS = 1200.0
COUNT = 1500


@pytest.fixture(scope="module")
def twitch() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


def fetched(twitch: TwitchPeer, folder: Path, **options: Any) -> tuple[ChatSummary, list[Comment]]:
    folder.mkdir(exist_ok=True)
    into = folder / "chat.jsonl"
    summary = twitch.source(**options).fetch_chat(into, work=folder, progress=silent)
    return summary, list(read_comments(into))


def expected(seconds: float = SECONDS, count: int = COUNT) -> list[str]:
    return [node["id"] for node in ChatLog.made("42", seconds, count).nodes]


def test_ranges_in_parallel_give_what_one_gives(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)

    one, sequential = fetched(twitch, tmp_path / "one", chat_ranges=1)
    four, parallel = fetched(twitch, tmp_path / "four", chat_ranges=4)

    assert one == four == ChatSummary(COUNT)
    assert [comment.id for comment in sequential] == expected()
    assert parallel == sequential


def test_text_emotes_badges_bits_and_gone_accounts_are_kept(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)

    _, comments = fetched(twitch, tmp_path)

    nodes = ChatLog.made("42", SECONDS, COUNT).nodes
    for comment, node in zip(comments, nodes, strict=True):
        fragments = node["message"]["fragments"]
        assert comment.text == "".join(fragment["text"] for fragment in fragments).strip()
        assert [emote.name for emote in comment.emotes] == [one["text"] for one in fragments if one["emote"]]
        assert comment.badges == tuple(badge["setID"] for badge in node["message"]["userBadges"])
        assert comment.user == (node["commenter"] or {}).get("login")
        assert comment.bits == (100 if fragments[-1]["text"] == " Cheer100" else 0)
        assert comment.offset_seconds == node["contentOffsetSeconds"]
    assert any(comment.bits for comment in comments)
    assert any(comment.user is None for comment in comments)


def test_comments_after_the_end_of_the_video_are_kept(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)

    _, comments = fetched(twitch, tmp_path)

    assert [comment.offset_seconds for comment in comments[-2:]] == [SECONDS + 90, SECONDS + 200]


def test_a_client_that_fails_the_integrity_check_pages_with_another(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    twitch.control(integrity=[WEB_CLIENT])

    summary, comments = fetched(twitch, tmp_path)

    assert summary.warnings == ()
    assert [comment.id for comment in comments] == expected()


def test_without_any_cursor_offsets_lead_through(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    twitch.control(integrity=[WEB_CLIENT, CURSOR_CLIENT_ID])

    summary, comments = fetched(twitch, tmp_path)

    assert summary.warnings == ()
    assert [comment.id for comment in comments] == expected()


def test_seconds_too_busy_for_offsets_are_told(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=4, comments=800)
    twitch.control(integrity=[WEB_CLIENT, CURSOR_CLIENT_ID])

    summary, comments = fetched(twitch, tmp_path)

    assert "very busy seconds" in summary.warnings[0]
    assert len({comment.id for comment in comments}) == len(comments) < 800


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"merge": {"video": {"comments": None}}},
        {"merge": None},
        {"body": {"errors": [{"message": "service timeout"}], "data": None}, "status": 200},
        {"body": "<html>", "status": 200},
        {"truncate": 0.5},
    ],
    ids=["503", "429", "comments null", "data null", "errors", "html", "truncated"],
)
def test_passing_faults_lose_no_comment(twitch: TwitchPeer, tmp_path: Path, fault: dict[str, Any]) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    twitch.fault("comments:", skip=2, times=2, **fault)
    twitch.fault("comments:", skip=9, times=1, **fault)

    _, comments = fetched(twitch, tmp_path)

    assert [comment.id for comment in comments] == expected()


def test_null_nodes_are_left_out_and_the_rest_is_kept(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=100)
    first = ChatLog.made("42", SECONDS, 100).nodes[0]
    edges = [
        {"cursor": "x", "node": None},
        {"cursor": "x", "node": {"id": None}},
        None,
        {"cursor": "x", "node": first | {"message": None}},
    ]
    page = {"edges": edges, "pageInfo": {"hasNextPage": False}}
    twitch.fault("comments:", merge={"video": {"comments": page}})

    _, comments = fetched(twitch, tmp_path, chat_ranges=1)

    assert [(comment.id, comment.text) for comment in comments] == [(first["id"], "")]


def test_a_chat_that_is_gone_is_told_as_such(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, access="deleted")

    with pytest.raises(ChatUnavailable):
        fetched(twitch, tmp_path)


def test_a_chat_that_may_be_switched_off_is_left_to_the_stage_to_ask_for_again(
    twitch: TwitchPeer, tmp_path: Path
) -> None:
    twitch.fresh(seconds=SECONDS, chat_off=True)

    with pytest.raises(ExternalServiceError, match="switched off"):
        fetched(twitch, tmp_path)

    assert twitch.count("comments") == QUICK.attempts + 1


FIVE_KINDS: tuple[dict[str, Any], ...] = (
    {"merge": {"video": {"comments": None}}},
    {"body": {"errors": [{"message": "service timeout"}], "data": None}, "status": 200},
    {"status": 503},
    {"truncate": 0.5},
    {"merge": {"video": {"comments": None}}},
)


def test_five_bad_answers_to_begin_with_lose_no_comment(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=400)
    for fault in FIVE_KINDS:
        twitch.fault("comments:", times=1, **fault)

    with pytest.raises(ExternalServiceError):
        fetched(twitch, tmp_path)
    _, comments = fetched(twitch, tmp_path)

    assert [comment.id for comment in comments] == expected(count=400)


@pytest.mark.parametrize("fault", [{"status": 500}, {"merge": {"video": {"comments": None}}}, {"truncate": 0.5}])
def test_a_page_that_cannot_be_had_costs_only_what_is_behind_it(
    twitch: TwitchPeer, tmp_path: Path, fault: dict[str, Any]
) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    # The slice from 240 s on, which is 60 s long: its first page by either way.
    twitch.fault("comments:offset=239", **fault)
    into = tmp_path / "chat.jsonl"

    with pytest.raises(KlipError):
        fetched(twitch, tmp_path)
    summary = fetched_so_far(into, length_s=SECONDS, work=tmp_path, settings=ChatSettings())

    assert summary is not None
    assert summary.gaps == ((240.0, 300.0),)
    assert summary.warnings == ("1.0 min of chat are missing: Twitch did not give them out.",)
    nodes = ChatLog.made("42", SECONDS, COUNT).nodes
    had = [node["id"] for node in nodes if not 240 <= node["contentOffsetSeconds"] < 300]
    assert [comment.id for comment in read_comments(into)] == had
    assert summary.messages == len(had)


def test_what_was_had_before_all_failed_is_used_and_the_rest_told(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    twitch.fault("comments:", skip=6, status=500)
    into = tmp_path / "chat.jsonl"

    with pytest.raises(ExternalServiceError):
        fetched(twitch, tmp_path, chat_ranges=1)
    summary = fetched_so_far(into, length_s=SECONDS, work=tmp_path, settings=ChatSettings(ranges=1))

    assert summary is not None
    ((start, end),) = summary.gaps
    assert 0 < start < end == SECONDS
    comments = list(read_comments(into))
    assert [comment.id for comment in comments] == expected()[: len(comments)]
    assert 200 < summary.messages == len(comments)
    assert f"{(end - start) / 60:.1f} min of chat are missing" in summary.warnings[0]


def test_nothing_is_made_of_a_chat_of_which_nothing_came(tmp_path: Path) -> None:
    into = tmp_path / "chat.jsonl"

    assert fetched_so_far(into, length_s=SECONDS, work=tmp_path, settings=ChatSettings()) is None
    assert not into.exists()


def test_an_empty_chat_gives_an_empty_file_and_a_warning(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=0)

    summary, comments = fetched(twitch, tmp_path)

    assert comments == []
    assert summary == ChatSummary(0, ("Nobody wrote in the chat of this video.",))


def test_a_long_rate_limit_is_left_to_the_job(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    twitch.fault("comments:", skip=5, status=429, headers={"Retry-After": "600"})

    with pytest.raises(RateLimitExceeded) as caught:
        fetched(twitch, tmp_path)

    assert caught.value.retry_after_s == 600


def test_pages_that_lead_in_circles_end(twitch: TwitchPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.download.vod_chat.MAX_IDLE_PAGES", 20)
    twitch.fresh(seconds=SECONDS, comments=60)
    twitch.fault("comments:", merge={"video": {"comments": {"pageInfo": {"hasNextPage": True}, "edges": []}}})

    with pytest.raises(ExternalServiceError):
        fetched(twitch, tmp_path, chat_ranges=1)


def test_a_failed_try_is_gone_on_with(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)
    twitch.fault("comments:", skip=12, times=40, status=500)
    impatient = RetryPolicy(attempts=0)

    with pytest.raises(ExternalServiceError):
        fetched(twitch, tmp_path, retry=impatient)
    before = twitch.count("comments")
    twitch.control(reset=True)
    _, comments = fetched(twitch, tmp_path)

    assert before + twitch.count("comments") <= COUNT // 50 + 20 + 4 + 16
    assert [comment.id for comment in comments] == expected()


def test_the_same_chat_gives_the_same_bytes(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=COUNT)

    fetched(twitch, tmp_path / "a")
    fetched(twitch, tmp_path / "b")

    assert (tmp_path / "a" / "chat.jsonl").read_bytes() == (tmp_path / "b" / "chat.jsonl").read_bytes()


def test_comments_that_come_out_of_order_are_put_in_order(twitch: TwitchPeer, tmp_path: Path) -> None:
    twitch.fresh(seconds=SECONDS, comments=40)
    nodes = ChatLog.made("42", SECONDS, 40).nodes[:38]
    edges = [{"cursor": "x", "node": node} for node in reversed(nodes)]
    page = {"edges": edges, "pageInfo": {"hasNextPage": False}}
    twitch.fault("comments:", merge={"video": {"comments": page}})

    _, comments = fetched(twitch, tmp_path, chat_ranges=1)

    assert [comment.offset_seconds for comment in comments] == [node["contentOffsetSeconds"] for node in nodes]
