"""TwitchDownloader chat files become chat.jsonl: clean, sorted, each comment once."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ChatUnavailable
from shared.progress import silent
from workers.chatlog import Comment, Emote, read_comments
from workers.download.chat_import import import_chat
from workers.download.sources import ChatSummary


def comment(offset: float, body: str = "hello", **more: Any) -> dict[str, Any]:
    return {"content_offset_seconds": offset, "message": {"body": body}, **more}


FULL = {
    "_id": "abc-1",
    "created_at": "2024-01-01T00:00:00Z",
    "content_offset_seconds": 12.5,
    "commenter": {"_id": "7", "name": "ann", "display_name": "Ann"},
    "message": {
        "body": "gg Kappa",
        "bits_spent": 100,
        "fragments": [{"text": "gg ", "emoticon": None}, {"text": "Kappa", "emoticon": {"emoticon_id": "25"}}],
        "user_badges": [{"_id": "subscriber", "version": "3"}, {"_id": "moderator", "version": "1"}],
        "emoticons": [{"_id": "25", "begin": 3, "end": 7}],
    },
}


class Import:
    """Imports chat files in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.into = folder / "chat.jsonl"

    def bytes(self, data: bytes) -> ChatSummary:
        (self.folder / "chat.json").write_bytes(data)
        return import_chat(self.folder / "chat.json", self.into, work=self.folder, progress=silent)

    def records(self, *records: object) -> tuple[ChatSummary, list[Comment]]:
        summary = self.bytes(json.dumps({"comments": records}).encode())
        return summary, list(read_comments(self.into))


@pytest.fixture
def chat(tmp_path: Path) -> Import:
    return Import(tmp_path)


def test_a_full_record_keeps_all_that_is_known(chat: Import) -> None:
    summary, comments = chat.records(FULL)

    assert summary == ChatSummary(1, ())
    assert comments == [
        Comment("abc-1", 12.5, "ann", "gg Kappa", (Emote("25", "Kappa"),), ("subscriber", "moderator"), 100)
    ]


def test_a_record_with_only_time_name_and_text_is_enough(chat: Import) -> None:
    _, comments = chat.records(comment(3, "hi", commenter={"display_name": "Bob", "name": "bob"}))

    assert comments == [Comment("n0", 3.0, "bob", "hi")]


def test_emotes_come_from_positions_when_there_are_no_fragments(chat: Import) -> None:
    message = {
        "body": "gg Kappa",
        "emoticons": [{"_id": "25", "begin": 3, "end": 7}, {"_id": "9", "begin": 5, "end": 99}],
    }

    _, comments = chat.records({"content_offset_seconds": 1, "message": message, "commenter": None})

    assert comments[0].emotes == (Emote("25", "Kappa"),)
    assert comments[0].user is None


def test_comments_are_sorted_by_time_and_stay_in_order_where_times_are_equal(chat: Import) -> None:
    rows = [(second, f"{second}-{number}") for second in range(200) for number in range(3)]
    shuffled = sorted(rows, key=lambda row: (random.Random(row[0]).random(), row[1]))

    _, comments = chat.records(*[comment(second, text) for second, text in shuffled])

    assert [(c.offset_seconds, c.text) for c in comments] == rows


def test_a_repeated_id_is_dropped_and_told(chat: Import) -> None:
    summary, comments = chat.records(comment(5, "a", _id="x"), comment(1, "b", _id="y"), comment(2, "c", _id="x"))

    assert [c.text for c in comments] == ["b", "a"]
    assert summary == ChatSummary(2, ("1 comments stood in the chat file twice.",))


def test_equal_comments_without_ids_are_all_kept_with_ids_of_their_own(chat: Import) -> None:
    summary, comments = chat.records(comment(1, "LUL"), comment(1, "LUL"), comment(1, "LUL"))

    assert summary == ChatSummary(3, ())
    assert len({c.id for c in comments}) == 3


ODD: list[object] = [
    None,
    7,
    "text",
    [],
    {},
    {"message": {"body": "no time"}},
    {"content_offset_seconds": 1},
    {"content_offset_seconds": 1, "message": None},
    {"content_offset_seconds": 1, "message": {}},
    {"content_offset_seconds": "one", "message": {"body": "time as a word"}},
    {"content_offset_seconds": True, "message": {"body": "time as truth"}},
    {"content_offset_seconds": 1e12, "message": {"body": "in 30 000 years"}},
    {"content_offset_seconds": float("nan"), "message": {"body": "never"}},
    {"content_offset_seconds": float("inf"), "message": {"body": "at the end of time"}},
    {"content_offset_seconds": int("9" * 400), "message": {"body": "a very long number"}},
]


def test_records_that_are_no_comments_are_left_out_and_counted(chat: Import) -> None:
    summary, comments = chat.records(comment(1), *ODD, comment(2))

    assert [c.offset_seconds for c in comments] == [1, 2]
    assert summary.warnings == (f"{len(ODD)} records of the chat file are no comments and were left out.",)


