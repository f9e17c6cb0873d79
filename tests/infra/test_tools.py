"""Findings of checkov and zizmor: a file that they could not read does not pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.infra_check import __main__ as command
from local.infra_check.check import ROOT
from local.infra_check.syntax import Finding
from local.infra_check.tools import SKIPPED, judged, zizmor
from local.virtual_environment import NOT_CHECKED, InstallError

FAILED = {
    "check_id": "CKV_AZURE_3",
    "check_name": "Ensure that 'supportsHttpsTrafficOnly' is set to 'true'",
    "resource": "Microsoft.Storage/storageAccounts.account",
    "file_path": "/modules/storage.bicep",
    "file_line_range": [20, 48],
}


def report(
    passed: int = 3, errors: int = 0, *failed: dict[str, Any], unread: tuple[str, ...] = ()
) -> str:
    summary = {"passed": passed, "failed": len(failed), "parsing_errors": errors}
    results = {"failed_checks": list(failed), "parsing_errors": list(unread)}
    return json.dumps({"check_type": "bicep", "summary": summary, "results": results})


def test_no_finding_is_right() -> None:
    found = judged(report(), "")
    assert (found.wrong, found.passed, found.skipped) == ((), 3, 0)


def test_a_failed_check_is_reported_with_file_and_line() -> None:
    found = judged(report(3, 0, FAILED), "")
    where = "infra/modules/storage.bicep:20"
    what = f"{FAILED['check_name']} (CKV_AZURE_3, {FAILED['resource']})"
    assert found.wrong == (f"{where}: {what}",)


def test_a_check_with_a_reason_may_fail_and_is_counted() -> None:
    found = judged(report(3, 0, {**FAILED, "check_id": "CKV_AZURE_78"}), "")
    assert (found.wrong, found.skipped) == ((), 1)
    assert all(len(reason) > 10 for reason in SKIPPED.values())


@pytest.mark.parametrize(("kind", "wrong"), [("sites/config.list", 0), ("sites.site", 1)])
def test_a_reason_counts_for_the_resource_that_it_is_about(kind: str, wrong: int) -> None:
    failed = {**FAILED, "check_id": "CKV_AZURE_13", "resource": f"Microsoft.Web/{kind}"}
    assert len(judged(report(3, 0, failed), "").wrong) == wrong


@pytest.mark.parametrize(
    ("said", "complained", "what"),
    [
        (
            report(3, 1, unread=("infra/main.bicep",)),
            "",
            "infra/main.bicep: checkov could not parse",
        ),
        (report(3, 2), "", "could not parse 2 of the files"),
        (report(0), "", "it saw no resource"),
        ("[]", "", "checkov checked nothing"),
        ('{"passed": 0}', "", "checkov checked nothing"),
        ("Traceback", "no module", "said no JSON: no module"),
        (report(), "Failed to run check CKV_AZURE_3 on infra/a.bicep:x", "CKV_AZURE_3 broke"),
    ],
)
def test_what_checkov_could_not_check_is_wrong(said: str, complained: str, what: str) -> None:
    assert [one for one in judged(said, complained).wrong if what in one]


def test_a_check_that_breaks_may_if_it_has_a_reason() -> None:
    assert judged(report(), "Failed to run check CKV_AZURE_189 on infra/a.bicep:x").wrong == ()


def stand_in(tmp_path: Path, said: str, code: int) -> Path:
    """Make a zizmor that says this of any workflow."""
    tool = tmp_path / "bin" / "zizmor"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit {code}\n", encoding="utf-8")
    tool.chmod(0o755)
    return tool.parent


def test_a_weak_workflow_is_reported_with_file_and_line(tmp_path: Path) -> None:
    said = "error[unpinned-uses]: not pinned to a hash\n  --> .github/workflows/a.yml:7:9\n   |"
    found = zizmor(stand_in(tmp_path, said, 14), ROOT / ".github")
    assert found.wrong == (".github/workflows/a.yml:7: not pinned to a hash (unpinned-uses)",)


@pytest.mark.parametrize(("said", "code", "wrong"), [("no such option", 2, 1), ("", 0, 0)])
def test_a_zizmor_that_does_not_run_is_wrong(
    tmp_path: Path, said: str, code: int, wrong: int
) -> None:
    assert len(zizmor(stand_in(tmp_path, said, code), ROOT / ".github").wrong) == wrong


def test_findings_fail_the_command_and_are_printed_to_click_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        command, "check_here", lambda: [Finding("infra/a.bicep", 3, "wrong", "Advice")]
    )
    assert command.main(["--types"]) == 1
    assert "infra/a.bicep:3: wrong. Advice\n" in capsys.readouterr().out


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", NOT_CHECKED)])
def test_tools_that_cannot_be_installed_are_said_and_fail_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, code: int
) -> None:
    def fails(*_arguments: object) -> Path:
        raise InstallError("no network")

    monkeypatch.setattr(command, "check_here", list)
    monkeypatch.setattr(command, "python_with", fails)
    monkeypatch.setenv("CI", ci)
    assert command.main([]) == code
    assert "NOT CHECKED" in capsys.readouterr().out
