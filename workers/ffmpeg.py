"""The ffmpeg program: the one in the imageio-ffmpeg wheel, else the one on PATH."""

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
