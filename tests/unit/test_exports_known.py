"""An export is a row and a writer: what else has to know of it is named here when it does not."""

from shared.files import EXPORTS, MARKED
from tests.acceptance.export_readers import READERS
from tests.conftest import ROOT


def test_what_marks_a_recording_is_a_format() -> None:
    assert set(MARKED) <= set(EXPORTS)


def test_the_sample_job_has_a_reader_for_every_format() -> None:
    assert set(READERS) == set(EXPORTS) - {"chapters"}  # whose lack is an answer too, with a test of its own


def test_users_are_told_what_opens_every_format() -> None:
    rows = [line for line in (ROOT / "docs/api.md").read_text().splitlines() if line.startswith("| `")]
    formats = " ".join(row.split("|")[1] for row in rows)

    assert [form for form in EXPORTS if f"`{form}`" not in formats] == []
