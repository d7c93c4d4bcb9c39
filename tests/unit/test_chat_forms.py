"""Chat files of every form, told apart by content: the comments that their writers meant."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import ChatUnavailable
from shared.progress import silent
from tests.conftest import ROOT
from workers.chatlog import Comment, Emote, read_comments
from workers.download.chat_import import import_chat
from workers.download.chat_placing import Recording
from workers.download.sources import ChatSummary

CASES = ROOT / "tests" / "data" / "chats"
SAID = [(1, "hi"), (5, "LUL"), (6, "KEKW so funny"), (9, "gg")]
RECORDING = Recording(190.0)

Read = Callable[..., tuple[ChatSummary, list[Comment]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(data: str | bytes, recording: Recording = RECORDING) -> tuple[ChatSummary, list[Comment]]:
        (tmp_path / "file").write_bytes(data.encode() if isinstance(data, str) else data)
        summary = import_chat(
            tmp_path / "file", tmp_path / "chat.jsonl", work=tmp_path, progress=silent, recording=recording
        )
        return summary, list(read_comments(tmp_path / "chat.jsonl"))

    return read


def said(comments: list[Comment]) -> list[tuple[int, str]]:
    return [(int(comment.offset_seconds), comment.text) for comment in comments]


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_each_case_gives_its_four_comments(read: Read, name: str) -> None:
    summary, comments = read((CASES / name).read_bytes())

    assert said(comments) == SAID
    assert summary.messages == 4
    assert len(summary.warnings) == (name == "trim.json"), summary.warnings


# --- the same four comments, as each program writes them --------------------------------------------------------------


def td(at: float, text: str) -> dict[str, Any]:
    return {"_id": f"t{at}", "content_offset_seconds": at, "commenter": {"name": "a"}, "message": {"body": text}}


def gql(at: float, text: str) -> dict[str, Any]:
    return {
        "id": f"g{at}",
        "commenter": {"login": "a"},
        "contentOffsetSeconds": at,
        "message": {"fragments": [{"text": text}]},
    }


def yt(at: float, text: str, **more: Any) -> dict[str, Any]:
    renderer = {"id": f"y{at}", "message": {"runs": [{"text": text}]}, "authorName": {"simpleText": "a"}, **more}
    item = {"addChatItemAction": {"item": {"liveChatTextMessageRenderer": renderer}}}
    return {"clickTrackingParams": "x", "replayChatItemAction": {"actions": [item]}, "videoOffsetTimeMsec": f"{at}000"}


def pages(*edges: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"video": {"id": "1", "comments": {"edges": list(edges), "pageInfo": {"hasNextPage": True}}}}}


TDS = [td(*one) for one in SAID]
GQLS = [gql(*one) for one in SAID]
EDGES = [{"cursor": "c", "node": node} for node in GQLS]
IMAGES = {"thirdParty": [{"id": "1", "data": 'iVBOR\\"w0KGgo' * 100_000}] * 4, "firstParty": [[[{}]]]}

FORMS: dict[str, str] = {
    "TwitchDownloader, images before the comments": json.dumps({"embeddedData": IMAGES, "comments": TDS}),
    "TwitchDownloader, images behind": json.dumps({"comments": TDS, "embeddedData": IMAGES, "video": {"start": 0}}),
    "TwitchDownloader of 2020": json.dumps({"streamer": {}, "comments": TDS, "video": {"start": 0.0}, "emotes": None}),
    "v5 pages, one behind the other": lines({"comments": TDS[:2], "_next": "x"}, {"comments": TDS[2:]}),
    "v5 pages, pretty": json.dumps({"comments": TDS[:2]}, indent=2)
    + "\n"
    + json.dumps({"comments": TDS[2:]}, indent=2),
    "v5 comments as lines": lines(*TDS),
    "GraphQL page": json.dumps(pages(*EDGES)),
    "GraphQL page, pretty": json.dumps(pages(*EDGES), indent=1),
    "GraphQL pages in a list": json.dumps([pages(*EDGES[:1]), pages(*EDGES[1:])]),
    "GraphQL answers in lists, a line each": lines(pages(*EDGES[:3]), pages(*EDGES[3:])),
    "GraphQL nodes as lines": lines(*GQLS),
    "GraphQL comments with edges": json.dumps({"video": {"title": "x", "comments": {"edges": EDGES}}}),
    "GraphQL edges under comments": json.dumps({"comments": {"pageInfo": {}, "edges": EDGES}}),
    "YouTube in a list": json.dumps([yt(*one) for one in SAID]),
    "YouTube, several actions of one moment": lines(
        {
            "replayChatItemAction": {
                "videoOffsetTimeMsec": "1000",
                "actions": yt(1, "hi")["replayChatItemAction"]["actions"]
                + [{"addLiveChatTickerItemAction": {"item": {}}}],
            }
        },
        *(yt(*one) for one in SAID[1:]),
    ),
    "v5 pages without ids": lines(
        *({"comments": [{**one, "_id": None} for one in page]} for page in (TDS[:2], TDS[2:]))
    ),
    "our own chat.jsonl": lines(
        *(
            {"id": f"o{at}", "offset_seconds": at, "user": "a", "text": text, "emotes": [], "bits": 0}
            for at, text in SAID
        )
    ),
    "plain records": json.dumps([{"time": f"0:00:0{at}", "user": "a", "message": text} for at, text in SAID]),
    "messages in an object": json.dumps({"messages": [{"time": at, "user": "a", "message": t} for at, t in SAID]}),
    "TwitchDownloader text, relative": "".join(f"[0:00:0{at}] a: {text}\r\n" for at, text in SAID),
    "text in minutes": "".join(f"[00:0{at}] a: {text}\n" for at, text in SAID),
    "text with parts of seconds": "".join(f"00:00:0{at}.250 a: {text}\n" for at, text in SAID),
    "chat-downloader's printed lines": "".join(f"0:0{at} | (Moderator) a: {text}\n" for at, text in SAID),
    "csv": "time,user,message\n" + "".join(f"{at},a,{text}\n" for at, text in SAID),
    "csv of Excel": "\ufeffZeit;Offset_Seconds;Name;Text\n" + "".join(f"x;{at},5;a;{text}\n" for at, text in SAID),
    "csv, quoted": '"Timestamp","Username","Message"\n' + "".join(f'"0:00:0{at}","a","{t}"\n' for at, t in SAID),
    "csv in other order": "Message Text\tUser Name\tTime (s)\n" + "".join(f"{t}\ta\t{at}.0\n" for at, t in SAID),
    "csv without names": "".join(f"{at},a,{text}\n" for at, text in SAID),
    "csv in milliseconds": "offset_ms|author|content\n" + "".join(f"{at}000|a|{text}\n" for at, text in SAID),
    "csv, German": "Zeit;Benutzer;Nachricht\n" + "".join(f"0:00:0{at};a;{text}\n" for at, text in SAID),
    "csv, German, in seconds": "Sekunden;Name;Kommentar\n" + "".join(f"{at},5;a;{text}\n" for at, text in SAID),
    "csv, Spanish": "tiempo,usuario,mensaje\n" + "".join(f"0:00:0{at}.5,a,{text}\n" for at, text in SAID),
    "csv, named in no language known here": "czas;u;powiedział\n" + "".join(f"0:0{at};a;{t}\n" for at, t in SAID),
    "csv, named so, text first": "kto|text|kdy\n" + "".join(f"a|{text}|00:00:0{at}\n" for at, text in SAID),
    "csv of Excel, delimiter told": "sep=;\ntime;user;message\n" + "".join(f"{at};a;{t}\n" for at, t in SAID),
    "csv behind remarks": "# exported by a tool\n\ntime,user,message\n" + "".join(f"{at},a,{t}\n" for at, t in SAID),
    "csv of old Macs": "time,user,message\r" + "".join(f"{at},a,{text}\r" for at, text in SAID),
    "csv in words": "time,user,message\n" + "".join(f"0h0m{at}s,a,{text}\n" for at, text in SAID),
    "csv of Helix names": "content_offset_seconds,created_at,commenter_name,message_body\n"
    + "".join(f"{at},2024-01-01T00:00:00Z,a,{text}\n" for at, text in SAID),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_times_names_and_texts(read: Read, form: str) -> None:
    _, comments = read(FORMS[form])

    assert said(comments) == SAID
    assert {comment.user for comment in comments} == {"a"}


@pytest.mark.parametrize("form", [form for form in FORMS if "images" not in form])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig"])
def test_every_form_is_read_in_every_encoding(read: Read, form: str, encoding: str) -> None:
    _, comments = read(gzip.compress(FORMS[form].removeprefix("\ufeff").encode(encoding)))

    assert said(comments) == SAID


# --- what each form knows beside that ---------------------------------------------------------------------------------


def test_chat_downloader_keeps_emotes_badges_and_ids(read: Read) -> None:
    record = {
        "message_id": "m1",
        "message_type": "paid_message",
        "message": "hi :wave: 🎉",
        "time_in_seconds": 2.5,
        "author": {"id": 7, "display_name": "Ann", "badges": [{"name": "subscriber"}, {"title": "Member (1 year)"}]},
        "emotes": [{"id": "e1", "name": ":wave:", "images": []}],
    }

    _, comments = read(json.dumps([record]))

    emotes = (Emote("e1", ":wave:"),)
    assert comments == [Comment("m1", 2.5, "Ann", "hi :wave: 🎉", emotes, ("subscriber", "Member (1 year)"))]


def test_messages_without_text_and_from_before_the_stream_are_counted(read: Read) -> None:
    sticker: dict[str, Any] = {"message": None, "time_in_seconds": 3, "author": {}, "message_type": "paid_sticker"}
    early = {"message": "first", "time_in_seconds": -30.5, "author": {"name": "b"}, "message_type": "text_message"}
    late = {"message": "hi", "time_in_seconds": 3, "author": {"name": "b"}, "message_type": "text_message"}

    summary, comments = read(lines(sticker, early, late))

    assert said(comments) == [(3, "hi")]
    assert summary.warnings[0].startswith("1 of 2 comments lie outside the recording (1 before its start).")
    assert "1 records of the chat file are no comments and were left out." in summary.warnings


def test_youtube_keeps_emoji_paid_messages_and_badges(read: Read) -> None:
    custom = {"emojiId": "UC/x", "isCustomEmoji": True, "shortcuts": [":_wave:", ":wave:"]}
    badge = {"liveChatAuthorBadgeRenderer": {"icon": {"iconType": "MODERATOR"}}}
    member: dict[str, Any] = {"liveChatAuthorBadgeRenderer": {"customThumbnail": {"thumbnails": []}}}
    runs = [{"text": "gg "}, {"emoji": {"emojiId": "😂", "shortcuts": [":joy:"]}}, {"emoji": custom}]
    rich = yt(4, "", message={"runs": runs}, authorBadges=[badge, member])
    paid = json.loads(json.dumps(yt(8, "take it")).replace("TextMessage", "PaidMessage"))
    ticker = {"replayChatItemAction": {"actions": [{"addLiveChatTickerItemAction": {}}], "videoOffsetTimeMsec": "1"}}

    summary, comments = read(lines(ticker, rich, paid))

    assert comments[0] == Comment("y4", 4.0, "a", "gg 😂:_wave:", (Emote("UC/x", ":_wave:"),), ("moderator", "member"))
    assert said(comments[1:]) == [(8, "take it")]
    assert summary.warnings == ("1 records of the chat file are no comments and were left out.",)


def test_graphql_comments_keep_emotes_badges_and_cheers(read: Read) -> None:
    message = {
        "fragments": [{"text": "Cheer100 "}, {"text": "Kappa", "emote": {"emoteID": "25"}}],
        "userBadges": [{"setID": "vip"}],
    }
    node = {"id": "g", "commenter": None, "contentOffsetSeconds": "3", "message": message}

    _, comments = read(json.dumps([node, None, {"node": None}]))

    assert comments == [Comment("g", 3.0, None, "Cheer100 Kappa", (Emote("25", "Kappa"),), ("vip",), 100)]


def test_our_own_chat_comes_back_as_it_was(read: Read, tmp_path: Path) -> None:
    record = {**td(3, "gg Kappa"), "_id": "abc"}
    record["message"] |= {"bits_spent": 5, "fragments": [{"text": "gg Kappa", "emoticon": {"emoticon_id": "25"}}]}
    record["message"]["user_badges"] = [{"_id": "vip"}]
    _, first = read(json.dumps([record]))

    _, second = read((tmp_path / "chat.jsonl").read_bytes())

    assert second == first
    assert second[0].bits == 5


# --- logs -------------------------------------------------------------------------------------------------------------

CLOCKS: dict[str, str] = {
    "Chatterino": "# Start logging at 2026-01-01 20:15:00 CET\n[20:15:01] connected\n"
    + "".join(f"[20:15:0{at}]  a: {text}\n" for at, text in SAID)
    + "# Stop logging at 2026-01-01 20:16:00 CET\n",
    "irssi": "--- Log opened Thu Jan 01 20:15:00 2026\n20:15:00 -!- b [b@b] has joined #a\n"
    + "".join(f"20:15:0{at} <@a> {text}\n" for at, text in SAID),
    "mIRC": "Session Start: Thu Jan 01 20:15:00 2026\n" + "".join(f"[20:15:0{at}] <+a> {text}\n" for at, text in SAID),
    "HexChat": "**** BEGIN LOGGING AT Thu Jan  1 20:15:00 2026\n\n"
    + "".join(f"Jan 01 20:15:0{at} <a>\t{text}\n" for at, text in SAID),
}


@pytest.mark.parametrize("program", CLOCKS)
def test_logs_with_times_of_day_begin_where_they_were_opened(read: Read, program: str) -> None:
    summary, comments = read(CLOCKS[program])

    assert said(comments) == SAID
    assert {comment.user for comment in comments} == {"a"}
    assert any("the opening of the log was taken as the recording's start" in one for one in summary.warnings)


FROM_THE_FIRST = [(at - 1, text) for at, text in SAID]
DATES: dict[str, str] = {
    "TwitchDownloader text, UTC": "".join(f"[2026-01-01 20:15:0{at} UTC] a: {text}\n" for at, text in SAID),
    "TwitchDownloader text, UTC in full": "".join(f"[2026-01-01 20:15:0{at}.120 UTC] a: {t}\n" for at, t in SAID),
    "rustlog": "".join(f"[2026-01-01 20:15:0{at}] #channel a: {text}\n" for at, text in SAID),
    "WeeChat": "2026-01-01 20:15:00\t-->\tb has joined\n"
    + "".join(f"2026-01-01 20:15:0{at}\t@a\t{text}\n" for at, text in SAID),
    "ISO 8601": "".join(f"2026-01-01T21:15:0{at}+01:00 <a> {text}\n" for at, text in SAID),
    "IRC with tags": "".join(
        f"@badges=;id=i{at};tmi-sent-ts=17672985{at:02}120;user-id=1 :a!a@a.tmi.twitch.tv PRIVMSG #c :{text}\n"
        for at, text in SAID
    ),
    "csv of moments": "created_at,login,body\n" + "".join(f"2026-01-01T20:15:0{at}Z,a,{text}\n" for at, text in SAID),
    "csv of German dates": "Datum;Name;Nachricht\n"
    + "".join(f"01.01.2026 20:15:0{at};a;{text}\n" for at, text in SAID),
    "csv of American dates": "date,user,message\n" + "".join(f"1/1/2026 8:15:0{at} PM,a,{text}\n" for at, text in SAID),
    "a log with German dates": "".join(f"[01.01.2026 20:15:0{at}] a: {text}\n" for at, text in SAID),
    "Kick": json.dumps(
        {
            "data": {
                "messages": [
                    {"id": f"{at}", "content": t, "created_at": f"2026-01-01T20:15:0{at}Z", "sender": {"username": "a"}}
                    for at, t in SAID
                ]
            }
        }
    ),
    "csv of Unix time": "timestamp,login,body\n" + "".join(f"{1767298500 + at},a,{text}\n" for at, text in SAID),
    "csv of Unix milliseconds": "ts,login,body\n" + "".join(f"{1767298500 + at}000,a,{text}\n" for at, text in SAID),
    "chat-downloader, recorded live": lines(
        *(
            {
                "message": text,
                "timestamp": (1767298500 + at) * 1_000_000,
                "author": {"name": "a"},
                "message_id": f"{at}",
            }
            for at, text in SAID
        )
    ),
}


@pytest.mark.parametrize("form", DATES)
def test_moments_count_from_the_recordings_start_where_that_is_known(read: Read, form: str) -> None:
    summary, comments = read(DATES[form], Recording(190.0, begins_at=1767298500.0))

    assert said(comments) == SAID
    assert {comment.user for comment in comments} == {"a"}
    assert any("Twitch says it began" in one for one in summary.warnings), summary.warnings


@pytest.mark.parametrize("form", DATES)
@pytest.mark.parametrize("begins_at", [None, 1767298500.0 - 5 * 3600])
def test_else_they_count_from_the_first_comment_and_that_is_said(
    read: Read, form: str, begins_at: float | None
) -> None:
    summary, comments = read(DATES[form], Recording(190.0, begins_at=begins_at))

    assert said(comments) == FROM_THE_FIRST
    assert any("the first comment was taken as the recording's start" in one for one in summary.warnings)


def test_a_log_that_was_opened_long_before_counts_from_its_first_comment(read: Read) -> None:
    log = "# Start logging at 2026-01-01 09:00:00 CET\n" + "".join(f"[20:15:0{at}] a: {text}\n" for at, text in SAID)

    summary, comments = read(log)

    assert said(comments) == FROM_THE_FIRST
    assert "the first comment was taken" in summary.warnings[0]


@pytest.mark.parametrize("zone", ["UTC", "GMT+0", "CET", "UTC+01:00", "EST"])
def test_a_log_that_tells_its_zone_counts_from_the_recordings_start(read: Read, zone: str) -> None:
    hour = {"CET": 21, "UTC+01:00": 21, "EST": 15}.get(zone, 20)
    log = f"# Start logging at 2026-01-01 {hour}:10:00 {zone}\n" + "".join(
        f"[{hour}:15:0{at}] a: {text}\n" for at, text in SAID
    )

    summary, comments = read(log, Recording(190.0, begins_at=1767298500.0))

    assert said(comments) == SAID
    assert "Twitch says it began" in summary.warnings[0]


def test_a_log_over_midnight_goes_on(read: Read) -> None:
    log = "# Start logging at 2026-01-01 23:59:00 CET\n[23:59:58] a: old\n[00:00:03] b: new\n"

    _, comments = read(log)

    assert said(comments) == [(58, "old"), (63, "new")]


def test_minutes_alone_are_hours_and_minutes_where_irc_clients_write_them(read: Read) -> None:
    _, comments = read("20:15 <a> hi\n20:16 <b> ho\n20:18 <c> ha\n")

    assert said(comments) == [(0, "hi"), (60, "ho"), (180, "ha")]


def test_times_in_text_that_lie_behind_the_recording_are_moved_to_its_start_and_it_is_said(read: Read) -> None:
    summary, comments = read("".join(f"[3:00:0{at}] a: {text}\n" for at, text in SAID))

    assert said(comments) == FROM_THE_FIRST
    assert "times begin at 3:00:01" in summary.warnings[0]


def test_names_with_spaces_and_texts_with_colons_stay_whole(read: Read) -> None:
    _, comments = read("[0:00:01] John B. Doe: so: this, is it\n[0:00:02] 名前: はい\n")

    assert [(one.user, one.text) for one in comments] == [("John B. Doe", "so: this, is it"), ("名前", "はい")]


# --- tables -----------------------------------------------------------------------------------------------------------


def test_quoted_cells_keep_line_ends_quotes_and_delimiters(read: Read) -> None:
    table = 'time;user;message\n1;a;"one\ntwo; ""three"""\n2;b;"4"\n'

    _, comments = read(table)

    assert [one.text for one in comments] == ['one\ntwo; "three"', "4"]


