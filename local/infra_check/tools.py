"""Runs checkov over the templates and zizmor over the workflows, and judges their findings."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_REFUSED: Final = "Flex Consumption refuses the property that it asks for (azure-deploy §1.2)"
_OPEN: Final = "the app answers operators, azd and webhooks from outside (azure-deploy §1.2)"
_MISREAD: Final = "it takes the list of app settings for the whole configuration of a site"
_SETTINGS: Final = "Microsoft.Web/sites/config."
_PRICE: Final = "a matter of price, for the owner of the deployment"
_EXPRESSION: Final = "it cannot read the condition: closed exactly if vnetEnabled says so"

#: Checks of checkov that fail and may: id -> reason.
SKIPPED: Final[Mapping[str, str]] = {
    "CKV_AZURE_13": _MISREAD,
    "CKV_AZURE_17": "callers show keys of the app or tokens, not certificates",
    "CKV_AZURE_18": _REFUSED,
    "CKV_AZURE_35": _EXPRESSION,
    "CKV_AZURE_59": _EXPRESSION,
    "CKV_AZURE_63": _MISREAD,
    "CKV_AZURE_65": _MISREAD,
    "CKV_AZURE_66": _MISREAD,
    "CKV_AZURE_67": _REFUSED,
    "CKV_AZURE_78": _REFUSED,
    "CKV_AZURE_80": _MISREAD,
    "CKV_AZURE_88": _MISREAD,
    "CKV_AZURE_109": _EXPRESSION,
    "CKV_AZURE_189": _EXPRESSION,
    "CKV_AZURE_206": f"the parameter storageReplication: {_PRICE}",
    "CKV_AZURE_212": "instances come with the load; alwaysReadyInstances keeps some",
    "CKV_AZURE_213": "health is watched by alerts and by the web test, not by the platform",
    "CKV_AZURE_222": _OPEN,
    "CKV_AZURE_225": f"Flex Consumption has zones by a property of its own: {_PRICE}",
}
_BROKEN: Final = re.compile(r"Failed to run check (CKV\w+) on (\S+)")
_FOUND: Final = re.compile(r"^\w+\[([\w-]+)\]: (.+)\n *--> (\S+?:\d+):\d+$", re.MULTILINE)
_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Judged:
    """The findings of a tool, and how much it checked.

    Args:
        wrong: a line for each finding.
        passed: how many checks passed.
        skipped: how many failed and may.
    """

    wrong: tuple[str, ...]
    passed: int = 0
    skipped: int = 0


def checkov(tools: Path, folder: Path) -> Judged:
    """Return what checkov says of the templates.

    Args:
        tools: the folder of the commands.
        folder: of the templates.
    """
    command = [
        str(tools / "checkov"),
        *("--framework", "bicep", "--skip-download", "--compact", "--quiet"),
        *("--output", "json", "--directory", str(folder)),
    ]
    done = _run(command, folder.parent)
    return judged(done.stdout, done.stderr)


def judged(said: str, complained: str) -> Judged:
    """Return what checkov's answer means.

    Args:
        said: its JSON.
        complained: what it wrote to standard error.
    """
    try:
        report = json.loads(said)
    except ValueError:
        return Judged((f"checkov said no JSON: {(complained or said).strip()[-300:]}",))
    reports = [one for one in _listed(report) if isinstance(one.get("summary"), dict)]
    if not reports:
        return Judged(("checkov checked nothing",))
    wrong: list[str] = []
    passed = skipped = 0
    for one in reports:
        passed += one["summary"]["passed"]
        unread = one["results"].get("parsing_errors") or []
        wrong += [
            f"{file}: checkov could not parse it, and so checked nothing of it" for file in unread
        ]
        if one["summary"]["parsing_errors"] and not unread:
            wrong.append(f"checkov could not parse {one['summary']['parsing_errors']} of the files")
        for failed in one["results"]["failed_checks"]:
            if _may_fail(failed):
                skipped += 1
            else:
                wrong.append(_shown(failed))
    for check, where in _BROKEN.findall(complained):
        if check not in SKIPPED:
            wrong.append(f"{where}: checkov's own check {check} broke")
    if not passed:
        wrong.append("checkov passed no check: it saw no resource")
    return Judged(tuple(wrong), passed, skipped)


def _may_fail(failed: Mapping[str, Any]) -> bool:
    reason = SKIPPED.get(failed["check_id"])
    misread = reason == _MISREAD and not str(failed["resource"]).startswith(_SETTINGS)
    return reason is not None and not misread


def _listed(report: Any) -> list[dict[str, Any]]:
    found = report if isinstance(report, list) else [report]
    return [one for one in found if isinstance(one, dict)]


def _shown(failed: Mapping[str, Any]) -> str:
    file, line = str(failed["file_path"]).lstrip("/"), failed["file_line_range"][0]
    return (
        f"infra/{file}:{line}: {failed['check_name']} ({failed['check_id']}, {failed['resource']})"
    )


def zizmor(tools: Path, folder: Path) -> Judged:
    """Return what zizmor says of the workflows and of Dependabot's settings.

    Args:
        tools: the folder of the commands.
        folder: `.github`.
    """
    command = [str(tools / "zizmor"), "--offline", "--no-progress", "--persona", "pedantic"]
    done = _run([*command, "--format", "plain", folder.name], folder.parent)
    if done.returncode == 0:
        return Judged((), passed=len(list(folder.rglob("*.yml"))))
    found = _FOUND.findall(done.stdout)
    wrong = [f"{place}: {title} ({rule})" for rule, title, place in found]
    return Judged(tuple(wrong) or (f"zizmor: {(done.stderr or done.stdout).strip()[-600:]}",))


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool without credentials: its output depends only on the files."""
    known = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        command,
        cwd=folder,
        env={**known, "NO_COLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
