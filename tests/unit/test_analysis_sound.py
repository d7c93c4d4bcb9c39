"""Loudness, silence and waveform."""

from pathlib import Path

import numpy as np
import pytest

from shared.errors import Cancelled, UnsupportedFormat
from tests.unit.analysis_made import RATE, sine, write_video, write_wav
from workers.analysis.sound_signals import SILENCE_LUFS, WAVEFORM_POINTS, sound_grid


def test_a_tone_has_the_loudness_the_standard_gives_it(tmp_path: Path) -> None:
    # Given a 997 Hz tone of -20 dBFS peak in mono: -23 LUFS by BS.1770 (its K weighting adds 0.7 dB at 1 kHz)
    audio = write_wav(tmp_path / "a.wav", sine(5, level=0.1))
    # When it is measured
    loudness = sound_grid(audio, duration_s=5).loudness
    # Then every whole second is within half a unit
    assert np.abs(loudness[1:] + 23.0).max() < 0.5


def test_silence_is_quiet_and_a_sudden_tone_is_found_in_its_second(tmp_path: Path) -> None:
    samples = np.concatenate((np.zeros(4 * RATE, dtype=np.float32), sine(2, level=0.5), np.zeros(4 * RATE, np.float32)))
    grid = sound_grid(write_wav(tmp_path / "a.wav", samples), duration_s=10)
    assert int(np.diff(grid.loudness).argmax()) == 3
    assert grid.loudness[:4].max() == grid.loudness[8:].max() == SILENCE_LUFS


def test_the_waveform_has_20_000_peaks_between_0_and_1(tmp_path: Path) -> None:
    samples = np.concatenate((sine(3, level=0.25), sine(3, level=1.0)))
    waveform = sound_grid(write_wav(tmp_path / "a.wav", samples), duration_s=6).waveform
    assert len(waveform) == WAVEFORM_POINTS
    assert waveform[:9000].max() == pytest.approx(0.25, abs=0.01)
    assert waveform[11000:].max() == pytest.approx(1.0, abs=0.01)
    assert waveform.min() >= 0


def test_the_two_halves_are_measured_without_a_seam(tmp_path: Path) -> None:
    # Given an even tone, decoded in halves and in blocks of 10 s
    audio = write_wav(tmp_path / "a.wav", sine(61.3, level=0.1))
    # When it is measured twice
    first, second = sound_grid(audio, duration_s=61.3), sound_grid(audio, duration_s=61.3)
    # Then every second is there, all alike, and both are equal bit for bit
    assert np.abs(np.diff(first.loudness)).max() < 0.3
    assert first.loudness.tobytes() == second.loudness.tobytes()
    assert first.waveform.tobytes() == second.waveform.tobytes()


def test_seconds_after_the_end_of_the_sound_are_unknown(tmp_path: Path) -> None:
    grid = sound_grid(write_wav(tmp_path / "a.wav", sine(3, level=0.1)), duration_s=6)
    assert np.isnan(grid.loudness).tolist() == [False, False, False, True, True, True]


def test_compressed_sound_of_a_video_file_is_read(tmp_path: Path) -> None:
    grid = sound_grid(write_video(tmp_path / "a.mp4", seconds=4), duration_s=4)
    assert -20 < np.median(grid.loudness) < -14


@pytest.mark.parametrize("content", [b"", b"not a recording", b"\x00" * 5000, b"RIFF\xff\xff\xff\xffWAVEfmt "])
def test_what_is_no_recording_is_refused_with_a_typed_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.m4a").write_bytes(content)
    with pytest.raises(UnsupportedFormat):
        sound_grid(tmp_path / "a.m4a", duration_s=10)


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", seconds=2, sound=False)
    with pytest.raises(UnsupportedFormat):
        sound_grid(video, duration_s=2)


def test_cancelling_stops_the_decoding(tmp_path: Path) -> None:
    audio = write_wav(tmp_path / "a.wav", sine(5, level=0.1))

    def cancelled(_fraction: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        sound_grid(audio, duration_s=5, progress=cancelled)
