"""KlipStream as tools of a language model (Model Context Protocol), over stdio or streamable HTTP."""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from .answers import Highlight, Job
from .async_client import AsyncClient
from .errors import ApiError, KlipStreamError
from .inputs import JobStatus, Options

HOST = "127.0.0.1"  # who reaches it acts with our key: nobody else's machine may
READS, ADDS = ToolAnnotations(read_only_hint=True), ToolAnnotations(destructive_hint=False)
STOPS = ToolAnnotations(destructive_hint=True)
INSTRUCTIONS = """Finds the highlights of long streams. submit a recording, ask for its status until it has completed
(minutes to an hour), then read its highlights and take the clip of one. list finds earlier jobs, cancel stops one,
retry goes on with one that failed or was cancelled."""


@dataclass(frozen=True)
class JobShown:
    """A job. waits_for: why nobody works on it now.  error: what went wrong and what to do, when it failed."""

    job_id: str
    status: JobStatus
    percentage: float
    waits_for: str | None
    remaining_seconds: int | None
    recording: str
    highlights: int | None
    error: str | None


@dataclass(frozen=True)
class JobsShown:
    """A page of jobs, newest first. total: of all pages, when it is known.  next_cursor: of the next page, if any."""

    jobs: list[JobShown]
    total: int | None
    next_cursor: str | None


@dataclass(frozen=True)
class HighlightShown:
    """A moment, with why it is one. score: 0 to 1."""

    rank: int
    start_seconds: float
    end_seconds: float
    score: float
    emotion: str | None
    title: str | None
    reasons: list[str]
    transcript: str | None
    watch_url: str | None


@dataclass(frozen=True)
class HighlightsShown:
    """What a job found, best first. warnings: what could not be measured."""

    job_id: str
    highlights: list[HighlightShown]
    warnings: list[str]


@dataclass(frozen=True)
class ClipShown:
    """Where a highlight's clip is. path: on this machine, when the server was told where to keep clips.

    opens_for_seconds: how long the link opens for whoever has it; none: always, for all who reach the server.
    """

    url: str
    opens_for_seconds: int | None
    size_bytes: int
    path: str | None


@asynccontextmanager
async def _asking(url: str, key: str | None) -> AsyncIterator[AsyncClient]:
    try:
        async with AsyncClient(url, key=key) as client:
            yield client
    except ApiError as error:
        fields = "".join(f" {field}: {' '.join(reasons)}" for field, reasons in error.errors.items())
        raise ToolError(f"{error.code}: {error.detail}{fields} {error.advice}") from error
    except KlipStreamError as error:
        raise ToolError(str(error)) from error


def make_server(url: str, *, key: str | None = None, clips_folder: Path | None = None) -> MCPServer[None]:
    """The tools on the KlipStream at `url`. clips_folder: where the tool `clip` keeps what it fetches."""
    server: MCPServer[None] = MCPServer("KlipStream", instructions=INSTRUCTIONS, log_level="WARNING")
    _add_jobs(server, url, key)
    _add_changes(server, url, key)
    _add_findings(server, url, key, clips_folder)
    return server


