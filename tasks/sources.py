"""The recording that a job is about, as a source that can be fetched from."""

from shared.errors import UnsupportedSource
from shared.jobs import Job
from shared.settings import Settings, settings
from workers.app import breakers
from workers.download.direct import DirectSource
from workers.download.joined import JoinedSource
from workers.download.local import LocalSource
from workers.download.resolver import TwitchAccess
from workers.download.sources import Source
from workers.download.twitch import TwitchSource

MIN_FREE_BYTES = 1 << 30  # left alone on the disk while downloading


def source_of(job: Job) -> Source:
    """The source of the job. Raises UnsupportedSource when this worker's settings don't allow it."""
    return _MAKERS[job.source["kind"]](job, settings())


def _twitch(job: Job, config: Settings) -> Source:
    access = TwitchAccess(
        client_id=config.twitch_client_id,
        host_map=config.twitch_host_map,
        max_hours=config.max_video_hours,
        portrait=_portrait(job),
        # Several jobs may want one VOD: what is wrong with it is so for all of them.
        calls=breakers().about(f"vod:{job.source['ref']}"),
    )
    return TwitchSource(
        job.source["ref"],
        access,
        segments_at_once=config.segments_at_once,
        chat_ranges=config.chat_ranges,
        min_free_bytes=MIN_FREE_BYTES,
        audio_track=job.options.audio_track,
    )


def _local(job: Job, config: Settings) -> Source:
    if config.local_media_dir is None:
        raise UnsupportedSource("LOCAL_MEDIA_DIR is not set on the worker.")
    if job.options.join:
        return JoinedSource(
            (job.source["ref"], *job.options.join),
            root=config.local_media_dir,
            max_hours=config.max_video_hours,
            audio_track=_audio_track(job),
            known=job.video.parts if job.video else (),
            threads=config.threads,
        )
    return LocalSource(
        job.source["ref"],
        root=config.local_media_dir,
        max_hours=config.max_video_hours,
        audio_track=_audio_track(job),
    )


def _direct(job: Job, config: Settings) -> Source:
    return DirectSource(
        job.source["ref"],
        allowed_hosts=config.media_hosts,
        allow_private=config.allow_private_hosts,
        max_hours=config.max_video_hours,
        audio_track=_audio_track(job),
        portrait=_portrait(job),
        segments_at_once=config.segments_at_once,
        min_free_bytes=MIN_FREE_BYTES,
    )


def _audio_track(job: Job) -> int | None:
    """The sound track, from 1, that the download stage has chosen, so that clips carry it; before that, the wish."""
    chosen: int | None = job.video.audio_track if job.video else None
    return chosen or job.options.audio_track


def _portrait(job: Job) -> bool:
    """Whether only clips higher than wide are made of the picture."""
    return job.options.clips == "vertical" and job.options.video == "clips"


_MAKERS = {"twitch": _twitch, "local": _local, "direct": _direct}
