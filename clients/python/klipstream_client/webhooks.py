"""Webhooks are looked at before they are believed (Standard Webhooks)."""

from collections.abc import Mapping, Sequence
from typing import cast

from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from .answers import Webhook
from .calls import read_object
from .errors import WebhookRefused

MAX_BODY_BYTES = 1 << 20
MAX_SIGNATURES = 16
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verify_webhook(secret: str | Sequence[str], headers: Mapping[str, str], body: bytes) -> Webhook:
    """The event, once its signature is known to be right and not older (or newer) than five minutes.

    secret: `whsec_...`; several while one takes another's place.  body: as it arrived, before anything parsed it.
    Remember the `webhook-id`: an event is sent again until it was accepted.  Raises WebhookRefused.
    """
    if len(body) > MAX_BODY_BYTES:
        raise WebhookRefused("the body is too large")
    found = {name.lower(): value for name, value in headers.items() if name.lower() in NAMES}
    signatures = found.get("webhook-signature", "").split(" ")
    if len(signatures) > MAX_SIGNATURES:
        raise WebhookRefused("there are too many signatures")
    secrets = (secret,) if isinstance(secret, str) else secret
    # One at a time: the library gives up at the first that it can't read, and a new scheme may stand before ours.
    tried = [found | {"webhook-signature": signature} for signature in signatures]
    if not any(_is_right(StandardWebhook(each), headers, body) for each in secrets for headers in tried):
        raise WebhookRefused("no signature is right, or the event is too old")
    try:
        event = read_object(body)
    except ValueError as error:
        raise WebhookRefused(f"the body can't be read ({error})") from error
    return cast("Webhook", event)


def _is_right(webhook: StandardWebhook, headers: dict[str, str], body: bytes) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True
