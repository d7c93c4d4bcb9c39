"""Speech recognition on this machine with faster-whisper."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import faster_whisper
from faster_whisper.transcribe import Segment

from shared.progress import Progress
from workers.media.cutting import Span
from workers.media.speech_samples import read_samples
from workers.transcription.chunks import PieceStore, plan
from workers.transcription.hallucinations import is_unlikely, without_loops
from workers.transcription.models import ENGLISH_ONLY, languages_of, load, name_of, whisper_language
from workers.transcription.transcript import Transcript, Word, transcript_of

BATCH = 4  # stretches of up to 30 s decoded at once: as fast as 8 on two cores, and heard of twice as often
BEAM = 5
# Shorter than Deepgram's half hour: the first words come sooner, a crash repeats less, memory stays near 0.7 GB.
PIECE_S = 600.0
REPORT_EVERY_S = 1.0
NO_SPEECH = "No speech was found in the sound."

Result = TypeVar("Result")


class _Piece(NamedTuple):
    """What was heard in one piece; times from the start of the recording."""

    language: str | None
    words: list[Word]
    unlikely: int

    def as_dict(self) -> dict[str, Any]:
        return {"language": self.language, "words": [list(word) for word in self.words], "unlikely": self.unlikely}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "_Piece":
        return cls(kept["language"], [Word(*word) for word in kept["words"]], kept["unlikely"])


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
        """The words in `audio`, piece by piece in order; a piece kept in `work` is not heard again.

        Raises UnsupportedLanguage, UnsupportedFormat, TranscriptionServiceError.
        """
        asked = whisper_language(language, self._model)
        store = PieceStore(work, audio=audio, model=name_of(self._model), language=language)
        with _Background(progress) as background:
            spans = background.run(lambda: plan(audio, piece_s=PIECE_S))
            total_s = max(spans[-1].end, 1e-3) if spans else 1e-3
            pieces: list[_Piece] = []
            for span in spans:
                heard = asked or next((piece.language for piece in pieces if piece.words), None)
                kept = store.load(span)
                piece = _Piece.from_dict(kept) if kept else self._hear(audio, span, heard, total_s, background)
                if not kept:
                    store.save(span, piece.as_dict())
                pieces.append(piece)
                background.done(span.end / total_s)
        return self._joined(pieces, asked, spans[-1].end if spans else 0.0)

    def _hear(self, audio: Path, span: Span, language: str | None, total_s: float, background: "_Background") -> _Piece:
        pipeline = background.run(lambda: faster_whisper.BatchedInferencePipeline(load(self._model, self._threads)))
        samples = background.run(lambda: read_samples(audio, span.start, span.end))
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
        words: list[Word] = []
        unlikely = 0
        for segment in background.each(segments):
            if is_unlikely(segment):
                unlikely += 1
            else:
                words += _words_of(segment, span)
            background.done((span.start + segment.end) / total_s)
        return _Piece(info.language if words else None, without_loops(words), unlikely)

    def _joined(self, pieces: list[_Piece], asked: str | None, duration_s: float) -> Transcript:
        words = [word for piece in pieces for word in piece.words]
        unlikely = sum(piece.unlikely for piece in pieces)
        warnings = [] if words else [NO_SPEECH]
        if asked is None and words and languages_of(self._model) == ENGLISH_ONLY:
            warnings.append("The speech model knows English only, so the language was not detected.")
        if unlikely:
            warnings.append(f"{unlikely} stretches of sound were too unclear to be written down.")
        return transcript_of(
            words,
            language=asked or next((piece.language for piece in pieces if piece.words), None),
            provider="whisper",
            model=name_of(self._model),
            duration_seconds=duration_s,
            cost_estimate_usd=0.0,
            warnings=tuple(warnings),
        )


def _words_of(segment: Segment, span: Span) -> Iterator[Word]:
    for word in segment.words or ():
        start, end = span.start + float(word.start), span.start + float(word.end)
        yield Word(word.word.strip(), round(start, 3), round(min(end, span.end), 3), round(float(word.probability), 4))


class _Background:
    """Runs long native calls in a thread, so that progress is told every second and can stop the work at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")

    def __enter__(self) -> "_Background":
        return self

    def __exit__(self, *_exception: object) -> None:
        # A batch that is being decoded can't be stopped; nobody waits for it.
        self._thread.shutdown(wait=False, cancel_futures=True)

    def done(self, fraction: float) -> None:
        """Tell that this part of the whole is really done."""
        self._done = max(self._done, min(fraction, 1.0))
        self._progress(self._done)

    def run(self, call: Callable[[], Result]) -> Result:
        """What `call` returns, the last fraction told again every second until then."""
        future = self._thread.submit(call)
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
