"""Whether anybody speaks, by the voice activity detector (Silero) that comes with faster-whisper."""

from pathlib import Path

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from workers.media.cutting import Span
from workers.media.speech_samples import RATE, Samples, read_samples

BLOCK_S = 300.0  # looked at in one go; bounds the memory
ENOUGH_S = 5.0  # of voice: less may be a shout in a game, or music
SURE = VadOptions(threshold=0.6, min_speech_duration_ms=500)


def is_spoken(audio: Path, span: Span) -> bool:
    """Whether there is speech worth writing down in `span` of the sound track. Raises UnsupportedFormat."""
    heard = 0
    start_s = span.start
    while start_s < span.end and heard < ENOUGH_S * RATE:
        end_s = min(start_s + BLOCK_S, span.end)
        heard += len(voice_in(read_samples(audio, start_s, end_s)))
        start_s = end_s
    return heard >= ENOUGH_S * RATE


def voice_in(samples: Samples) -> Samples:
    """The speech alone, shape (samples,), 16 kHz; empty where nobody speaks."""
    stretches = get_speech_timestamps(samples, SURE)
    return np.concatenate([samples[:0], *(samples[stretch["start"] : stretch["end"]] for stretch in stretches)])
