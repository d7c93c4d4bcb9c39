"""What a file is that is no chat, so that its owner is told what to send instead."""

import re

from shared.errors import ChatUnavailable

FORMS = (
    "Send the chat as TwitchDownloader, chat-downloader, yt-dlp or Chatterino write it, or a CSV with a time and a text"
)
_BINARY = (
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x1f\x8b", "an archive inside archives"),
    (b"PK", "a zip archive that is damaged, empty or inside other archives"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"OggS", "a sound file"),
    (b"ID3", "a sound file"),
    (b"RIFF", "a sound or video file"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
)
_MP4 = re.compile(rb"....(?:ftyp|moov|mdat)", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_TEXT = (
    (re.compile(r"\s*<(?:!doctype html|html)", re.IGNORECASE), "an HTML page", "Choose JSON when downloading the chat"),
    (re.compile(r"\s*(?:<\?xml|<[a-z])", re.IGNORECASE), "XML", FORMS),
    (re.compile(r"WEBVTT"), "WebVTT subtitles", FORMS),
    (re.compile(r"\s*\[Script Info\]"), "ASS subtitles", FORMS),
    (re.compile(r"\s*\d+\r?\n\d\d:\d\d:\d\d,\d{3} -->"), "SRT subtitles", FORMS),
    (re.compile(r"#EXTM3U"), "an HLS playlist", FORMS),
    (re.compile(r"\{\\rtf"), "RTF", FORMS),
)


def refuse_binary(start: bytes, encoding: str) -> None:
    """Raise ChatUnavailable, naming what it looks like, when a file begins as no text does."""
    for magic, what in _BINARY:
        if start.startswith(magic):
            raise unreadable(what)
    if _MP4.match(start):
        raise unreadable("a video")
    if encoding == "utf-8" and len(_CONTROL.findall(start)) > len(start) / 100:
        raise unreadable("binary data")


def refuse_text(head: str) -> None:
    """Raise ChatUnavailable when a text is of a kind that is known and no chat."""
    for pattern, what, advice in _TEXT:
        if pattern.match(head):
            raise unreadable(what, advice)


def unreadable(what: str, advice: str = FORMS) -> ChatUnavailable:
    return ChatUnavailable(f"The chat file looks like {what}, not like a chat. {advice}.")
