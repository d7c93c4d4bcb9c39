"""Which transcriber a job gets."""

import os

from shared.jobs import Job
from shared.settings import settings
from workers.transcription.transcript import Transcriber
from workers.transcription.whisper import WhisperTranscriber


def transcriber_of(job: Job) -> Transcriber:
    """The transcriber that the job or the settings ask for."""
    return WhisperTranscriber(settings().whisper_model, threads=os.cpu_count() or 1)
