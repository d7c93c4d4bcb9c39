"""Long sound is cut at silences, always at the same places, and read as it is in the whole."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.recordings import ffmpeg, tone
from workers.media.speech_samples import RATE, read_samples
from workers.transcription.chunks import plan


@pytest.fixture(scope="module")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of tone with a second of silence before each multiple of 25 s."""
    path = tmp_path_factory.mktemp("beeps") / "beeps.m4a"
    ffmpeg(*tone(), "-t", "120", "-af", "volume=0:enable='gt(mod(t,25),24)'", "-c:a", "aac", path)
    return path


def test_chunks_are_cut_in_the_silences(beeps: Path) -> None:
    spans = plan(beeps, chunk_s=30)

    assert [span.start for span in spans] == pytest.approx([0, 24.5, 49.5, 74.5, 99.5], abs=0.3)
    assert spans[-1].end == pytest.approx(120, abs=0.1)
    assert all(earlier.end == later.start for earlier, later in pairwise(spans))
    assert all(span.end - span.start <= 30 for span in spans)
    assert plan(beeps, chunk_s=30) == spans


def test_constant_sound_is_cut_too(tmp_path: Path) -> None:
    ffmpeg(*tone(), "-t", "100", "-c:a", "aac", tmp_path / "a.m4a")

    spans = plan(tmp_path / "a.m4a", chunk_s=30)

    assert 4 <= len(spans) <= 5
    assert all(5 < span.end - span.start <= 30 for span in spans)


def test_any_part_of_the_sound_is_read_as_in_the_whole(beeps: Path) -> None:
    whole = read_samples(beeps, 0, 120)

    for start, end in ((0.0, 1.0), (0.3, 2.0), (23.0, 26.0), (100.0, 119.9)):
        part = read_samples(beeps, start, end)
        assert len(part) == round((end - start) * RATE)
        expected = whole[round(start * RATE) : round(end * RATE)]
        middle = slice(RATE // 20, -(RATE // 20))
        assert np.abs(part[middle] - expected[middle]).max() < 0.05


def test_beyond_the_end_there_is_silence(beeps: Path) -> None:
    samples = read_samples(beeps, 119.0, 125.0)

    assert len(samples) == 6 * RATE
    assert np.abs(samples[2 * RATE :]).max() == 0


def test_sound_that_begins_late_in_its_file_stays_at_its_time(tmp_path: Path) -> None:
    ffmpeg("-itsoffset", "2", *tone(), "-t", "5", "-c:a", "aac", tmp_path / "late.mkv")
    with av.open(str(tmp_path / "late.mkv")) as source, av.open(str(tmp_path / "late.m4a"), "w") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)

    samples = read_samples(tmp_path / "late.m4a", 0, 5)

    assert float(np.argmax(np.abs(samples) > 0.02)) / RATE == pytest.approx(2.0, abs=0.05)
