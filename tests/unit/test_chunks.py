"""Where long sound is cut, how finished chunks are kept, and what is left of endless repeats."""

from pathlib import Path

import numpy as np
import pytest

from shared.errors import UnsupportedFormat
from tests.recordings import SPEECH
from workers.media.cutting import Span
from workers.media.speech_samples import RATE, duration_s
from workers.transcription.chunks import ChunkStore, plan, quietest_s
from workers.transcription.hallucinations import without_loops
from workers.transcription.transcript import Word


def test_short_sound_is_one_chunk() -> None:
    assert plan(SPEECH) == (Span(0.0, round(duration_s(SPEECH), 3)),)


def test_the_first_of_equal_silences_is_taken() -> None:
    assert quietest_s(np.zeros(RATE * 10, np.float32)) == pytest.approx(0.25)


def test_a_damaged_sound_track_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(SPEECH.read_bytes()[:5000])

    with pytest.raises(UnsupportedFormat):
        plan(tmp_path / "a.m4a")


def test_kept_chunks_are_found_again_only_for_the_same_sound_model_and_cut(tmp_path: Path) -> None:
    span = Span(1.0, 2.0)
    store = ChunkStore(tmp_path / "work", audio=SPEECH, model="a", language="en")
    assert store.load(span) is None

    store.save(span, {"words": []})

    assert ChunkStore(tmp_path / "work", audio=SPEECH, model="a", language="en").load(span) == {"words": []}
    assert ChunkStore(tmp_path / "work", audio=SPEECH, model="b", language="en").load(span) is None
    assert ChunkStore(tmp_path / "work", audio=Path(__file__), model="a", language="en").load(span) is None
    assert store.load(Span(1.0, 3.0)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"key": 1}', "\x00\xff"])
def test_a_kept_chunk_that_was_half_written_is_not_used(tmp_path: Path, content: str) -> None:
    store = ChunkStore(tmp_path, audio=SPEECH, model="a", language="en")
    store.save(Span(0.0, 1.0), {"words": []})
    (kept,) = tmp_path.iterdir()
    kept.write_text(content)

    assert store.load(Span(0.0, 1.0)) is None


def test_endless_repeats_are_cut_to_four() -> None:
    said = f"so {'we go ' * 7}home {'ha ' * 7}now".split()
    words = [Word(word, float(i), i + 0.5, None) for i, word in enumerate(said)]

    assert " ".join(word.word for word in without_loops(words)) == "so we go we go we go we go home ha ha ha ha now"
