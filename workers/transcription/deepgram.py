"""Speech recognition by Deepgram."""

import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

from shared.errors import UnsupportedFormat, UnsupportedLanguage
from shared.progress import Progress
from shared.redis.breaker import Call, unguarded
from workers.media.cutting import Span, cut
from workers.media.speech_samples import duration_s
from workers.transcription.chunks import ChunkStore, plan
from workers.transcription.deepgram_api import AUTO, Answer, DeepgramApi
from workers.transcription.transcript import Paragraph, Transcript, Word, transcript_of
from workers.transcription.voice import is_spoken

# Pay-as-you-go for recorded sound, one channel, US dollars a minute: an estimate, Deepgram's bill decides.
USD_A_MINUTE = {"nova-3": 0.0043, "nova-2": 0.0043, "nova": 0.0043, "enhanced": 0.0145, "base": 0.0125}
UPLOADED_SHARE = 0.5  # of a chunk's progress; the rest is Deepgram's answer
REPORT_EVERY_S = 1.0
PROBE_S = 2.0
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})?", re.IGNORECASE)
NO_SPEECH = "No speech was found in the sound."


def spend_freely(_hours: float) -> None:
    """A budget without limit."""


class _Kept(TypedDict):
    """A chunk as it stands in a file."""

    language: str | None
    words: list[tuple[str, float, float, float | None]]
    paragraphs: list[tuple[float, float, str]] | None
    unheard_s: float


class _Chunk(NamedTuple):
    """What was heard in one chunk; times from the start of the recording."""

    language: str | None
    words: list[Word]
    paragraphs: list[Paragraph] | None
    unheard_s: float = 0.0  # where a voice is but Deepgram wrote nothing down

    def as_dict(self) -> dict[str, object]:
        paragraphs = None if self.paragraphs is None else [list(paragraph) for paragraph in self.paragraphs]
        words = [list(word) for word in self.words]
        return {"language": self.language, "words": words, "paragraphs": paragraphs, "unheard_s": self.unheard_s}

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> "_Chunk":
        kept = cast("_Kept", found)
        paragraphs = kept["paragraphs"]
        return cls(
            kept["language"],
            [Word(*word) for word in kept["words"]],
            None if paragraphs is None else [Paragraph(*paragraph) for paragraph in paragraphs],
            kept["unheard_s"],
        )


class DeepgramTranscriber:
    """Transcribes with Deepgram; see `transcript.Transcriber`.

    base_url: None for Deepgram itself.  chunks_at_once: requests in flight.  call: every request goes through it
    (breaker, retries); what it may probe with is the first PROBE_S of a chunk.  spend_hours: told the hours of sound
    before each request, raises when the budget is used up, and is told them with a minus sign when the request failed.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str | None,
        model: str,
        chunks_at_once: int = 3,
        call: Call = unguarded,
        spend_hours: Callable[[float], None] = spend_freely,
    ) -> None:
        self._api = DeepgramApi(api_key, base_url=base_url, model=model)
        self._model = model
        self._chunks_at_once = chunks_at_once
        self._call = call
        self._spend_hours = spend_hours

    def check(self, language: str) -> None:
        """Raise UnsupportedLanguage for what is no language code. Which codes a model knows, only Deepgram knows."""
        if language != AUTO and not LANGUAGE.fullmatch(language):
            raise UnsupportedLanguage(f"{language} is no language code.")

    def transcribe(self, audio: Path, *, language: str, work: Path, progress: Progress) -> Transcript:
        """The words in `audio`, a few chunks at a time; a chunk kept in `work` is not sent again.

        When a chunk fails, the others in flight are finished and kept, then its error is raised; see
        `deepgram_api.DeepgramApi.listen` for the errors.
        """
        self.check(language)
        spans = plan(audio)
        store = ChunkStore(work, audio=audio, provider="deepgram", model=self._model, language=language)
        board = _Board(spans, progress)
        kept = {span: _Chunk.from_dict(found) for span in spans if (found := store.load(span)) is not None}
        for span in kept:
            board.heard(span)
        missing = [span for span in spans if span not in kept]
        stop = threading.Event()
        pool = ThreadPoolExecutor(self._chunks_at_once, thread_name_prefix="deepgram")
        try:
            asked = {
                pool.submit(self._hear, audio, span, language, store, board, stop, whole=len(spans) == 1): span
                for span in missing
            }
            kept |= _gather(asked, board)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return self._joined([kept[span] for span in spans], language, spans)

    def _hear(
        self,
        audio: Path,
        span: Span,
        language: str,
        store: ChunkStore,
        board: "_Board",
        stop: threading.Event,
        *,
        whole: bool,
    ) -> _Chunk:
        path = audio if whole else store.sound_path(span)
        begins_s = 0.0 if whole else cut(audio, span, path)
        length_s = span.end if whole else duration_s(path)
        size = max(path.stat().st_size, 1)

        def listen() -> Answer:
            return self._api.listen(
                path, length_s, language=language, sent=lambda done: board.sent(span, done / size), stop=stop
            )

        def probe() -> None:
            self._probe(path, store.sound_path(span).with_suffix(".probe.m4a"), language, stop)

        chunk = _shifted(self._asked(listen, probe, length_s), begins_s)
        if not chunk.words and is_spoken(audio, span):
            # An empty answer to speech happens; it is no error that anything else would try again.
            chunk = _shifted(self._asked(listen, probe, length_s), begins_s)
            if not chunk.words:
                chunk = chunk._replace(unheard_s=span.end - span.start)
        store.save(span, chunk.as_dict())
        if not whole:
            path.unlink(missing_ok=True)
        board.heard(span)
        return chunk

    def _asked(self, listen: Callable[[], Answer], probe: Callable[[], None], length_s: float) -> Answer:
        """Deepgram's answer, paid from the budget if there is one."""
        self._spend_hours(length_s / 3600)
        answered = False
        try:
            answer = self._call(listen, probe=probe)
            answered = True
        finally:
            if not answered:
                self._spend_hours(-length_s / 3600)
        return answer

    def _probe(self, sound: Path, into: Path, language: str, stop: threading.Event) -> None:
        """Ask for the beginning only: a whole chunk takes minutes, and others wait for what comes of it."""
        try:
            cut(sound, Span(0.0, PROBE_S), into)
        except UnsupportedFormat:
            into = sound  # nothing is in its beginning
        try:
            self._api.listen(into, duration_s(into), language=language, sent=lambda _done: None, stop=stop)
        finally:
            if into is not sound:
                into.unlink(missing_ok=True)

    def _joined(self, chunks: list[_Chunk], language: str, spans: tuple[Span, ...]) -> Transcript:
        words = [word for chunk in chunks for word in chunk.words]
        complete = all(chunk.paragraphs is not None for chunk in chunks)
        paragraphs = [paragraph for chunk in chunks for paragraph in chunk.paragraphs or ()]
        seconds = spans[-1].end if spans else 0.0
        price = USD_A_MINUTE.get(self._model.removesuffix("-general"))
        return transcript_of(
            words,
            language=_spoken(chunks) if language == AUTO else language,
            provider="deepgram",
            model=self._model,
            duration_seconds=seconds,
            cost_estimate_usd=None if price is None else price * seconds / 60,
            warnings=_warnings(words, sum(chunk.unheard_s for chunk in chunks)),
            paragraphs=tuple(paragraphs) if complete and bool(paragraphs) == bool(words) else None,
        )


