"""The clients' types have the members that the server's schemas have: one list each, held together here."""

import re
from typing import get_type_hints

import pytest
from marshmallow import Schema

from clients.python.klipstream_client import answers as client
from clients.python.klipstream_client import inputs
from shared.files import EXPORTS
from shared.jobs import EVENTS
from shared.stages import TERMINAL, JobStatus
from tests.conftest import ROOT
from web import answers as server
from web.batch import ItemAnswerSchema, ItemSchema
from web.deliveries import DeliverySchema, DeliveryTrySchema
from web.feedback import HighlightEditSchema
from web.job_parts import WaitingSchema
from web.schemas import JobsQuerySchema, OptionsSchema
from web.tokens import TokenSchema
from web.webhooks import PongSchema

PAIRS: list[tuple[type, type[Schema]]] = [
    (client.Problem, server.ProblemSchema),
    (client.JobError, server.JobErrorSchema),
    (client.Retry, server.RetrySchema),
    (client.Waiting, WaitingSchema),
    (client.Progress, server.ProgressSchema),
    (client.VideoPart, server.VideoPartSchema),
    (client.Video, server.VideoSchema),
    (client.Urls, server.UrlsSchema),
    (client.Made, server.ResultsSummarySchema),
    (client.Links, server.LinksSchema),
    (client.Job, server.JobSchema),
    (client.Jobs, server.JobPageSchema),
    (client.Highlight, server.HighlightSchema),
    (client.Sentiment, server.SentimentSchema),
    (client.Emote, server.EmoteSchema),
    (client.ChatSummary, server.ChatSummarySchema),
    (client.TranscriptSummary, server.TranscriptSummarySchema),
    (client.Results, server.ResultsSchema),
    (client.Webhook, server.WebhookSchema),
    (client.Delivery, DeliverySchema),
    (client.DeliveryTry, DeliveryTrySchema),
    (client.BatchAnswer, ItemAnswerSchema),
    (client.Token, TokenSchema),
    (client.Pong, PongSchema),
    (inputs.HighlightEdit, HighlightEditSchema),
    (inputs.Options, OptionsSchema),
]
DECLARATIONS = (ROOT / "clients" / "js" / "klipstream.d.ts").read_text()


@pytest.mark.parametrize(("kind", "schema"), PAIRS, ids=lambda kind: kind.__name__)
def test_python_knows_every_member(kind: type, schema: type[Schema]) -> None:
    assert set(get_type_hints(kind)) == set(schema().fields)


@pytest.mark.parametrize(("kind", "schema"), PAIRS, ids=lambda kind: kind.__name__)
def test_typescript_knows_every_member(kind: type, schema: type[Schema]) -> None:
    assert members(kind.__name__) == set(schema().fields)


def members(interface: str) -> set[str]:
    """Of an interface and what it extends."""
    found = re.search(rf"^export interface {interface}(?: extends (\w+))? {{\n(.*?)^}}", DECLARATIONS, re.M | re.S)
    assert found, interface
    own = set(re.findall(r"^  (\w+)\??:", found[2], re.M))
    return own | (members(found[1]) if found[1] else set())


@pytest.mark.parametrize(
    ("kind", "declared", "schema"),
    [(inputs.Submission, "Submission", ItemSchema), (inputs.JobsQuery, "JobsQuery", JobsQuerySchema)],
)
def test_both_can_ask_for_whatever_the_server_takes(kind: type, declared: str, schema: type[Schema]) -> None:
    assert set(get_type_hints(kind)) == set(schema().fields)
    in_camel_case = {re.sub(r"_(\w)", lambda found: found[1].upper(), name) for name in schema().fields}
    assert members(declared) - {"signal"} == in_camel_case


def test_both_know_every_status_event_and_format() -> None:
    choices = {
        "JobStatus": [status.value for status in JobStatus],
        "EventType": list(EVENTS),
        "ExportFormat": list(EXPORTS),
    }
    for name, values in choices.items():
        declared = re.search(rf"^export type {name} =(.*?);", DECLARATIONS, re.M | re.S)
        assert declared
        assert re.findall(r'"([\w.]+)"', declared[1]) == values
        assert list(getattr(inputs, name).__args__) == values
    assert frozenset(status.value for status in TERMINAL) == client.TERMINAL
