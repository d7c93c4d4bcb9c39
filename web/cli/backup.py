"""`flask --app web backup FOLDER` and `restore FOLDER`: jobs, and their files where a folder keeps them."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import redis

from shared.atomic import TEMPORARY
from shared.redis.backup import BackupError, load, save
from shared.redis.embedded import redis_url
from shared.settings import SettingsError, settings

JOBS, FILES = "jobs.gz", "artifacts"
FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
TIMEOUT_S = 60


@click.command("backup")
@FOLDER
def backup(folder: Path) -> None:
    """Write all jobs and their files to FOLDER; once more into the same one copies only the files that are new."""
    with _clear_ends(), _database() as client:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The jobs first: files that came after them are no trouble, missing ones would be.
        count = save(client, folder / JOBS)
        files = _artifacts()
        if files is not None and files.exists():
            unfinished = shutil.ignore_patterns(f"{TEMPORARY}*")
            shutil.copytree(files, folder / FILES, copy_function=_copy_if_new, ignore=unfinished, dirs_exist_ok=True)
    click.echo(f"klipstream: {count} keys{_and_files(files)} are in {folder}")


@click.command("restore")
@FOLDER
def restore(folder: Path) -> None:
    """Read a backup into an empty Redis and put its files back. Workers should not run yet."""
    with _clear_ends(), _database() as client:
        files = _artifacts()
        if files is not None and (folder / FILES).exists():
            shutil.copytree(folder / FILES, files, copy_function=_copy_if_new, dirs_exist_ok=True)
        count = load(client, folder / JOBS)
    click.echo(f"klipstream: {count} keys{_and_files(files)} are back")


def _artifacts() -> Path | None:
    """The folder with the files of jobs; None where a bucket keeps them."""
    url = settings().artifacts_url
    return None if "://" in url else Path(url)


def _and_files(files: Path | None) -> str:
    return " and the files" if files is not None else " (the files are in the bucket: its versions are their backup)"


def _copy_if_new(source: str, target: str) -> str:
    """Files of jobs change by being replaced: same size and time, same file."""
    try:
        new = Path(source).stat()
    except FileNotFoundError:
        return target  # its job has been removed meanwhile
    old = Path(target)
    if old.exists() and (old.stat().st_size, old.stat().st_mtime_ns) == (new.st_size, new.st_mtime_ns):
        return target
    return str(shutil.copy2(source, target))


@contextmanager
def _database() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url(settings()), socket_timeout=TIMEOUT_S) as client:
        yield client


@contextmanager
def _clear_ends() -> Iterator[None]:
    """One line instead of a trace."""
    try:
        yield
    except (SettingsError, BackupError, redis.RedisError, OSError, shutil.Error) as error:
        sys.exit(f"klipstream: {error}")
