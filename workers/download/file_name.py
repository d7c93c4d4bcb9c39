"""What a fetched recording is called on any system's disk."""

import re

from shared.text import one_line

LONGEST_BYTES = 200  # most file systems take 255
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')  # on Windows; the slash everywhere


def file_name(title: str, *, tag: str = "", suffix: str = ".mp4") -> str:
    """`TITLE TAG.mp4`: on one line, without what no file may be called, cut to a length that disks take."""
    plain = _FORBIDDEN.sub("_", one_line(title)).strip(" .-")
    end = f" {tag}{suffix}" if tag else suffix
    room = LONGEST_BYTES - len(end.encode())
    short = plain.encode()[:room].decode(errors="ignore").rstrip(" .")
    return f"{short or 'recording'}{end}"