def _add_jobs(server: MCPServer[None], url: str, key: str | None) -> None:
    @server.tool(annotations=ADDS)
    async def submit(
        recording: str,
        chat_file: str | None = None,
        highlights: int = 10,
        language: str = "en",
        transcriber: Literal["auto", "deepgram", "whisper", "none"] | None = None,
    ) -> JobShown:
        """Analyse a recording: a Twitch VOD's link or number, file:NAME in the server's media folder, an https link.

        chat_file: file:NAME of a chat log.  highlights: how many at most, 1 to 50.  language: of the speech.
        """
        options: Options = {"highlights": highlights, "language": language, "transcriber": transcriber}
        async with _asking(url, key) as client:
            return _job_shown(await client.submit(recording, chat_url=chat_file, options=options))

    @server.tool(annotations=READS)
    async def status(job_id: str) -> JobShown:
        """How far a job is."""
        async with _asking(url, key) as client:
            return _job_shown(await client.job(job_id))

    @server.tool(name="list", annotations=READS)
    async def list_jobs(
        status: list[JobStatus] | None = None,
        channel: str | None = None,
        text: str | None = None,
        created_after: str | None = None,
        created_before: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> JobsShown:
        """Earlier jobs, newest first; all that is given has to hold.

        channel: of the stream.  text: in the address, title, channel or metadata.  created_after, created_before: ISO
        8601.  limit: 1 to 100.  cursor: `next_cursor` of the page before; a page may be short and have one.
        """
        async with _asking(url, key) as client:
            page = await client.jobs(
                status=status,
                channel=channel,
                q=text,
                created_after=created_after,
                created_before=created_before,
                limit=limit,
                cursor=cursor,
            )
        return JobsShown([_job_shown(job) for job in page["jobs"]], page["total"], page["next_cursor"])


def _add_changes(server: MCPServer[None], url: str, key: str | None) -> None:
    @server.tool(annotations=STOPS)
    async def cancel(job_id: str) -> JobShown:
        """Stop a job that has not ended. What it has done is kept for a while, for retry to go on from."""
        async with _asking(url, key) as client:
            return _job_shown(await client.cancel(job_id))

    @server.tool(annotations=ADDS)
    async def retry(job_id: str) -> JobShown:
        """Go on with a failed or cancelled job."""
        async with _asking(url, key) as client:
            return _job_shown(await client.retry(job_id))


def _add_findings(server: MCPServer[None], url: str, key: str | None, clips_folder: Path | None) -> None:
    @server.tool(annotations=READS)
    async def highlights(job_id: str) -> HighlightsShown:
        """What a completed job found, best first."""
        async with _asking(url, key) as client:
            results = await client.results(job_id)
        found = [_highlight_shown(highlight) for highlight in results["highlights"]]
        return HighlightsShown(job_id, found, results["warnings"])

    @server.tool(annotations=ADDS)
    async def clip(job_id: str, rank: int) -> ClipShown:
        """The clip of the highlight of this rank, cut from the recording."""
        name = f"clips/{rank:02}.mp4"
        async with _asking(url, key) as client:
            entry = (await client.manifest(job_id))["files"].get(name)
            if entry is None:
                raise ToolError(f"The job has no clip {rank}: ask for its highlights.")
            path = None
            if clips_folder is not None:
                target = clips_folder.resolve() / f"{job_id}-{rank:02}.mp4"
                path = str(await client.download(job_id, name, target))
            link, life_s = client.file_url(job_id, name), None
            if key is not None:
                token = await client.token(job_id)
                link, life_s = f"{link}?access_token={token['token']}", token["expires_in_seconds"]
            return ClipShown(link, life_s, entry["size"], path)


def _job_shown(job: Job) -> JobShown:
    error, made, video, waiting = job["error"], job["results"], job["video"], job["progress"]["waiting"]
    return JobShown(
        job_id=job["job_id"],
        status=job["status"],
        percentage=job["progress"]["percentage"],
        waits_for=waiting["text"] if waiting else None,
        remaining_seconds=job["progress"]["estimated_completion_seconds"],
        recording=(video and video["title"]) or job["url"],
        highlights=made["highlights"] if made else None,
        error=f"{error['code']}: {error['detail']} {error['suggested_action']}" if error else None,
    )


def _highlight_shown(found: Highlight) -> HighlightShown:
    return HighlightShown(
        rank=found["rank"],
        start_seconds=found["start_seconds"],
        end_seconds=found["end_seconds"],
        score=found["score"],
        emotion=found["emotion"],
        title=found["title"],
        reasons=found["reasons"],
        transcript=found["transcript"],
        watch_url=found["watch_url"],
    )


def main() -> None:
    """`klipstream-mcp`: over stdio, or with --port over HTTP on this machine."""
    parser = argparse.ArgumentParser(prog="klipstream-mcp", description="KlipStream as tools of a language model.")
    url = os.environ.get("KLIPSTREAM_URL", "http://127.0.0.1:3000")
    parser.add_argument("--url", default=url, help="The KlipStream server. Default: KLIPSTREAM_URL, or port 3000 here.")
    parser.add_argument("--port", type=int, help="Serve streamable HTTP at http://127.0.0.1:PORT/mcp, not stdio.")
    parser.add_argument("--clips", type=Path, help="A folder that the tool clip fetches clips to. Default: links only.")
    given = parser.parse_args()
    if given.clips is not None and not given.clips.is_dir():
        parser.error(f"{given.clips} is no folder")
    server = make_server(given.url, key=os.environ.get("KLIPSTREAM_API_KEY"), clips_folder=given.clips)
    if given.port is None:
        server.run()
    else:
        server.run("streamable-http", host=HOST, port=given.port)


if __name__ == "__main__":
    main()
