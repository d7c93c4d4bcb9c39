"""What a submission names and could never work: told at once, not by a job that fails or a webhook tried for a day."""

import socket
from pathlib import Path

from shared.errors import InvalidRequest, UnsupportedSource
from shared.jobs import Job
from shared.net.egress import public_addresses
from shared.settings import Settings
from shared.source_url import split_address

PRIVATE = "Its address is a private one; ALLOW_PRIVATE_HOSTS does not list it."


def check_within_reach(job: Job, config: Settings) -> None:
    """Raises InvalidRequest for files that are not in the media folder, and a callback to a private address."""
    errors = _missing_files(job, config.local_media_dir)
    if job.callback_url is not None and not may_be_called(job.callback_url, config.allow_private_hosts):
        errors["callback_url"] = [PRIVATE]
    if errors:
        raise InvalidRequest(errors=errors)


def _missing_files(job: Job, folder: Path | None) -> dict[str, list[str]]:
    # Where only the workers have the folder they alone can tell.
    if folder is None or not folder.is_dir():
        return {}
    named = {"options.join": job.options.join}
    if job.source["kind"] == "local":
        named["url"] = (job.source["ref"],)
    if job.chat_ref is not None:
        named["chat_url"] = (job.chat_ref,)
    missing = {field: [name for name in names if not _is_there(folder, name)] for field, names in named.items()}
    return {
        field: [f"There is no file {name} in the media folder." for name in names]
        for field, names in missing.items()
        if names
    }


def _is_there(folder: Path, name: str) -> bool:
    try:
        path = (folder / name).resolve()
        return path.is_file() and path.is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False  # a name too long for the file system, a link that leads in a circle


def may_be_called(url: str, private_hosts: frozenset[str]) -> bool:
    """Whether a callback may go there, as far as its name is known now."""
    host, port, _ = split_address(url)
    if f"{host}:{port}" in private_hosts:
        return True
    try:
        public_addresses(host, port)
    except UnsupportedSource:
        return False
    except socket.gaierror:
        pass  # it may be known by the time there is something to tell; the address is checked at each call anyway
    return True
