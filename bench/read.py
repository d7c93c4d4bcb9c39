"""Chats and drawn intervals as people share them."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

from workers.chatlog import Comment, Emote


def read_json(path: Path) -> Any:  # noqa: ANN401
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def read_chat(path: Path) -> list[Comment]:
    """A TwitchDownloader chat JSON, plain or gzip, in order."""
    comments = [_comment(place, record) for place, record in enumerate(read_json(path)["comments"])]
    return sorted(comments, key=lambda comment: comment.offset_seconds)


def _comment(place: int, record: dict[str, Any]) -> Comment:
    message, commenter = record.get("message") or {}, record.get("commenter") or {}
    emotes = [
        Emote(str(part["emoticon"].get("emoticon_id", "")), str(part.get("text", "")))
        for part in message.get("fragments") or ()
        if part.get("emoticon")
    ]
    user = commenter.get("name") or commenter.get("display_name")
    offset = max(0.0, float(record.get("content_offset_seconds") or 0.0))
    return Comment(str(place), offset, user, str(message.get("body") or ""), tuple(emotes))


def read_intervals(path: Path) -> list[tuple[float, float]]:
    """Lines of `start,end` in seconds; a first line of names may stand before them, in either order."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    names = [name.strip().lower() for name in rows[0]] if rows else []
    start, end = (names.index("start"), names.index("end")) if {"start", "end"} <= set(names) else (0, 1)
    lines = rows[1:] if "start" in names else rows
    return sorted((float(row[start]), float(row[end])) for row in lines)
