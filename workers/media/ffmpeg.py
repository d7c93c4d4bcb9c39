"""The ffmpeg program: the one in the imageio-ffmpeg wheel, else the one on PATH; and how it ends with its worker."""

import shutil
from functools import cache

import imageio_ffmpeg

from shared.errors import UnclassifiedError


@cache
def ffmpeg_path() -> str:
    """Raises UnclassifiedError when this machine has none; `flask --app web doctor` tells what to do about it."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise UnclassifiedError("There is no ffmpeg on this worker.") from error


def dying_with_us(command: list[str]) -> list[str]:
    """`command`, killed by the kernel when the thread that starts it is: a worker that is killed can't do it itself.

    Only on Linux, by util-linux' setpriv; elsewhere `command` as it is.
    """
    setpriv = _setpriv()
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command


@cache
def _setpriv() -> str | None:
    return shutil.which("setpriv")
