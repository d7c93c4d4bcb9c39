"""schemathesis asks the whole API whatever the OpenAPI document allows, and much that it does not.

`make fuzz` does it with a seed of chance, which is printed; SEED=... repeats one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import SAMPLES, Api, running_stack

CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = os.environ.get("FUZZ_SEED", "15")
CASES_PER_CALL = "120"
LEAST_CASES = 3000
NOBODY = "http://127.0.0.1:9"  # VODs that are submitted are looked for here
LIMIT_S = 1200
SETTINGS = {
    "LOCAL_MEDIA_DIR": str(SAMPLES),
    "TWITCH_HOST_MAP": f"gql.twitch.tv={NOBODY},usher.ttvnw.net={NOBODY}",
    "WEBHOOK_SECRET": "whsec_a2xpcHN0cmVhbS1rbGlwc3RyZWFtLWtsaXBzdHJlYW0=",
    "MAX_ACTIVE_JOBS_PER_KEY": "100000",
}


@pytest.mark.timeout(LIMIT_S)
def test_every_answer_is_as_described_whatever_is_asked(tmp_path: Path) -> None:
    # Given a stack with a completed job, so that results, files and exports are reached
    with running_stack(tmp_path / "data", **SETTINGS) as stack, Api(stack.url) as api:
        job = api.wait(api.submit("file:demo.mp4", chat_url="file:demo_chat.json")["job_id"])
        assert job["status"] == "completed"
        shutil.copy(CONFIG, tmp_path)
        (tmp_path / "jobs.txt").write_text(json.dumps(job["job_id"]))

        # When everything is asked of it
        told = fuzz(f"{stack.url}/openapi.json", tmp_path)

        # Then nothing was answered in a way that the document does not tell
        assert told.returncode == 0, told.stdout
        assert api.http.get("/health").is_success
    generated = re.search(r"(\d+) generated", told.stdout)
    assert generated, told.stdout
    assert int(generated[1]) >= LEAST_CASES


def fuzz(document: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """All phases; `folder` has the configuration."""
    print(f"\nseed: {SEED}")
    # All checks are made but those that the configuration switches off; --checks would go before it.
    options = ["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"]
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", CONFIG.name),
            *("run", document, "--seed", SEED, "--max-examples", CASES_PER_CALL, "--workers", "1", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
