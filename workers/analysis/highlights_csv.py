"""`highlights.csv`."""

import csv
from pathlib import Path
from typing import Any

CSV_COLUMNS = (
    "rank", "start_seconds", "end_seconds", "peak_seconds", "score", "emotion", "title", "reasons", "transcript",
    "chat_sample", "clip_url", "thumbnail_url", "watch_url",
)  # fmt: skip


def write_csv(highlights: list[dict[str, Any]], into: Path) -> None:
    with into.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(CSV_COLUMNS)
        for highlight in highlights:
            table.writerow([_cell(highlight.get(name)) for name in CSV_COLUMNS])


def _cell(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        value = " | ".join(str(part) for part in value)
    # A spreadsheet would run text that begins like a formula.
    if isinstance(value, str) and value[:1] in "=+-@\t\r":
        return "'" + value
    return value
