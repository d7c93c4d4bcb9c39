"""docker-compose.yml against the compose schema, and against what the code knows."""

import json
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shared.settings import Settings
from shared.stages import QUEUES

ROOT = Path(__file__).resolve().parents[2]
OURS = {
    "web",
    "worker-download",
    "worker-transcription",
    "worker-analysis",
    "worker-delivery",
    "scheduler",
    "flower",
}
OF_OTHERS = {"redis", "prometheus", "alertmanager", "grafana", "proxy"}
# Read by Flower and Google's client.
FOREIGN = {"FLOWER_BASIC_AUTH_FILE", "GOOGLE_APPLICATION_CREDENTIALS"}
# Read by docker-compose.yml alone.
OF_COMPOSE = {"SECRETS_DIR", "SITE_ADDRESS", "GOOGLE_APPLICATION_CREDENTIALS"}
SETTINGS = {each.name.upper() for each in fields(Settings)}
SECRETS = {each.name.upper() for each in fields(Settings) if each.metadata["secret"]}
# The container's own: who runs it can't choose them.
FIXED = {"HOST", "DATA_DIR"}


def text() -> str:
    return (ROOT / "docker-compose.yml").read_text()


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text())
    return loaded


def test_the_compose_file_obeys_the_compose_schema() -> None:
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text())

    jsonschema.Draft201909Validator(schema).validate(compose())


def test_every_setting_is_passed_to_our_services_secrets_as_files() -> None:
    wanted = {f"{name}_FILE" if name in SECRETS else name for name in SETTINGS}

    for name, service in compose()["services"].items():
        if name in OURS:
            assert set(service["environment"]) - FOREIGN == wanted, name


def test_a_variable_of_the_environment_reaches_the_setting_of_its_name() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text()))

    assert asked == SETTINGS - SECRETS - FIXED | OF_COMPOSE


def test_no_service_gets_a_secret_in_its_environment() -> None:
    for name, service in compose()["services"].items():
        shown = {key for key in service.get("environment", {}) if re.search("KEY|SECRET|PASSWORD|AUTH|REDIS_URL", key)}
        assert all(key.endswith("_FILE") for key in shown - {"MAX_ACTIVE_JOBS_PER_KEY"}), (name, shown)


def test_every_file_that_holds_a_secret_is_mounted_where_it_is_read() -> None:
    for name, service in compose()["services"].items():
        read = set(re.findall(r"/run/secrets/(\w+)", json.dumps(service.get("environment", {}))))
        mounted = set(service.get("secrets", ()))
        assert read - {"google_credentials"} <= mounted, name
        assert mounted <= set(compose()["secrets"]), name


def test_every_queue_has_a_worker_service_that_reads_it_and_is_asked_about_it() -> None:
    described = compose()["services"]

    assert {f"worker-{queue}" for queue in QUEUES} == {name for name in described if name.startswith("worker-")}
    for queue in QUEUES:
        service = described[f"worker-{queue}"]
        assert f"-Q {queue} " in service["command"]
        # The health check asks for the worker by this name.
        assert shlex.split(service["command"])[-2:] == ["-n", f"{queue}@%h"]
        assert service["healthcheck"]["test"][-2:] == ["worker", queue]


@pytest.mark.parametrize("name", sorted(OURS | OF_OTHERS))
def test_every_service_is_contained_checked_limited_and_stopped_in_time(name: str) -> None:
    service = compose()["services"][name]

    assert service["read_only"]
    assert service["init"]
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["cpus"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["stop_grace_period"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_only_the_proxy_is_reachable_from_other_machines() -> None:
    for name, service in compose()["services"].items():
        if name != "proxy":
            assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_the_database_is_on_a_network_of_its_own() -> None:
    described = compose()

    assert described["networks"]["database"]["internal"]
    assert described["services"]["redis"]["networks"] == ["database"]
    assert "ports" not in described["services"]["redis"]


def test_every_file_that_is_mounted_from_here_exists() -> None:
    for name, service in compose()["services"].items():
        for volume in service.get("volumes", ()):
            source = str(volume).partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), (name, source)


def test_the_example_environment_names_every_setting_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.removeprefix("# ").partition("=")[0] for line in lines if "=" in line}

    assert named == SETTINGS | OF_COMPOSE


def test_the_image_takes_no_local_files_and_no_secrets_along() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())

    assert {".git", ".env", "secrets", "var", ".venv", "tests"} <= ignored
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert not {*ours, "celeryconfig.py", "flowerconfig.py"} & ignored
    assert "secrets/" in (ROOT / ".gitignore").read_text().split()


def test_the_image_is_built_from_wheels_and_runs_as_its_user() -> None:
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    last = stages[-1]

    assert len(stages) == 2
    assert "--only-binary :all:" in stages[0]
    assert not re.search(r"apt-get|pip install|gcc|build-essential", last)
    assert "USER 10001:10001" in last
    assert "HEALTHCHECK" in last
