"""Speech recognition on this machine with faster-whisper."""

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypedDict, TypeVar, cast

import faster_whisper
from faster_whisper.transcribe import Segment

from shared.progress import Progress
from workers.media.cutting import Span
from workers.media.speech_samples import RATE, read_samples
from workers.transcription.chunks import ChunkStore, plan
from workers.transcription.hallucinations import is_unlikely, without_loops
from workers.transcription.language import Clarity, elected, joint, windows
from workers.transcription.models import DEFAULT_LANGUAGE, ENGLISH_ONLY, languages_of, load, name_of, whisper_language
from workers.transcription.transcript import Transcript, Word, transcript_of
from workers.transcription.voice import ENOUGH_S, voice_in

BATCH = 4  # stretches of up to 30 s decoded at once: as fast as 8 on two cores, and heard of twice as often
BEAM = 5
# Shorter than Deepgram's half hour: the first words come sooner, a crash repeats less, memory stays near 0.7 GB.
CHUNK_S = 600.0
REPORT_EVERY_S = 1.0
NO_SPEECH = "No speech was found in the sound."

Result = TypeVar("Result")


class _Kept(TypedDict):
    """A chunk as it stands in a file."""

    language: str | None
    words: list[tuple[str, float, float, float | None]]
    unlikely: int
    clarity: tuple[float, float]


class _Chunk(NamedTuple):
    """What was heard in one chunk; times from the start of the recording."""

    language: str | None
    words: list[Word]
    unlikely: int
    clarity: Clarity

    def as_dict(self) -> dict[str, object]:
        return {**self._asdict(), "words": [list(word) for word in self.words], "clarity": list(self.clarity)}

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> "_Chunk":
        kept = cast("_Kept", found)
        words = [Word(*word) for word in kept["words"]]
        return cls(kept["language"], words, kept["unlikely"], Clarity(*kept["clarity"]))


