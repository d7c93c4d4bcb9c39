"""The recording that a job is about, as a source that can be fetched from."""

from shared.errors import UnsupportedSource
from shared.jobs import Job
from shared.settings import Settings, settings
from workers.app import breakers
from workers.download.direct import DirectSource
from workers.download.local import LocalSource
from workers.download.sources import Source
from workers.download.twitch import TwitchSource

MIN_FREE_BYTES = 1 << 30  # left alone on the disk while downloading


def source_of(job: Job) -> Source:
    """The source of the job. Raises UnsupportedSource when this worker's settings don't allow it."""
    return _MAKERS[job.source["kind"]](job, settings())


def _twitch(job: Job, config: Settings) -> Source:
    return TwitchSource(
        job.source["ref"],
        client_id=config.twitch_client_id,
        host_map=config.twitch_host_map,
        max_hours=config.max_video_hours,
        segments_at_once=config.segments_at_once,
        chat_ranges=config.chat_ranges,
        min_free_bytes=MIN_FREE_BYTES,
        call=breakers().of("twitch"),
    )


def _local(job: Job, config: Settings) -> Source:
    if config.local_media_dir is None:
        raise UnsupportedSource("LOCAL_MEDIA_DIR is not set on the worker.")
    return LocalSource(
        job.source["ref"],
        root=config.local_media_dir,
        max_hours=config.max_video_hours,
    )


def _direct(job: Job, config: Settings) -> Source:
    return DirectSource(
        job.source["ref"],
        allowed_hosts=config.media_hosts,
        allow_private=config.allow_private_hosts,
        max_hours=config.max_video_hours,
        segments_at_once=config.segments_at_once,
        min_free_bytes=MIN_FREE_BYTES,
    )


_MAKERS = {"twitch": _twitch, "local": _local, "direct": _direct}
