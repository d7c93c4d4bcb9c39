"""Files that are there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TEMPORARY = ".new-"  # how the names of files begin that are still being written


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`, which takes its place when the block ends well and is removed when it does not.

    Its ending is that of `target`, its name one of its own: a process that was given up may still write to an earlier
    one. What a dead process leaves begins with TEMPORARY. Raises OSError.
    """
    temporary = target.with_name(f"{TEMPORARY}{uuid4().hex}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
