"""docker-compose.yml as Docker's own program reads it, and the script that makes its secrets."""

import re
from pathlib import Path

from tests.compose import make_secrets, services
from tests.unit.test_compose import OF_OTHERS, OURS, compose


def test_dockers_own_program_takes_the_compose_file() -> None:
    assert set(services()) == OURS | OF_OTHERS
    assert set(services(profiles=())) == OURS | {"redis"}


def test_a_variable_of_env_reaches_every_service_of_ours() -> None:
    described = services(MAX_STREAMS="7", LOCAL_MEDIA_DIR="/srv/recordings")

    for name in OURS:
        assert described[name]["environment"]["MAX_STREAMS"] == "7"
        assert described[name]["environment"]["LOCAL_MEDIA_DIR"] == "/media"


def test_the_script_makes_each_secret_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder, DEEPGRAM_API_KEY="given")
    first = {file.name: file.read_text() for file in folder.iterdir()}
    make_secrets(folder)

    assert {file.name: file.read_text() for file in folder.iterdir()} == first
    assert set(first) == set(compose()["secrets"]) - {"google_credentials"}
    assert oct(folder.stat().st_mode & 0o777) == oct(0o700)
    assert first["deepgram_api_key"] == "given\n"
    assert first["webhook_secret"].strip() == ""
    assert first["api_keys"].strip().endswith(f"metrics:{first['metrics_key'].strip()}")
    drawn = [first["redis_url"], first["api_keys"], first["flower_basic_auth"], first["grafana_admin_password"]]
    assert all(re.search(r"[\w-]{43}", value) for value in drawn)
    assert len({re.search(r"[\w-]{43}", value)[0] for value in drawn}) == len(drawn)  # type: ignore[index]
