"""A second transcriber for when the first one's service is out of reach."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shared.errors import CircuitOpen, KlipError, TranscriptionKeyRefused, UnsupportedLanguage
from shared.progress import Progress
from shared.redis.breaker import SERVICE_FAILURES
from workers.transcription.transcript import Transcriber, Transcript


def never(_error: KlipError) -> bool:
    """Every error is tried again."""
    return False


class FallbackTranscriber:
    """`first`, or `second` with a warning when first's key is refused, its circuit breaker is open, or it gives out.

    is_final: whether nobody will try again after this error of the service.
    """

    def __init__(
        self, first: Transcriber, second: Transcriber, *, is_final: Callable[[KlipError], bool] = never
    ) -> None:
        self._first, self._second, self._is_final = first, second, is_final

    def check(self, language: str) -> None:
        """Raises what the first transcriber would."""
        self._first.check(language)

    def transcribe(self, audio: Path, *, language: str, work: Path, progress: Progress) -> Transcript:
        """With the first transcriber, and with the second while the first is out of reach."""
        try:
            return self._first.transcribe(audio, language=language, work=work, progress=progress)
        except KlipError as error:
            if not self._is_out_of_reach(error):
                raise
            self._check_second(language, error)
            transcript = self._second.transcribe(audio, language=language, work=work, progress=progress)
            warning = f"{error.detail} The words were recognised on this server instead."
            return replace(transcript, warnings=(*transcript.warnings, warning))

    def _is_out_of_reach(self, error: KlipError) -> bool:
        if isinstance(error, TranscriptionKeyRefused | CircuitOpen):
            return True
        return error.retryable and error.error_type in SERVICE_FAILURES and self._is_final(error)

    def _check_second(self, language: str, first_error: KlipError) -> None:
        try:
            self._second.check(language)
        except UnsupportedLanguage:
            # What went wrong first is what can be mended.
            raise first_error from None
