"""What the audit tools print, read: above all when they could not ask anybody."""

import json

from tests.audit import Verdict, of_npm_audit, of_pip_audit

CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
SKIPPED = {"name": "amqp", "skip_reason": "Dependency not found on PyPI and could not be audited: amqp (5.4.2)"}
VULNERABLE = {
    "name": "jinja2",
    "version": "2.4.1",
    "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"], "aliases": ["CVE-2014-1402"], "description": "..."}],
}


def pip_audit(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerable_package_is_named_with_its_mended_version() -> None:
    report = of_pip_audit(pip_audit(CLEAN, VULNERABLE, SKIPPED))

    assert report == (Verdict.VULNERABLE, ["jinja2 2.4.1: PYSEC-2014-8, mended in 2.7.2"])


def test_packages_that_nobody_looked_at_are_not_clean() -> None:
    assert of_pip_audit(pip_audit(SKIPPED)).verdict is Verdict.NOT_AUDITED
    partly = of_pip_audit(pip_audit(CLEAN, SKIPPED))
    assert partly.verdict is Verdict.NOT_AUDITED
    assert partly.lines[0].endswith("1 of 2 packages, so these were not audited: amqp")


def test_packages_that_were_all_looked_at_are_clean() -> None:
    assert of_pip_audit(pip_audit(CLEAN)).verdict is Verdict.CLEAN


def test_no_report_is_no_audit() -> None:
    refused = json.dumps({"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}})

    assert of_pip_audit("").verdict is Verdict.NOT_AUDITED
    assert of_npm_audit(refused).verdict is Verdict.NOT_AUDITED
    assert of_npm_audit("").verdict is Verdict.NOT_AUDITED


def test_npm_names_what_is_vulnerable() -> None:
    answer = {"vulnerabilities": {"ws": {"severity": "high"}}, "metadata": {"dependencies": {"total": 34}}}

    assert of_npm_audit(json.dumps(answer)) == (Verdict.VULNERABLE, ["ws: high"])
    assert of_npm_audit(json.dumps(answer | {"vulnerabilities": {}})).verdict is Verdict.CLEAN
