"""Known vulnerabilities of what is pinned: `make audit`. Ends with 1 if there are any, with 2 if nobody could be asked.

pip-audit and npm ask the advisory databases of their registries. A mirror that serves packages only has none: pip-audit
then skips every package and is content. So what it skipped is looked at.
"""

import argparse
import json
import subprocess
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT
from tests.node import BIN, NPM

AUDIT_S = 600


class Verdict(IntEnum):
    """The more serious, the higher: the command ends with the highest."""

    CLEAN = 0
    VULNERABLE = 1
    NOT_AUDITED = 2


class Report(NamedTuple):
    verdict: Verdict
    lines: list[str]


def of_pip_audit(printed: str) -> Report:
    """What `pip-audit --format json` says. printed: its output; without any, it could not audit."""
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Report(Verdict.NOT_AUDITED, ["pip-audit gave no report: the advisory database can't be reached"])
    found = [
        f"{package['name']} {package['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'none'}"
        for package in packages
        for known in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if found:
        return Report(Verdict.VULNERABLE, found)
    if skipped:
        says = (
            f"the advisory database does not know {len(skipped)} of {len(packages)} packages, so these were not audited"
        )
        return Report(Verdict.NOT_AUDITED, [says + (f": {', '.join(skipped)}" if len(skipped) < len(packages) else "")])
    return Report(Verdict.CLEAN, [f"{len(packages)} packages, no known vulnerability"])


def of_npm_audit(printed: str) -> Report:
    """What `npm audit --json` says."""
    try:
        answer = json.loads(printed)
        count = answer["metadata"]["dependencies"]["total"]
        found = [f"{name}: {known['severity']}" for name, known in answer["vulnerabilities"].items()]
    except (ValueError, KeyError, TypeError):
        return Report(Verdict.NOT_AUDITED, ["npm audit gave no report: the advisory database can't be reached"])
    return Report(Verdict.VULNERABLE, found) if found else Report(Verdict.CLEAN, [f"{count} packages, none vulnerable"])


def _printed(command: list[str | Path]) -> str:
    """Both tools end with 1 if they found something and if they failed: what they print tells which."""
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=AUDIT_S, check=False).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pip-audit", default="pip-audit", help="the command")
    chosen = parser.parse_args()
    pinned = [chosen.pip_audit, "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    reports = {
        "requirements-dev.txt (has requirements.txt)": of_pip_audit(_printed([*pinned, "-r", "requirements-dev.txt"])),
        "package-lock.json": of_npm_audit(_printed([BIN / "node", NPM, "audit", "--json", "--package-lock-only"])),
    }
    for file, report in reports.items():
        print(f"{file}: {report.verdict.name.lower().replace('_', ' ')}")
        print(*(f"  {line}" for line in report.lines), sep="\n")
    raise SystemExit(max(report.verdict for report in reports.values()))


if __name__ == "__main__":
    main()
