"""The client for programs that do other things meanwhile (asyncio or trio)."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Unpack

import anyio
import anyio.to_thread
import httpx
from httpx_sse import EventSource, SSEError
from tenacity import AsyncRetrying

from . import calls
from .answers import BatchAnswer, Delivery, Event, Highlight, Job, Jobs, Manifest, Pong, Results, Token
from .calls import Answer, Call, T, refuse_errors
from .downloading import CHUNK_BYTES, MAX_DOWNLOAD_BYTES, Download, entry_of, target_of
from .errors import ApiError, DamagedDownload, Unreachable
from .following import Following, Look, Open, Poll, Wait
from .inputs import ExportFormat, HighlightEdit, JobsQuery, Submission, SubmitArguments
from .retrying import STOP, retry_for, wait_s
from .server_headers import KeptAnswers, RateLimit, rate_limit_of
from .transport import STREAM_TIMEOUT, TIMEOUT_S, answer_of, checked_size, headers_with, request_for, unreachable


class AsyncClient:
    """A KlipStream server. Every call raises ApiError for what the server refuses, Unreachable when it does not answer.

    key: an API key.  trust_env: whether proxies of the environment are used.  rate_limit: as the last answer told it.
    """

    def __init__(
        self, base_url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S, trust_env: bool = True
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.rate_limit: RateLimit | None = None
        self._kept = KeptAnswers()
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers=headers_with(key),
            timeout=timeout_s,
            trust_env=trust_env,
            follow_redirects=True,
        )

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every connection."""
        await self._http.aclose()

    async def submit(self, url: str, **given: Unpack[SubmitArguments]) -> Job:
        """Analyse a recording. The answer comes at once: a new job, or the one that already does this work."""
        return await self._run(calls.submit(url, given))

    async def submit_all(
        self, submissions: Sequence[Submission], *, idempotency_key: str | None = None
    ) -> Sequence[BatchAnswer]:
        """Analyse several recordings, up to 100: for each, in their order, its job or why it was refused."""
        return (await self._run(calls.submit_all(submissions, idempotency_key)))["analyses"]

    async def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return await self._run(calls.job(job_id))

    async def jobs(self, **query: Unpack[JobsQuery]) -> Jobs:
        """A page of jobs, newest first unless `sort` says otherwise; with `next_cursor`, the `cursor` of the next."""
        return await self._run(calls.jobs(query))

    async def cancel(self, job_id: str) -> Job:
        """Stop the job's work."""
        return await self._run(calls.cancel(job_id))

    async def retry(self, job_id: str) -> Job:
        """Go on with a failed or cancelled job."""
        return await self._run(calls.retry(job_id))

    async def remove(self, job_id: str) -> Job | None:
        """Remove a finished job for good, with its files. One that is not finished is cancelled instead, and given."""
        return await self._run(calls.remove(job_id))

    async def results(self, job_id: str) -> Results:
        """The result document; Conflict until the job has completed."""
        return await self._run(calls.results(job_id))

    async def manifest(self, job_id: str) -> Manifest:
        """Every finished file of the job."""
        return await self._run(calls.manifest(job_id))

    async def export(self, job_id: str, form: ExportFormat) -> bytes:
        """The highlights for an editor, a player or a spreadsheet."""
        return await self._run(calls.export(job_id, form))

    def file_url(self, job_id: str, name: str) -> str:
        """Where a file of the job is; without the key."""
        return f"{self.base_url}{calls.file_path(job_id, name)}"

    async def token(self, job_id: str) -> Token:
        """With `?access_token=` for 15 minutes a browser, which can't send the key, reads this job: its files too."""
        return await self._run(calls.token(job_id))

    async def edit_highlight(self, job_id: str, rank: int, edit: HighlightEdit) -> Highlight:
        """Judge a highlight, name it, move its borders: the highlight as it is shown from now on."""
        return await self._run(calls.edit_highlight(job_id, rank, edit))

    async def deliveries(self, job_id: str) -> Sequence[Delivery]:
        """The job's webhooks, oldest first, with every try and its answer."""
        return (await self._run(calls.deliveries(job_id)))["deliveries"]

    async def replay(self, job_id: str, delivery_id: str) -> Delivery:
        """Send a webhook again, with the same id and body."""
        return await self._run(calls.replay(job_id, delivery_id))

    async def ping(self, callback_url: str) -> Pong:
        """Have the server send a signed event of the type `ping` to a receiver: what that answered."""
        return await self._run(calls.ping(callback_url))

    async def follow(self, job_id: str) -> AsyncGenerator[Event]:
        """Every change of the job, then how it ended, once. Connections may break meanwhile.

        Raises ApiError, and Unreachable when nothing was answered for two minutes.
        """
        course = Following(job_id)
        while not course.is_over:
            step = course.step()
            if isinstance(step, Wait):
                await anyio.sleep(step.seconds)
            elif isinstance(step, Open):
                async with aclosing(self._streamed(job_id, course, step)) as events:
                    async for event in events:
                        yield event
            elif told := await self._asked(job_id, course, step):
                yield told

    async def wait(self, job_id: str) -> Job:
        """The job once it has ended, in whichever way."""
        async for _ in self.follow(job_id):
            pass
        return await self.job(job_id)

    async def download(self, job_id: str, name: str, target: Path, *, max_bytes: int = MAX_DOWNLOAD_BYTES) -> Path:
        """A file of the job (`clips/01.mp4`) to `target`, a folder or a file: where it is then.

        Resumed where it broke, also by a later call. Raises NotFound, DamagedDownload.
        """
        entry = entry_of(await self.manifest(job_id), name)
        if entry is None:
            await self._run(calls.small_file(job_id, name))
            raise DamagedDownload("the manifest does not name this file")
        target = target_of(name, target)
        download = Download(entry, target, max_bytes=max_bytes)
        while not await anyio.to_thread.run_sync(download.is_complete):
            try:
                await self._fetch(calls.file_path(job_id, name), download)
            except (ApiError, Unreachable) as error:
                await anyio.sleep(download.broke(error))
        return target

    async def _run(self, call: Call[T]) -> T:
        """The call, made again when it failed in a way that may pass."""
        policy = AsyncRetrying(stop=STOP, wait=wait_s, retry=retry_for(call.is_repeatable), reraise=True)
        return await policy(self._once, call)

    async def _once(self, call: Call[T]) -> T:
        request = request_for(self._http, call)
        kept = self._kept.offer(call, request)
        async with self._sent(request) as response:
            answer = await _whole(response)
        refuse_errors(answer)
        return call.read(self._kept.settle(call, answer, kept))

    async def _asked(self, job_id: str, course: Following, step: Poll | Look) -> Event | None:
        try:
            if isinstance(step, Poll):
                return course.polled(await self._once(calls.status(job_id, etag=step.etag)))
            return course.looked(await self._once(calls.job(job_id)))
        except (ApiError, Unreachable) as error:
            course.unanswered(error)
            return None

    async def _streamed(self, job_id: str, course: Following, step: Open) -> AsyncGenerator[Event]:
        headers = {"Accept": "text/event-stream"} | (
            {"Last-Event-ID": step.last_event_id} if step.last_event_id else {}
        )
        request = self._http.build_request(
            "GET", calls.job_path(job_id, "stream"), headers=headers, timeout=STREAM_TIMEOUT
        )
        problem: ApiError | Unreachable | None = None
        try:
            async with self._sent(request) as response:
                if response.is_error:
                    refuse_errors(await _whole(response))
                async for said in EventSource(response).aiter_sse():
                    if event := course.heard(said.event, said.id, said.data):
                        yield event
                    if course.is_over:
                        return
        except (ApiError, Unreachable) as error:
            problem = error
        except SSEError as error:
            problem = Unreachable(f"{self.base_url} sends no event stream ({error})")
        course.stream_over(problem)

    async def _fetch(self, path: str, download: Download) -> None:
        async with self._sent(self._http.build_request("GET", path, headers=dict(download.headers()))) as response:
            if response.is_error:
                refuse_errors(await _whole(response))
            with download.opened(response.status_code) as file:
                async for chunk in response.aiter_raw(CHUNK_BYTES):
                    await anyio.to_thread.run_sync(download.write, file, chunk)

    @asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """The response, its body not read. Raises Unreachable, also while it is read."""
        try:
            response = await self._http.send(request, stream=True)
            self.rate_limit = rate_limit_of(response) or self.rate_limit
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self.base_url, error) from error


async def _whole(response: httpx.Response) -> Answer:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        checked_size(len(body))
    return answer_of(response, bytes(body))
