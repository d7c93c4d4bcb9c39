"""The files of a job: their names, which stage makes them, what they are. Workers write them, the web serves them.

A new file, or a new format to export, is a row here; whoever writes it takes the name from here.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

TEXT, JSON, CSV = "text/plain; charset=utf-8", "application/json", "text/csv; charset=utf-8"
XML, SRT, VTT = "application/xml; charset=utf-8", "application/x-subrip; charset=utf-8", "text/vtt; charset=utf-8"
UNKNOWN = "application/octet-stream"


class File(NamedTuple):
    """name: among the job's files.  stage: that makes it.  url_name: in `urls` of the results, None: not there."""

    name: str
    stage: str
    media_type: str
    url_name: str | None = None

    @property
    def download_name(self) -> str:
        """What a browser saves it as."""
        return PurePosixPath(self.name).name


AUDIO = File("audio.m4a", "download", "audio/mp4", "audio_url")
VIDEO = File("video.mp4", "download", "video/mp4", "video_url")
CHAT = File("chat.jsonl", "chat", "application/x-ndjson", "chat_url")
TRANSCRIPT = File("transcript.json", "transcribe", JSON)
WORDS = File("words.csv", "transcribe", CSV, "transcriptWords_url")
PARAGRAPHS = File("paragraphs.csv", "transcribe", CSV, "transcript_url")
CAPTIONS_SRT = File("captions.srt", "transcribe", SRT)
CAPTIONS_VTT = File("captions.vtt", "transcribe", VTT)
TIMELINE = File("timeline.json", "analyze", JSON)
WAVEFORM = File("waveform.json", "analyze", JSON, "waveform_url")
SEGMENTS = File("segments.csv", "analyze", CSV, "analysis_url")
HIGHLIGHTS = File("highlights.json", "highlights", JSON)
HIGHLIGHTS_CSV = File("highlights.csv", "highlights", CSV)
TIMELINE_PICTURE = File("timeline.svg", "highlights", "image/svg+xml; charset=utf-8")
# What each score was made of, by the highlight's rank: verdicts are remembered with it.
FEATURES = File("features.json", "highlights", JSON)
RESULTS = File("results.json", "highlights", JSON)

FILES = (
    *(AUDIO, VIDEO, CHAT),
    *(TRANSCRIPT, WORDS, PARAGRAPHS, CAPTIONS_SRT, CAPTIONS_VTT),
    *(TIMELINE, WAVEFORM, SEGMENTS),
    *(HIGHLIGHTS, HIGHLIGHTS_CSV, TIMELINE_PICTURE, FEATURES, RESULTS),
)
# Every finished file, with its size and sha256; written with each stage, so it belongs to none.
MANIFEST = "manifest.json"
URL_FILES = {file.url_name: file for file in FILES if file.url_name is not None}


def clip(rank: int) -> File:
    """The clip of the highlight of this rank."""
    return File(f"clips/{rank:02}.mp4", "highlights", "video/mp4")


def thumbnail(rank: int) -> File:
    """The picture of that clip."""
    return File(f"clips/{rank:02}.jpg", "highlights", "image/jpeg")


def _export(name: str, media_type: str) -> File:
    return File(f"exports/{name}", "highlights", media_type)


# By the name of the format in `GET .../export/FORMAT`.
EXPORTS = {
    "csv": _export("highlights.csv", CSV),
    "srt": _export("highlights.srt", SRT),
    "vtt": _export("highlights.vtt", VTT),
    "chapters": _export("highlights.chapters.txt", TEXT),
    "edl": _export("highlights.edl", TEXT),
    "fcpxml": _export("highlights.fcpxml", XML),
    "otio": _export("highlights.otio", JSON),
    "premiere": _export("highlights.xml", XML),
    "mlt": _export("highlights.mlt", XML),
}
# The whole recording as one clip with a marker over each highlight, by format.
MARKED = {
    "edl": _export("recording.edl", TEXT),
    "fcpxml": _export("recording.fcpxml", XML),
    "otio": _export("recording.otio", JSON),
    "premiere": _export("recording.xml", XML),
    "mlt": _export("recording.mlt", XML),
}
NO_CHAPTERS = (
    "There are no YouTube chapters: YouTube wants at least three, each 10 seconds or longer, and the highlights give "
    "fewer."
)

_BY_NAME = {file.name: file.media_type for file in (*FILES, *EXPORTS.values(), *MARKED.values())}
_BY_SUFFIX = {PurePosixPath(file.name).suffix: file.media_type for file in (clip(1), thumbnail(1), *FILES)}


def _plain(media_types: Iterable[str]) -> tuple[str, ...]:
    """Each once, without parameters."""
    return tuple(dict.fromkeys(media_type.partition(";")[0] for media_type in media_types))


EXPORT_MEDIA_TYPES = _plain(file.media_type for file in EXPORTS.values())
FILE_MEDIA_TYPES = _plain([UNKNOWN, *_BY_NAME.values(), *_BY_SUFFIX.values()])


def media_type_of(name: str) -> str:
    """What the file of this name is; by its ending when there is no row of its own, such as for clips."""
    return _BY_NAME.get(name) or _BY_SUFFIX.get(PurePosixPath(name).suffix, UNKNOWN)
