"""The highlights as a table that a spreadsheet opens as it is."""

import csv
from collections.abc import Sequence
from pathlib import Path

from shared.highlight import Highlight

COLUMNS = (
    "rank", "start_seconds", "end_seconds", "peak_seconds", "score", "emotion", "title", "reasons", "transcript",
    "chat_sample", "clip_url", "thumbnail_url", "watch_url",
)  # fmt: skip
# A spreadsheet would run text that begins like a formula; the wide forms are what Excel takes for them in Asia.
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_csv(highlights: Sequence[Highlight], into: Path) -> None:
    """UTF-8 with the byte order mark, without which Excel reads it as the machine's own code page."""
    with into.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for highlight in highlights:
            table.writerow([_cell(getattr(highlight, name)) for name in COLUMNS])


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        value = " | ".join(str(part) for part in value)
    if isinstance(value, str):
        value = value.replace("\0", "")
        return "'" + value if value.startswith(FORMULA_BEGINS) else value
    return value
