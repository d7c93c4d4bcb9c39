"""How much goes up to the speech service for an hour of sound, beside a 16 kHz WAV of it.

`python -m bench.upload_size [RECORDING]`; without one, an hour is made of the bundled sample's sound.
Ends with one JSON line.
"""

import argparse
import json
import sys
import tempfile
from itertools import cycle
from pathlib import Path

import av

from shared.progress import silent
from workers.media.cutting import cut
from workers.media.remux import copy_sound
from workers.media.speech_samples import RATE, duration_s
from workers.transcription.chunks import plan

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "demo.mp4"
HOUR_S = 3600.0
WAV_BYTES_A_SECOND = RATE * 2  # 16 bit, mono
WAV_HEADER_BYTES = 44


def repeated(source: Path, into: Path) -> None:
    """The sound of `source` over and over, copied, until it fills an hour."""
    with av.open(str(source), "r") as recording:
        packets = [packet for packet in recording.demux(recording.streams.audio[0]) if packet.size]
        with av.open(str(into), "w", format="mp4") as output:
            stream = output.add_stream_from_template(recording.streams.audio[0])
            end = 0
            for packet in cycle(packets):
                again = av.Packet(bytes(packet))
                again.stream, again.time_base, again.duration = stream, packet.time_base, packet.duration
                again.pts = again.dts = end
                end += packet.duration or 0
                output.mux(again)
                if end * packet.time_base >= HOUR_S:
                    return


def measure(recording: Path, folder: Path) -> dict[str, float]:
    """Bytes sent for `recording`, cut into pieces as the transcriber does."""
    audio = folder / "audio.m4a"
    copy_sound(recording, audio, progress=silent)
    spans = plan(audio)
    sent = audio.stat().st_size
    if len(spans) > 1:
        sent = 0
        for span in spans:
            piece = folder / "piece.m4a"
            cut(audio, span, piece)
            sent += piece.stat().st_size
    seconds = duration_s(audio)
    wav = WAV_HEADER_BYTES + round(seconds * WAV_BYTES_A_SECOND)
    return {
        "seconds": round(seconds, 1),
        "requests": len(spans),
        "upload_bytes": sent,
        "wav_16khz_bytes": wav,
        "ratio": round(sent / wav, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = given.recording
        if recording is None:
            copy_sound(SAMPLE, folder / "sample.m4a", progress=silent)
            recording = folder / "hour.mp4"
            repeated(folder / "sample.m4a", recording)
        figures = measure(recording, folder)
    hours = figures["seconds"] / HOUR_S
    print(f"{hours:.2f} h of sound: {figures['upload_bytes'] / 1e6 / hours:.1f} MB an hour go up,")
    print(f"a 16 kHz WAV of it has {figures['wav_16khz_bytes'] / 1e6 / hours:.1f} MB: {figures['ratio']:.2f} of that.")
    json.dump(figures, sys.stdout)
    print()


if __name__ == "__main__":
    main()