def _warnings(words: list[Word], unheard_s: float) -> tuple[str, ...]:
    if unheard_s:
        return (f"Deepgram wrote nothing down, asked twice, for {unheard_s:.0f} s of sound in which somebody speaks.",)
    return () if words else (NO_SPEECH,)


def _spoken(chunks: list[_Chunk]) -> str | None:
    """The language most words were said in, the first of equals."""
    counts: dict[str, int] = {}
    for chunk in chunks:
        if chunk.language is not None:
            counts[chunk.language] = counts.get(chunk.language, 0) + len(chunk.words)
    return max(counts, key=lambda language: counts[language]) if counts else None


def _shifted(answer: Answer, by_s: float) -> _Chunk:
    def at(seconds: float) -> float:
        return round(seconds + by_s, 3)

    words = [word._replace(start=at(word.start), end=at(word.end)) for word in answer.words]
    paragraphs = None
    if answer.paragraphs is not None:
        paragraphs = [one._replace(start=at(one.start), end=at(one.end)) for one in answer.paragraphs]
    return _Chunk(answer.language, words, paragraphs)


class _Board:
    """How far every chunk is, and the progress that makes."""

    def __init__(self, spans: tuple[Span, ...], progress: Progress) -> None:
        self._total_s = max(sum(span.end - span.start for span in spans), 1e-3)
        self._done: dict[Span, float] = {}
        self._told = 0.0
        self._progress = progress

    def sent(self, span: Span, share: float) -> None:
        self._done[span] = max(self._done.get(span, 0.0), UPLOADED_SHARE * min(share, 1.0))

    def heard(self, span: Span) -> None:
        self._done[span] = 1.0

    def report(self) -> None:
        """Tell the progress; only the thread that transcribes may."""
        done_s = sum(share * (span.end - span.start) for span, share in list(self._done.items()))
        self._told = max(self._told, min(done_s / self._total_s, 1.0))
        self._progress(self._told)


def _gather(asked: dict[Future[_Chunk], Span], board: _Board) -> dict[Span, _Chunk]:
    """What the threads heard. After a failure nothing new is sent, what is in flight is finished, then it is raised."""
    waiting = set(asked)
    failed: BaseException | None = None
    while waiting:
        done, waiting = wait(waiting, timeout=REPORT_EVERY_S, return_when=FIRST_COMPLETED)
        board.report()
        errors = [error for future in done if not future.cancelled() and (error := future.exception()) is not None]
        if errors and failed is None:
            failed = errors[0]
            waiting = {future for future in waiting if not future.cancel()}
    if failed is not None:
        raise failed
    return {span: future.result() for future, span in asked.items()}
