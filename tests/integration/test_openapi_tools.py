"""What other people's tools say about the OpenAPI document."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.conftest import ROOT, SettingsMaker
from tests.node import NODE, install
from web import create_app

FOLDER = ROOT / "tests" / "generated"
ASKS_NOBODY = {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "REDOCLY_TELEMETRY": "off"}


@pytest.mark.parametrize("keys", [{}, {"API_KEYS": "ann:key-of-ann-0123456789"}], ids=["open", "keys"])
def test_redocly_has_nothing_to_say(make_settings: SettingsMaker, tmp_path: Path, keys: dict[str, str]) -> None:
    client: FlaskClient = create_app(make_settings(**keys)).test_client()
    document = tmp_path / "openapi.json"
    document.write_bytes(client.get("/openapi.json").data)

    program = install(FOLDER) / "@redocly" / "cli" / "bin" / "cli.js"
    options: list[str | Path] = ["lint", document, "--config", FOLDER / "redocly.yaml", "--format", "json"]
    ran = subprocess.run(
        [NODE, program, *options],
        env={**os.environ, **ASKS_NOBODY},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    found = json.loads(ran.stdout)
    assert found["problems"] == []
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}
    assert ran.returncode == 0
