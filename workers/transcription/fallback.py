"""A second transcriber for when the first one's service is out of reach."""

from dataclasses import replace
from pathlib import Path

from shared.errors import CircuitOpen, KlipError, TranscriptionKeyRefused, UnsupportedLanguage
from shared.progress import Progress
from workers.transcription.transcript import Transcriber, Transcript


class FallbackTranscriber:
    """`first`, or `second` with a warning when first's key is refused or its circuit breaker is open."""

    def __init__(self, first: Transcriber, second: Transcriber) -> None:
        self._first, self._second = first, second

    def check(self, language: str) -> None:
        self._first.check(language)

    def transcribe(self, audio: Path, *, language: str, work: Path, progress: Progress) -> Transcript:
        try:
            return self._first.transcribe(audio, language=language, work=work, progress=progress)
        except (TranscriptionKeyRefused, CircuitOpen) as error:
            self._check_second(language, error)
            transcript = self._second.transcribe(audio, language=language, work=work, progress=progress)
            warning = f"{error.detail} The words were recognised on this server instead."
            return replace(transcript, warnings=(*transcript.warnings, warning))

    def _check_second(self, language: str, first_error: KlipError) -> None:
        try:
            self._second.check(language)
        except UnsupportedLanguage:
            # What went wrong first is what can be mended.
            raise first_error from None
