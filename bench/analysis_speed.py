"""From files to highlights (clips aside): time and memory at several lengths, beside plain pandas on the same chat.

    python -m bench.analysis_speed [--hours 1 3 9 27]

Makes an AAC track (48 kHz stereo) and a chat of 11 000 comments an hour for every length and runs the two stages in a
process of their own. Ends with one JSON line.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bench.chat_speed import in_pandas, made_up
from workers.analysis.highlights import find_highlights, write_highlight_files
from workers.analysis.recording import analyze_recording
from workers.chatlog import read_comments, write_comment

COMMENTS_AN_HOUR = 11_112  # 100 000 in 9 h
LOOP_S = 300
_RATE_HZ = 48_000


def make_sound(into: Path, *, seconds: int) -> None:
    """An m4a of `seconds`: LOOP_S of pulsing noise encoded once, its packets repeated."""
    random = np.random.default_rng(5)
    loop = into.with_suffix(".loop.m4a")
    with av.open(str(loop), "w") as container:
        stream = container.add_stream("aac", rate=_RATE_HZ, layout="stereo")
        for second in range(LOOP_S):
            level = 0.02 if second % 30 else 0.3
            samples = (random.standard_normal((2, _RATE_HZ)) * level).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.rate, frame.pts = _RATE_HZ, second * _RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(into), "w") as out, av.open(str(loop)) as source:
        stream = out.add_stream_from_template(source.streams.audio[0])
        packets = [(bytes(p), p.duration) for p in source.demux(source.streams.audio[0]) if p.duration]
        at = 0
        while at < seconds * _RATE_HZ:
            for payload, duration in packets:
                packet = av.Packet(payload)
                packet.stream = stream
                packet.time_base = Fraction(1, _RATE_HZ)
                packet.pts = packet.dts = at
                packet.duration = duration
                out.mux(packet)
                at += duration
    loop.unlink()


def run(folder: Path, hours: float) -> dict[str, float]:
    """The two stages in this process."""
    begin, used = time.perf_counter(), time.process_time()
    chat = folder / "chat.jsonl"
    longest, last = 0.0, begin

    def tell(_fraction: float) -> None:
        nonlocal longest, last
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    seconds = hours * 3600
    analyze_recording(
        chat=chat, audio=folder / "audio.m4a", transcript=None, duration_s=seconds, into=folder, progress=tell
    )
    timeline = folder / "timeline.json"
    found = find_highlights(timeline=timeline, chat=chat, transcript=None, duration_s=seconds, count=10, watch_url=None)
    write_highlight_files(found, timeline=timeline, title="bench", into=folder)
    return {
        "hours": hours,
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "longest_silence_s": round(longest, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def measure(hours: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_sound(folder / "audio.m4a", seconds=int(hours * 3600))
        with (folder / "chat.jsonl").open("w", encoding="utf-8") as file:
            for comment in made_up(int(COMMENTS_AN_HOUR * hours), hours=hours):
                write_comment(file, comment)
        command = [sys.executable, "-m", "bench.analysis_speed", "--one", str(folder), "--hours", str(hours)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ.copy())
        row: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
        begin = time.process_time()
        in_pandas(list(read_comments(folder / "chat.jsonl")), hours * 3600)
        row["pandas_chat_cpu_seconds"] = round(time.process_time() - begin, 2)
        row["ratio_to_pandas_chat"] = round(row["pandas_chat_cpu_seconds"] / row["cpu_seconds"], 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 3.0, 9.0, 27.0])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(given.one, given.hours[0])))
        return
    rows = []
    for hours in given.hours:
        rows.append(measure(hours))
        print(rows[-1], flush=True)
    per_hour = [row["cpu_seconds"] / row["hours"] for row in rows]
    print(json.dumps({"runs": rows, "cpu_seconds_per_hour": [round(value, 2) for value in per_hour]}))


if __name__ == "__main__":
    main()
