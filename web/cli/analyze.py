"""`flask --app web analyze`, `follow` and `jobs`: a running stack used over HTTP."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import click
from rich.console import Console

from clients.python.klipstream_client import ApiError, Client, JobError, Options, Unreachable
from shared.settings import Settings, settings
from shared.source_url import MAX_URL_LENGTH
from web.cli.display import jobs_shown, progress_shown, results_shown

COMPLETED, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
SAMPLES = Path(__file__).resolve().parent.parent.parent / "samples"  # LOCAL_MEDIA_DIR of `make up`, unless it is set
console = Console()
messages = Console(stderr=True)


def base_url(config: Settings) -> str:
    """Where the running stack is: what it wrote down itself, unless PORT was set for this command."""
    written = config.data_dir / "run" / "url"
    if "PORT" not in os.environ and written.is_file():
        return written.read_text().strip()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.host, config.host)  # noqa: S104 -- nothing is bound
    return f"http://{host}:{config.port}"


def source_name(text: str, config: Settings) -> str:
    """A file inside the media folder as `file:NAME`; anything else as it is.

    Raises click.BadParameter for a file that the stack can't see.
    """
    if text.startswith("file:") or "://" in text or len(text) > MAX_URL_LENGTH:
        return text
    # A long link without https:// is too long for a file's name, which Path.exists() would raise.
    path = Path(os.path.expanduser(text))  # noqa: PTH111 -- Path.expanduser() raises for unknown users
    if not os.path.exists(path):  # noqa: PTH110
        return text
    folder = (config.local_media_dir or SAMPLES).resolve()
    if not path.resolve().is_relative_to(folder):
        raise click.BadParameter(f"{text} is not inside {folder}: move it there, or set LOCAL_MEDIA_DIR for the stack.")
    return f"file:{path.resolve().relative_to(folder).as_posix()}"


def _file_name(text: str, config: Settings) -> str:
    """As `source_name`, for what can be a file only."""
    name = source_name(text, config)
    return name if name.startswith("file:") else f"file:{name}"


@contextmanager
def _connected(key: str | None) -> Iterator[Client]:
    config = settings()
    try:
        key = key or next((keys[0] for keys in config.api_keys.values()), None)
        # Our own server: no proxy of the environment lies between.
        with Client(base_url(config), key=key, trust_env=False) as client:
            yield client
    except ApiError as error:
        _show_refusal(error)
        sys.exit(REFUSED)
    except Unreachable as error:
        messages.print(f"{error}. Is the stack running? Start it with: make up", style="red", highlight=False)
        sys.exit(REFUSED)


def _show_refusal(error: ApiError) -> None:
    _show_error(error.code or "ERROR", error.detail)
    for field, reasons in error.errors.items():
        _say(f"  {field}: {' '.join(reasons)}")
    _show_help(error.advice, error.reference)


def _show_failure(error: JobError) -> None:
    _show_error(error["code"], error["detail"])
    _show_help(error["suggested_action"], error["support_reference"])


def _show_error(code: str, detail: str) -> None:
    messages.print(f"{code}: {detail}", style="red", markup=False, highlight=False)


def _show_help(advice: str, reference: str) -> None:
    if advice:
        _say(advice)
    if reference:
        messages.print(f"Reference: {reference}", style="dim", markup=False, highlight=False)


def _say(text: str) -> None:
    messages.print(text, markup=False, highlight=False)


_key = click.option("--key", envvar="KLIPSTREAM_API_KEY", help="An API key. Default: the first of API_KEYS.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


class _Parts(click.types.StringParamType):
    """Names of files; in a variable one after another, each but the first begun by `file:`, since names have spaces."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return re.split(r"[\s,]+(?=file:)", rv.strip())


