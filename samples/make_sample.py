"""Makes `demo.mp4`, `demo_chat.json` and `demo_truth.json` beside this file: `python -m samples.make_sample`.

Needs what `samples/requirements.txt` lists. The same packages on the same kind of machine give the same bytes.
"""

import json
import subprocess
import tempfile
import wave
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from samples.making import chat, picture, sound
from samples.making.figures import HEIGHT, WIDTH
from samples.making.script import MOMENTS
from samples.making.voice import RATE_HZ, Programme, Sound, speak

HERE = Path(__file__).parent
KEYFRAME_EVERY_S = 2


def _write_wav(samples: Sound, into: Path) -> None:
    with wave.open(str(into), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def _encoder(audio: Path, into: Path) -> list[str]:
    key_frames = str(KEYFRAME_EVERY_S * picture.FRAMES_PER_S)
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(picture.FRAMES_PER_S),
        "-i", "pipe:0", "-i", str(audio),
        "-c:v", "libx264", "-preset", "slow", "-tune", "animation", "-crf", "31", "-threads", "2",
        "-pix_fmt", "yuv420p",
        "-g", key_frames, "-keyint_min", key_frames, "-sc_threshold", "0",
        "-c:a", "aac", "-b:a", "60k", "-ac", "1",
        "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact",
        "-metadata", "title=Duck River, a quiet evening (synthetic demo)", "-movflags", "+faststart", "-shortest",
        str(into),
    ]  # fmt: skip


def make_video(programme: Programme, into: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder, "audio.wav")
        _write_wav(sound.mix(programme), audio)
        with subprocess.Popen(_encoder(audio, into), stdin=subprocess.PIPE) as ffmpeg:
            assert ffmpeg.stdin is not None
            for frame in picture.frames(programme):
                ffmpeg.stdin.write(frame)
    if ffmpeg.returncode:
        raise SystemExit(f"ffmpeg ended with {ffmpeg.returncode}")


def truth(programme: Programme, said: list[chat.Said]) -> dict[str, Any]:
    """Where the moments are (start: where a person would begin the clip), what is said, what is in the chat."""
    moments = [
        {
            "name": moment.name,
            "emotion": moment.emotion,
            "start_seconds": round(programme.cues[moment.first_cue], 2),
            "end_seconds": round(programme.ends[moment.last_cue], 2),
            "peak_seconds": round(programme.events[moment.event], 2),
            "what": moment.what,
        }
        for moment in MOMENTS
    ]
    script = [
        {"start_seconds": round(one.start_s, 2), "end_seconds": round(one.end_s, 2), "text": one.line.text}
        for one in programme.spoken
    ]
    return {
        "duration_seconds": programme.length_s,
        "moments": moments,
        "script": script,
        "chat": {"comments": len(said), "planted": chat.planted(said)},
    }


def _write_json(document: dict[str, Any], into: Path, *, indent: int | None = None) -> None:
    into.write_text(json.dumps(document, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def main() -> None:
    programme = speak()
    said = chat.write_chat(programme)
    _write_json(chat.chat_file(said, length_s=programme.length_s), HERE / "demo_chat.json")
    _write_json(truth(programme, said), HERE / "demo_truth.json", indent=2)
    make_video(programme, HERE / "demo.mp4")
    print(f"{programme.length_s:.0f} s, {len(said)} comments, {(HERE / 'demo.mp4').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
