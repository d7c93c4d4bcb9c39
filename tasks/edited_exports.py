"""The exports of a job whose highlights were edited, made when they are asked for."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.files import HIGHLIGHTS_CSV
from workers.analysis.exports import write_exports
from workers.analysis.highlights_csv import write_csv


def edited_exports(highlights: list[dict[str, Any]], *, video: dict[str, Any]) -> dict[str, bytes]:
    """highlights.csv and every export, by name."""
    highlights = [highlight | {"peak_seconds": _inside(highlight)} for highlight in highlights]
    with TemporaryDirectory(prefix="klipstream-") as folder:
        into = Path(folder)
        write_csv(highlights, into / HIGHLIGHTS_CSV.name)
        names = (HIGHLIGHTS_CSV.name, *write_exports(highlights, video=video, into=into))
        return {name: (into / name).read_bytes() for name in names}


def _inside(highlight: dict[str, Any]) -> float:
    """The moment, kept within moved borders: editors refuse a marker outside its clip."""
    return float(min(max(highlight["peak_seconds"], highlight["start_seconds"]), highlight["end_seconds"]))
