"""`make bench`: every benchmark, each in a process of its own; ratios beside a peer in the same run."""

import subprocess
import sys

# Short ones first.
MODULES = (
    "api",
    "queued",
    "submissions",
    "streams",
    "stream_soak",
    "pipeline",
    "chat_speed",
    "long_chat",
    "chat_forms",
    "upload_size",
    "vod_chat",
    "partial",
    "download",
    "analysis_speed",
)


def main() -> int:
    failed = []
    for module in MODULES:
        print(f"\n--- python -m bench.{module}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{module}"], check=False).returncode:
            failed.append(module)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