def test_a_last_text_that_nobody_quoted_keeps_its_commas(read: Read) -> None:
    assert [one.text for one in read("time,user,message\n1,a,well, well, well\n")[1]] == ["well, well, well"]
    assert [one.text for one in read("1,a,hi\n2,b,well, well\n")[1]] == ["hi", "well, well"]


def test_rows_without_a_time_are_counted(read: Read) -> None:
    summary, comments = read("time,message\n1,a\nsoon,b\n3,c\n\n4\n")

    assert said(comments) == [(1, "a"), (3, "c")]
    assert summary.warnings == ("2 records of the chat file are no comments and were left out.",)


# --- broken and foreign -----------------------------------------------------------------------------------------------


def test_lines_that_break_off_cost_only_themselves(read: Read) -> None:
    whole = lines(*(yt(*one) for one in SAID))

    summary, comments = read(whole[:-20])

    assert said(comments) == SAID[:3]
    assert summary.warnings == (
        "1 records of the chat file are no comments and were left out.",
        "The chat file breaks off; what stands before that was read.",
    )


def test_images_that_break_off_behind_the_comments_cost_nothing(read: Read) -> None:
    summary, comments = read(FORMS["TwitchDownloader, images behind"][:-5_000_000])

    assert said(comments) == SAID
    assert summary.warnings == ("The chat file breaks off; what stands before that was read.",)