@click.command("analyze")
@click.argument("source", envvar="KLIPSTREAM_SOURCE")
@click.option("--chat", envvar="KLIPSTREAM_CHAT", help="A chat file, used in place of the recording's own chat.")
@click.option(
    "--chat-offset",
    type=float,
    envvar="KLIPSTREAM_CHAT_OFFSET",
    help="Seconds added to every comment: -45 when the chat comes 45 s too late.",
)
@click.option("--follow", "following", is_flag=True, help="Show the progress, then the highlights.")
@click.option("--highlights", type=click.IntRange(1, 50), help="How many highlights at most.")
@click.option(
    "--clips",
    type=click.Choice(["true", "false", "vertical"]),
    help="vertical: 9:16. false: cut none. Default: true, as recorded.",
)
@click.option(
    "--video",
    type=click.Choice(["clips", "full", "none"]),
    help="The pictures to fetch: those of the clips, all, or none. Default: clips.",
)
@click.option("--language", help="en, auto, or an ISO 639-1 code.")
@click.option(
    "--learn/--no-learn", default=None, help="Let your verdicts on this channel move the ranking. Default: learn."
)
@click.option("--transcriber", help="auto, deepgram, whisper, or none for no words.")
@click.option("--audio-track", type=click.IntRange(1, 32), help="The sound track to use, from 1.")
@click.option("--priority", type=click.Choice(["normal", "low"]), help="low: let others go first. Default: normal.")
@click.option(
    "--join",
    type=_Parts(),
    multiple=True,
    envvar="KLIPSTREAM_JOIN",
    help="A further part of the recording, for one timeline; once for each, in order.",
)
@_json
@_key
def analyze(
    source: str,
    chat: str | None,
    chat_offset: float | None,
    following: bool,
    highlights: int | None,
    clips: str | None,
    video: str | None,
    language: str | None,
    learn: bool | None,
    transcriber: str | None,
    audio_track: int | None,
    priority: str | None,
    join: tuple[str, ...],
    as_json: bool,
    key: str | None,
) -> None:
    """Submit SOURCE: a Twitch VOD's link or number, file:NAME, or a file inside LOCAL_MEDIA_DIR.

    Exits with 0 when the job completed, 1 when it failed, 2 when the request was refused.
    """
    config = settings()
    options = {
        "highlights": highlights,
        "clips": {"true": True, "false": False}.get(clips or "", clips),
        "video": video,
        "language": language,
        "transcriber": transcriber,
        "audio_track": audio_track,
        "chat_offset_seconds": chat_offset,
        "learn": learn,
        "priority": priority,
        "join": [_file_name(name, config) for name in join] or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    chat_name = _file_name(chat, config) if chat else None
    with _connected(key) as client:
        # What the user said is sent as it is: the server knows what is allowed, and says so.
        job = client.submit(source_name(source, config), chat_url=chat_name, options=cast("Options", given))
        if following:
            sys.exit(_follow(client, job["job_id"], as_json=as_json))
        if as_json:
            click.echo(json.dumps(job, indent=2, ensure_ascii=False))
        else:
            console.print(f"Job {job['job_id']} is {job['status']}.", highlight=False)
            _say_how_to_follow(console, job["job_id"])


@click.command("follow")
@click.argument("job_id")
@_json
@_key
def follow(job_id: str, as_json: bool, key: str | None) -> None:
    """Show the progress of a job, then its highlights."""
    with _connected(key) as client:
        sys.exit(_follow(client, job_id, as_json=as_json))


@click.command("jobs")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@_json
@_key
def jobs(limit: int, as_json: bool, key: str | None) -> None:
    """List the latest jobs."""
    with _connected(key) as client:
        found = client.jobs(limit=limit)["jobs"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        jobs_shown(console, found)


def _say_how_to_follow(where: Console, job_id: str) -> None:
    where.print(f"Follow it with: flask --app web follow {job_id}", highlight=False, soft_wrap=True)


def _follow(client: Client, job_id: str, *, as_json: bool) -> int:
    """Watch the job to its end and show what came of it. Returns the exit code."""
    try:
        with progress_shown(messages) as show:
            for event in client.follow(job_id):
                show(event)
    except KeyboardInterrupt:
        messages.print("The job goes on without you.", highlight=False)
        _say_how_to_follow(messages, job_id)
        return INTERRUPTED
    job = client.job(job_id)
    results = client.results(job_id) if job["status"] == "completed" else None
    if as_json:
        click.echo(json.dumps(results or job, indent=2, ensure_ascii=False))
    elif results:
        results_shown(console, results, base_url=client.base_url, folder=_local_files(job_id))
    elif job["error"]:
        _show_failure(job["error"])
    return COMPLETED if results else FAILED


def _local_files(job_id: str) -> Path | None:
    """Where the job's files are on this machine, when the stack keeps them in a folder here."""
    folder = Path(settings().artifacts_url) / job_id
    return folder if folder.is_dir() else None
