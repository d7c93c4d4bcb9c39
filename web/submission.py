"""From a valid request to a job: its source, its fingerprint, and the refusals that need the settings."""

import hashlib
import json
from typing import TypedDict
from uuid import uuid4

from shared.errors import InvalidRequest, UnsupportedSource
from shared.jobs import EVENTS, Job, Options, utc_now
from shared.settings import Settings
from shared.source_url import SourceRef, classify_url, split_address, without_space


class GivenOptions(TypedDict):
    """Those of the options that are looked at here; the others stand beside them as `Options` has them."""

    transcriber: str | None
    join: list[str]


class Submission(TypedDict):
    """A body that passed SubmissionSchema."""

    url: str
    chat_url: str | None
    callback_url: str | None
    callback_events: list[str]
    metadata: dict[str, str]
    options: GivenOptions


def new_job(body: Submission, *, owner: str, config: Settings) -> Job:
    """A queued job.

    Raises InvalidTwitchUrl, UnsupportedSource, InvalidRequest.
    """
    source = classify_url(
        body["url"],
        media_hosts=config.media_hosts,
        local_allowed=config.local_media_dir is not None,
        private_hosts=config.allow_private_hosts,
    )
    chat_ref = _chat_ref(body["chat_url"], config)
    options = Options.of(
        {
            **body["options"],
            "transcriber": _transcriber(body["options"]["transcriber"], config),
            "join": _joined(body["options"]["join"], source, config),
        }
    )
    now = utc_now()
    return Job(
        job_id=uuid4().hex,
        owner=owner,
        url=without_space(body["url"]),
        source=source._asdict(),
        fingerprint=digest({"source": source._asdict(), "chat": chat_ref, "options": vars(options)}),
        created_at=now,
        updated_at=now,
        waiting_since=now,
        video_id=_video_id(source),
        chat_ref=chat_ref,
        callback_url=None if body["callback_url"] is None else checked_callback(body["callback_url"], config),
        callback_events=tuple(event for event in EVENTS if event in body["callback_events"]),
        options=options,
        metadata=body["metadata"],
    )


def _video_id(source: SourceRef) -> str:
    """The id that the download stage will give the video, so that jobs can be found by it from the start."""
    if source.kind == "direct":
        return f"direct-{hashlib.sha256(source.ref.encode()).hexdigest()[:16]}"
    return source.ref if source.kind == "twitch" else f"file:{source.ref}"


def digest(value: object) -> str:
    """The same for the same meaning: sha256 of canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _chat_ref(text: str | None, config: Settings) -> str | None:
    """The name of the chat file below the media folder."""
    return None if text is None else _file_name(text, config, field="chat_url", what="a chat file")


def _joined(texts: list[str], source: SourceRef, config: Settings) -> tuple[str, ...]:
    """The names of the further parts below the media folder."""
    if texts and source.kind != "local":
        raise InvalidRequest(errors={"options.join": ["Only a recording in the media folder, file:NAME, has parts."]})
    return tuple(_file_name(text, config, field="options.join", what="a part of the recording") for text in texts)


def _file_name(text: str, config: Settings, *, field: str, what: str) -> str:
    if not text.startswith("file:"):
        raise InvalidRequest(errors={field: [f"Must be file:NAME, {what} in the media folder."]})
    try:
        return classify_url(text, media_hosts=(), local_allowed=config.local_media_dir is not None).ref
    except UnsupportedSource as error:
        raise InvalidRequest(errors={field: [error.detail]}) from None


def _transcriber(asked: str | None, config: Settings) -> str | None:
    if asked == "deepgram" and not config.deepgram_api_key:
        raise InvalidRequest(errors={"options.transcriber": ["This server has no DEEPGRAM_API_KEY."]})
    return asked


def checked_callback(text: str, config: Settings) -> str:
    """The address as it was given. Raises InvalidRequest when this server sends no webhooks there."""
    if config.webhook_secret is None:
        raise InvalidRequest(errors={"callback_url": ["This server sends no callbacks: WEBHOOK_SECRET is not set."]})
    try:
        host, port, scheme = split_address(text)
    except UnsupportedSource as error:
        raise InvalidRequest(errors={"callback_url": [error.detail]}) from None
    if scheme != "https" and f"{host}:{port}" not in config.allow_private_hosts:
        raise InvalidRequest(errors={"callback_url": ["Must be an https:// address."]})
    return text
