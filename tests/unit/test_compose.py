"""docker-compose.yml against the compose schema, and against what the code knows."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from shared.settings import Settings
from shared.stages import QUEUES

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {
    "web",
    "worker-download",
    "worker-transcription",
    "worker-analysis",
    "worker-delivery",
    "scheduler",
    "redis",
    "flower",
}
OF_OTHERS = {"FLOWER_BASIC_AUTH", "GOOGLE_APPLICATION_CREDENTIALS"}  # read by Flower and Google's client
SETTINGS = {name.upper() for name in Settings.__dataclass_fields__}


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_the_compose_file_obeys_the_compose_schema() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text())

    jsonschema.Draft201909Validator(schema).validate(compose())


def test_the_compose_file_has_the_contracts_services() -> None:
    assert set(compose()["services"]) == SERVICES | {f"worker-{queue}" for queue in QUEUES}


def test_every_setting_passed_to_a_service_exists_and_none_is_missing() -> None:
    for name, service in compose()["services"].items():
        if name == "redis":
            continue
        passed = set(service["environment"]) - OF_OTHERS
        assert passed == SETTINGS, name


def test_every_queue_has_a_worker_service_that_reads_it() -> None:
    commands = {name: service.get("command", "") for name, service in compose()["services"].items()}

    assert [queue for queue in QUEUES if f"-Q {queue} " not in commands.get(f"worker-{queue}", "")] == []


def test_the_example_environment_names_every_setting_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.removeprefix("# ").partition("=")[0] for line in lines if "=" in line}

    assert named == SETTINGS