class WhisperTranscriber:
    """Transcribes with a Whisper model on the CPU; see `transcript.Transcriber`.

    model: None for the bundled English one, a folder, or a name that faster-whisper knows (fetched once, then local).
    The same sound, model and number of threads always give the same words.
    """

    def __init__(self, model: str | Path | None, *, threads: int) -> None:
        self._model = model
        self._threads = threads

    def check(self, language: str) -> None:
        """Raise UnsupportedLanguage when the model does not know `language`."""
        whisper_language(language, self._model)

    def transcribe(self, audio: Path, *, language: str, work: Path, progress: Progress) -> Transcript:
        """The words in `audio`, chunk by chunk in order; a chunk kept in `work` is not heard again.

        A model that knows English only gives no words, and a warning, for what is not English.
        Raises UnsupportedLanguage, UnsupportedFormat, TranscriptionServiceError.
        """
        asked = whisper_language(language, self._model)
        store = ChunkStore(work, audio=audio, model=name_of(self._model), language=language)
        with _Background(progress) as background:
            spans = background.run(lambda: plan(audio, chunk_s=CHUNK_S))
            total_s = max(spans[-1].end, 1e-3) if spans else 1e-3
            kept = [found for span in spans if (found := store.load(span)) is not None]
            if len(spans) > 1 and not kept and self._listen_around(audio, total_s, background).is_other_language:
                return self._nothing(total_s)
            spoken = self._spoken(audio, asked, total_s, background)
            chunks: list[_Chunk] = []
            for span in spans:
                chunks.append(self._chunk(audio, span, spoken or _first_language(chunks), total_s, store, background))
                background.done(span.end / total_s)
        if self._english_only and joint(chunk.clarity for chunk in chunks).is_other_language:
            return self._nothing(total_s)
        return self._joined(chunks, asked, spoken, spans[-1].end if spans else 0.0)

    @property
    def _english_only(self) -> bool:
        return languages_of(self._model) == ENGLISH_ONLY

    def _chunk(
        self,
        audio: Path,
        span: Span,
        language: str | None,
        total_s: float,
        store: ChunkStore,
        background: "_Background",
    ) -> _Chunk:
        kept = store.load(span)
        if kept is not None:
            return _Chunk.from_dict(kept)
        chunk = self._hear(audio, span, language, total_s, background)
        store.save(span, chunk.as_dict())
        return chunk

    def _listen_around(self, audio: Path, total_s: float, background: "_Background") -> Clarity:
        """How clear some windows are to a model that knows English only, before all of a long recording is heard."""
        found = Clarity()
        if not self._english_only:
            return found
        for start_s, end_s in windows(total_s):
            segments, _, spoken_s = self._segments(audio, start_s, end_s, DEFAULT_LANGUAGE, background)
            found = found._replace(spoken_s=found.spoken_s + spoken_s)
            for stretch in segments:
                found = found.with_stretch(stretch)
        return found

    def _spoken(self, audio: Path, asked: str | None, total_s: float, background: "_Background") -> str | None:
        """The language to write: what was asked for, but for English, which nobody may have thought about.

        A multilingual model is asked what some windows are in.
        """
        if asked != DEFAULT_LANGUAGE or self._english_only:
            return asked
        model = background.run(lambda: load(self._model, self._threads))
        votes: list[tuple[str, float]] = []
        for start_s, end_s in windows(total_s):
            samples = background.run(functools.partial(read_samples, audio, start_s, end_s))
            voice = background.run(functools.partial(voice_in, samples))
            if len(voice) >= ENOUGH_S * RATE:
                language, probability, _ = background.run(functools.partial(model.detect_language, voice))
                votes.append((language, probability))
        return elected(votes) or asked

    def _hear(self, audio: Path, span: Span, language: str | None, total_s: float, background: "_Background") -> _Chunk:
        segments, found, spoken_s = self._segments(audio, span.start, span.end, language, background)
        words: list[Word] = []
        unlikely = 0
        clarity = Clarity(spoken_s)
        for segment in segments:
            clarity = clarity.with_stretch(segment)
            if is_unlikely(segment):
                unlikely += 1
            else:
                words += _words_of(segment, span)
            background.done((span.start + segment.end) / total_s)
        return _Chunk(found if words else None, without_loops(words), unlikely, clarity)

    def _segments(
        self, audio: Path, start_s: float, end_s: float, language: str | None, background: "_Background"
    ) -> tuple[Iterator[Segment], str, float]:
        """What is heard from start_s to end_s, times from start_s; the language it is in; the seconds of speech."""
        pipeline = background.run(lambda: faster_whisper.BatchedInferencePipeline(load(self._model, self._threads)))
        samples = background.run(lambda: read_samples(audio, start_s, end_s))
        segments, info = background.run(
            lambda: pipeline.transcribe(
                samples,
                language=language,
                language_detection_segments=4,
                batch_size=BATCH,
                beam_size=BEAM,
                temperature=0.0,
                word_timestamps=True,
            )
        )
        return background.each(segments), info.language, float(info.duration_after_vad)

    def _nothing(self, duration_s: float) -> Transcript:
        warning = (
            f"The speech does not sound like English, which is all that the speech model {name_of(self._model)} knows, "
            "so no words were written down. Use Deepgram, or set WHISPER_MODEL to a multilingual model."
        )
        return self._transcript([], None, duration_s, [warning])

    def _joined(self, chunks: list[_Chunk], asked: str | None, spoken: str | None, duration_s: float) -> Transcript:
        words = [word for chunk in chunks for word in chunk.words]
        unlikely = sum(chunk.unlikely for chunk in chunks)
        warnings = [] if words else [NO_SPEECH]
        if spoken != asked:
            warnings.append(f"The speech is not in the language {asked} but in {spoken}, in which it was written down.")
        if asked is None and words and self._english_only and not joint(chunk.clarity for chunk in chunks).is_judged:
            warnings.append(
                "There is too little speech to tell whether it is English, all that the speech model knows."
            )
        if unlikely:
            warnings.append(f"{unlikely} stretches of sound were too unclear to be written down.")
        return self._transcript(words, spoken or _first_language(chunks), duration_s, warnings)

    def _transcript(
        self, words: list[Word], language: str | None, duration_s: float, warnings: list[str]
    ) -> Transcript:
        return transcript_of(
            words,
            language=language,
            provider="whisper",
            model=name_of(self._model),
            duration_seconds=duration_s,
            cost_estimate_usd=0.0,
            warnings=tuple(warnings),
        )


def _first_language(chunks: list[_Chunk]) -> str | None:
    return next((chunk.language for chunk in chunks if chunk.words), None)


def _words_of(segment: Segment, span: Span) -> Iterator[Word]:
    for word in segment.words or ():
        start, end = span.start + float(word.start), span.start + float(word.end)
        yield Word(word.word.strip(), round(start, 3), round(min(end, span.end), 3), round(float(word.probability), 4))


@cache
def _thread() -> ThreadPoolExecutor:
    """One for the process: CTranslate2 hangs when a model that one thread has used is used by another."""
    return ThreadPoolExecutor(1, thread_name_prefix="whisper")


class _Background:
    """Runs long native calls in a thread, so that progress is reported every second and can stop the work at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0.0
        self._cancel: Callable[[], bool] | None = None
        self._thread = _thread()

    def __enter__(self) -> "_Background":
        return self

    def __exit__(self, *_exception: object) -> None:
        # A batch that is being decoded can't be stopped; the next recording waits for it.
        if self._cancel is not None:
            self._cancel()

    def done(self, fraction: float) -> None:
        """Tell that this part of the whole is really done."""
        self._done = max(self._done, min(fraction, 1.0))
        self._progress(self._done)

    def run(self, call: Callable[[], Result]) -> Result:
        """What `call` returns, the last fraction reported again every second until then."""
        future = self._thread.submit(call)
        self._cancel = future.cancel
        while True:
            try:
                return future.result(timeout=REPORT_EVERY_S)
            except TimeoutError:
                if future.done():
                    raise
                self._progress(self._done)

    def each(self, items: Iterator[Result]) -> Iterator[Result]:
        """Every item of a slow generator."""
        iterator = iter(items)
        while (found := self.run(lambda: next(iterator, None))) is not None:
            yield found
