"""The highlights in the forms that editors, players, spreadsheets and video platforms read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.files import EXPORTS, HIGHLIGHTS_CSV, MARKED, NO_CHAPTERS
from shared.highlight import Highlight
from shared.records import Video
from workers.exports.captions import write_chapters, write_srt, write_vtt
from workers.exports.edl import for_edl, write_edl
from workers.exports.fcp7 import for_fcp7, write_fcp7
from workers.exports.fcpxml import write_fcpxml
from workers.exports.mlt import write_mlt
from workers.exports.otio_file import write_otio
from workers.exports.table import write_csv
from workers.exports.timeline import Footage, Media, Timeline, footage, highlight_timeline, marked_timeline

__all__ = ["Exported", "Media", "write_exports"]


class Exported(NamedTuple):
    """files: names of what was written.  warnings: why something was not."""

    files: tuple[str, ...]
    warnings: tuple[str, ...]


class _Editor(NamedTuple):
    """A format for editors.  suited: the recording at a rate that the format can name."""

    write: Callable[[Timeline, Path], None]
    suited: Callable[[Footage], Footage] = lambda of: of


_LISTS = {"csv": write_csv, "srt": write_srt, "vtt": write_vtt}
_EDITORS = {
    "edl": _Editor(write_edl, for_edl),
    "fcpxml": _Editor(write_fcpxml),
    "otio": _Editor(write_otio),
    "premiere": _Editor(write_fcp7, for_fcp7),
    "mlt": _Editor(write_mlt),
}


def write_exports(highlights: Sequence[Highlight], *, video: Video | None, media: Media, into: Path) -> Exported:
    """A file per format, named as in `shared.files`, in `into`, and the table once more beside them.

    highlights: in any order.  video: None when nothing is known.  media: the file that editors look for.
    """
    for export in (*EXPORTS.values(), *MARKED.values()):
        (into / export.name).parent.mkdir(parents=True, exist_ok=True)
    for form, write in _LISTS.items():
        write(highlights, into / EXPORTS[form].name)
    write_csv(highlights, into / HIGHLIGHTS_CSV.name)
    recording = footage(video, media, highlights)
    for form, editor in _EDITORS.items():
        suited = editor.suited(recording)
        editor.write(highlight_timeline(highlights, suited), into / EXPORTS[form].name)
        editor.write(marked_timeline(highlights, suited), into / MARKED[form].name)
    chapters = write_chapters(highlights, into / EXPORTS["chapters"].name, duration_s=recording.duration_s)
    names = [HIGHLIGHTS_CSV.name]
    names += [export.name for form, export in EXPORTS.items() if chapters or form != "chapters"]
    names += [export.name for export in MARKED.values()]
    return Exported(tuple(names), () if chapters else (NO_CHAPTERS,))