STRANGE_FIELDS: list[dict[str, Any]] = [
    {"commenter": "ann", "_id": []},
    {"commenter": {"name": 7, "display_name": None}, "_id": {"a": 1}},
    {"message": {"body": "x", "fragments": "x", "user_badges": {"_id": "x"}, "bits_spent": "9"}},
    {"message": {"body": "x", "fragments": [None, {"text": 5, "emoticon": {"emoticon_id": 5}}], "bits_spent": -4}},
    {"message": {"body": "x", "emoticons": [{"_id": "1", "begin": -3, "end": 2}, {"_id": "1", "begin": 9, "end": 1}]}},
    {"message": {"body": None, "fragments": [{"text": "x"}]}},
]


@pytest.mark.parametrize("fields", STRANGE_FIELDS)
def test_strange_fields_do_not_cost_the_comment(chat: Import, fields: dict[str, Any]) -> None:
    summary, comments = chat.records({**comment(1, "x"), **fields})

    assert summary.messages == 1
    assert (comments[0].text, comments[0].bits) == ("x", 0)
    assert all(isinstance(emote.id, str) for emote in comments[0].emotes)


def test_half_characters_and_long_texts_are_made_writable(chat: Import) -> None:
    summary, comments = chat.records(comment(1, "\ud83d broken"), comment(2, "ü" * 5000))

    assert comments[0].text == "? broken"
    assert comments[1].text == "ü" * 2048
    assert summary.warnings == ("1 comments were longer than 4096 bytes and cut.",)


def test_plain_gzip_and_bare_lists_are_told_apart_by_content(chat: Import) -> None:
    records = [comment(1), comment(2)]
    plain = json.dumps({"streamer": {"name": "x"}, "comments": records, "embeddedData": {"a": [1]}}).encode()

    assert chat.bytes(plain).messages == 2
    assert chat.bytes(gzip.compress(plain)).messages == 2
    assert chat.bytes(json.dumps(records).encode()).messages == 2
    assert chat.bytes(b"\xef\xbb\xbf" + plain).messages == 2
    assert chat.bytes(json.dumps({"comments": records}, indent=4).encode()).messages == 2


def test_an_empty_chat_is_no_failure(chat: Import) -> None:
    assert chat.bytes(b'{"comments": []}') == ChatSummary(0, ("The chat file holds no comments.",))
    assert chat.into.read_bytes() == b""


BROKEN = {
    "empty": b"",
    "spaces": b"  \n" * 1000,
    "text": b"hello there",
    "no comments": b'{"video": {"id": 1}}',
    "comments no list": b'{"comments": {"a": 1}}',
    "breaks off": b'{"comments": [{"content_offset_seconds": 1, "message": {"body": "a"}}, {"content',
    "breaks off after a record": b'{"comments": [{"content_offset_seconds": 1, "message": {"body": "a"}}',
    "missing comma": b'{"comments": [{} {}]}',
    "gzip breaks off": gzip.compress(json.dumps({"comments": [comment(i) for i in range(9999)]}).encode())[:-2000],
    "gzip of nothing": gzip.compress(b""),
    "not really gzip": b"\x1f\x8b" + b"hello" * 100,
    "nested": b'{"comments": [' + b"[" * 200_000,
    "nested header": b'{"video": ' + b'{"a":' * 200_000,
    "one endless text": b'{"comments": [{"a": "' + b"x" * 20_000_000,
    "one endless number": b'{"comments": [' + b"1" * 20_000_000,
    "binary": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_chat_is_unavailable_and_leaves_nothing_behind(chat: Import, kind: str) -> None:
    with pytest.raises(ChatUnavailable):
        chat.bytes(BROKEN[kind])

    assert sorted(path.name for path in chat.folder.iterdir()) == ["chat.json"]


def test_a_gzip_bomb_is_refused(chat: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.download.chat_forms.packing.MOST_BYTES", 5_000_000)

    with pytest.raises(ChatUnavailable, match="larger than"):
        chat.bytes(gzip.compress(b'{"comments": [' + b" " * 10_000_000 + b"]}"))


def test_comments_beyond_the_cap_are_cut_and_told(chat: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.download.chat_import.MOST_COMMENTS", 10)

    summary, comments = chat.records(*[comment(i) for i in range(30)])

    assert len(comments) == 10
    assert summary.warnings == ("Only the first 10 comments of the chat file were read.",)


def test_progress_rises_to_one(chat: Import) -> None:
    told: list[float] = []
    chat.bytes(json.dumps({"comments": [comment(i) for i in range(3000)]}).encode())
    import_chat(chat.folder / "chat.json", chat.into, work=chat.folder, progress=told.append)

    assert told == sorted(told)
    assert told[-1] == 1.0
