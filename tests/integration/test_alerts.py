"""Alert rules and the dashboard: what they ask exists, and promtool says that each alert fires when it should."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.programs import program

MONITORING = ROOT / "deploy/monitoring"
RULES = MONITORING / "rules.yml"
PROMETHEUS = "apt-get install prometheus"


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard_queries() -> list[str]:
    board = json.loads((MONITORING / "grafana/dashboards/klipstream.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [program("promtool", PROMETHEUS), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def exposed(open_server: tuple[str, Path]) -> set[str]:
    """Every series that /metrics of a running server has or would have, by the types that it declares."""
    names = {"up"}
    text = httpx.get(f"{open_server[0]}/metrics", timeout=30).raise_for_status().text
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in rules()), *dashboard_queries()])
def test_every_query_names_metrics_that_exist(exposed: set[str], query: str) -> None:
    asked = set(re.findall(r"\b(klip_\w+|up)\b(?=[{\[ )]|$)", query))

    assert asked
    assert asked <= exposed


def test_the_autoscalers_metrics_exist(exposed: set[str]) -> None:
    text = (ROOT / "deploy/helm/klipstream/templates/pools.yaml").read_text()

    assert set(re.findall(r"klip_\w+", text)) <= exposed


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    for checked in (
        promtool("check", "rules", RULES),
        promtool("check", "config", "--syntax-only", MONITORING / "prometheus.yml"),
    ):
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    tested = promtool("test", "rules", MONITORING / "rules_test.yml")

    assert tested.returncode == 0, tested.stdout + tested.stderr
    cases = {case["name"] for case in yaml.safe_load((MONITORING / "rules_test.yml").read_text())["tests"]}
    assert cases == {f"{rule['alert']} {what}" for rule in rules() for what in ("fires", "keeps quiet")}


def test_alertmanagers_own_program_takes_its_configuration() -> None:
    amtool = program("amtool", "apt-get install prometheus-alertmanager")
    checked = subprocess.run(
        [amtool, "check-config", str(MONITORING / "alertmanager.yml")],
        env={"PATH": os.environ["PATH"], "HOME": "/tmp"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dashboards_queries_are_queries_to_prometheus(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(dashboard_queries())]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))

    checked = promtool("check", "rules", tmp_path / "panels.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_run_book_and_every_run_book_an_alert() -> None:
    text = (ROOT / "docs/operators.md").read_text()
    sections = set(re.findall(r"^### (Klip\w+)$", text, flags=re.MULTILINE))

    assert sections == {rule["alert"] for rule in rules()}
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operators.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}
