"""Which transcriber a job gets."""

from functools import partial

from shared.errors import InvalidRequest
from shared.jobs import Job
from shared.settings import Settings, settings
from tasks.retries import is_final
from workers.app import breakers, job_store
from workers.transcription.budget import TranscriptionBudget
from workers.transcription.deepgram import DeepgramTranscriber
from workers.transcription.fallback import FallbackTranscriber
from workers.transcription.transcript import Transcriber
from workers.transcription.whisper import WhisperTranscriber


def transcriber_of(job: Job) -> Transcriber | None:
    """The transcriber that the job asks for, else the settings; None for "none".

    `auto` falls back from Deepgram to this machine.
    """
    config = settings()
    kind = job.options.transcriber or config.transcriber
    if kind == "none":
        return None
    if kind == "auto":
        if not config.deepgram_api_key:
            return _whisper(config)
        deepgram = _deepgram(job, config, config.deepgram_api_key)
        return FallbackTranscriber(deepgram, _whisper(config), is_final=partial(is_final, job))
    if kind == "deepgram":
        if not config.deepgram_api_key:
            raise InvalidRequest("This server has no DEEPGRAM_API_KEY.")
        return _deepgram(job, config, config.deepgram_api_key)
    return _whisper(config)


def is_named(job: Job) -> bool:
    """Whether the user asked for one transcriber by its name: then what it can't do is an error, else a warning."""
    return job.options.transcriber in ("deepgram", "whisper")


def _whisper(config: Settings) -> Transcriber:
    return WhisperTranscriber(config.whisper_model, threads=config.threads)


def _deepgram(job: Job, config: Settings, api_key: str) -> Transcriber:
    return DeepgramTranscriber(
        api_key,
        base_url=config.deepgram_base_url,
        model=config.deepgram_model,
        call=breakers().of("deepgram", about=job.job_id),
        spend_hours=TranscriptionBudget(job_store().redis, config.max_transcription_hours_per_day).spend,
    )
