"""The chat file that a job names, in the media folder of this machine."""

from pathlib import Path

from shared.errors import ChatUnavailable, KlipError, UnsupportedSource
from shared.settings import settings
from workers.download.local import inside, regular_file


def check_chat_file(name: str) -> None:
    """Raises PermissionDenied when the name leads out of the media folder, UnsupportedSource when there is none.

    Whether the file is there, and is a chat, is found out by the chat stage: without one the job goes on.
    """
    inside(_folder(), name)


def chat_file(name: str) -> Path:
    """Where the chat file is. Raises ChatUnavailable when it can't be used."""
    try:
        return regular_file(_folder(), name)
    except KlipError as error:
        raise ChatUnavailable(f"The chat file can't be used. {error.detail}") from error


def _folder() -> Path:
    folder = settings().local_media_dir
    if folder is None:
        raise UnsupportedSource("LOCAL_MEDIA_DIR is not set on the worker.")
    return folder
