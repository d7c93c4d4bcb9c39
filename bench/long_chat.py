"""Memory for a ten-hour chat, imported and analysed; the peer is the same chat read whole by `json.load`.

Repeats a real chat when there is one beside the project (or --chat FILE), else one made up from the sample's.
Ends with one JSON line.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from shared.progress import silent
from workers.analysis.recording import analyze_recording
from workers.download.chat_import import import_chat
from workers.media.ffmpeg import ffmpeg_path

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "data" / "112251297_chat.json.gz"
HOURS = 10


def comments_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        comments: list[dict[str, Any]] = json.load(file)["comments"]
    return comments


def repeat_chat(source: Path, into: Path) -> int:
    """Write HOURS of chat, the comments of `source` again and again. Returns how many."""
    comments = comments_of(source)
    length_s = comments[-1]["content_offset_seconds"] + 1
    count = 0
    with into.open("w", encoding="utf-8") as file:
        file.write('{"video": {}, "comments": [')
        for round_number in range(int(HOURS * 3600 / length_s) + 1):
            for comment in comments:
                offset_s = comment["content_offset_seconds"] + round_number * length_s
                if offset_s >= HOURS * 3600:
                    break
                again = {**comment, "content_offset_seconds": offset_s, "_id": f"{count}"}
                file.write(("," if count else "") + json.dumps(again, ensure_ascii=False))
                count += 1
        file.write("]}")
    return count


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def ours(folder: Path) -> None:
    import_chat(folder / "chat.json", folder / "chat.jsonl", work=folder, progress=silent)
    analyze_recording(
        chat=folder / "chat.jsonl",
        audio=folder / "sound.m4a",
        transcript=None,
        duration_s=HOURS * 3600,
        into=folder,
        progress=silent,
    )


def peer(folder: Path) -> None:
    comments_of(folder / "chat.json")


def measure(way: str, folder: Path) -> float:
    """Peak MB of a process of its own."""
    command = [sys.executable, "-m", "bench.long_chat", "--way", way, "--folder", str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chat", type=Path, default=REAL if REAL.exists() else ROOT / "samples" / "demo_chat.json")
    parser.add_argument("--way", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        {"ours": ours, "peer": peer}[asked.way](asked.folder)
        print(peak_mb())
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = repeat_chat(asked.chat, folder / "chat.json")
        sound = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=60", str(folder / "sound.m4a")]
        subprocess.run(sound, check=True, timeout=60)
        found = {"comments": count, "ours_mb": measure("ours", folder), "peer_mb": measure("peer", folder)}
    found["ratio"] = round(found["ours_mb"] / found["peer_mb"], 2)
    print(f"{HOURS} h of chat, {count} comments: {found['ours_mb']} MB, {found['ratio']} x reading it whole")
    print(json.dumps({"bench": "long_chat", **found}))


if __name__ == "__main__":
    main()
