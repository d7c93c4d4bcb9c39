"""Whether anybody speaks, by the voice activity detector (Silero) that comes with faster-whisper."""

from pathlib import Path

from faster_whisper.vad import VadOptions, get_speech_timestamps

from workers.media.cutting import Span
from workers.media.speech_samples import RATE, read_samples

BLOCK_S = 300.0  # looked at in one go; bounds the memory
ENOUGH_S = 5.0  # of voice: less may be a shout in a game, or music
SURE = VadOptions(threshold=0.6, min_speech_duration_ms=500)


def is_spoken(audio: Path, span: Span) -> bool:
    """Whether there is speech worth writing down in `span` of the sound track. Raises UnsupportedFormat."""
    heard_s = 0.0
    start_s = span.start
    while start_s < span.end and heard_s < ENOUGH_S:
        end_s = min(start_s + BLOCK_S, span.end)
        stretches = get_speech_timestamps(read_samples(audio, start_s, end_s), SURE)
        heard_s += sum(stretch["end"] - stretch["start"] for stretch in stretches) / RATE
        start_s = end_s
    return heard_s >= ENOUGH_S