def test_text_in_another_encoding_is_read_and_told(read: Read) -> None:
    summary, comments = read("[0:00:01] a: schön\n".encode("latin-1"))

    assert comments[0].text == "sch\ufffdn"
    assert summary.warnings == ("Some characters of the chat file could not be read: save it as UTF-8.",)


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "a mark alone": (b"\xff\xfe", "empty"),
    "html": (b"<!DOCTYPE html><html>", "HTML page, not like a chat. Choose JSON"),
    "xml": (b'<?xml version="1.0"?><i><d p="1">x</d></i>', "XML"),
    "srt": (b"1\n00:00:01,000 --> 00:00:02,000\nhi\n\n2\n00:00:03,000 --> 00:00:04,000\nho\n", "SRT subtitles"),
    "vtt": (b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n", "WebVTT subtitles"),
    "ass": (b"[Script Info]\nTitle: x\n", "ASS subtitles"),
    "playlist": (b"#EXTM3U\n#EXTINF:1,\na.ts\n", "HLS playlist"),
    "pdf": (b"%PDF-1.7\n", "a PDF"),
    "png": (b"\x89PNG\r\n\x1a\n", "a picture"),
    "mp4": (b"\x00\x00\x00\x20ftypisom" + bytes(100), "a video"),
    "mkv": (b"\x1aE\xdf\xa3" + bytes(100), "a video"),
    "sqlite": (b"SQLite format 3\x00" + bytes(100), "an SQLite database"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "a 7-Zip archive"),
    "xz": (b"\xfd7zXZ\x00" + bytes(100), "an xz archive"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "a zstd archive"),
    "noise": (bytes(range(256)) * 40, "binary data"),
    "text without times": (b"a: hi\nb: ho\na: LUL\n", "text without times"),
    "prose": (b"Dear diary\ntoday was fine\n", "plain text"),
    "table without times": (b"user,points\na,7\nb,9\n", "no column is named like a time"),
    "info json": (b'{"id": "x", "extractor": "twitch:vod", "formats": [], "comments": null}', "yt-dlp's info JSON"),
    "other json": (b'{"answer": 42}', "no list of comments"),
    "other lines": (b'{"a": 1}\n{"a": 2}\n', "a form that is not known"),
    "other list": (b'[{"a": 1}]', "a form that is not known"),
    "numbers": (b"[1, 2, 3]", "a form that is not known"),
    "table of points": (b"user;points;when\na;7;1\nb;9;2\n", "no column is named like a time"),
    "Excel": (zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "Office, not like a chat. Save"),
    "open quote": (b'time,message\n1,"a\n' + b"2,b\n" * 5000, "A quote may be left open"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_can_not_be_read_is_told_by_what_it_looks_like(read: Read, kind: str) -> None:
    data, words = FOREIGN[kind]

    with pytest.raises(ChatUnavailable) as refusal:
        read(data)

    assert words in refusal.value.detail


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_never_breaks_the_reader(read: Read, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([FORMS[form] for form in FORMS if "images" not in form] + [*CLOCKS.values()]))
    text = whole.encode(data.draw(st.sampled_from(["utf-8", "utf-16"])))
    at = data.draw(st.integers(0, len(text)))
    junk = data.draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b"[" * 50, b'"', b"\\", b"}", b"1e999", b"\n"]))
    )
    damaged = text[:at] + junk + text[at + data.draw(st.integers(0, 30)) :]

    with suppress(ChatUnavailable):
        summary, comments = read(damaged)

        assert summary.messages == len(comments)
        assert all(0 <= comment.offset_seconds < 8 * 86_400 for comment in comments)
