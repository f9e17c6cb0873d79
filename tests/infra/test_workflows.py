"""Workflows, Dependabot, the dev container and the tasks are valid, and the names in them exist."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.infra_check.check import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
JSON_FILES = [*sorted((ROOT / ".vscode").glob("*.json")), ROOT / ".devcontainer/devcontainer.json"]
SHELL = re.compile(r"\$\{\{|\$\(\(")


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def jobs(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = read(file)["jobs"]
    return found


def steps() -> list[tuple[str, dict[str, Any]]]:
    return [
        (file.name, step)
        for file in WORKFLOWS
        for job in jobs(file).values()
        for step in job["steps"]
    ]


def make_targets() -> set[str]:
    return set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_there_are_workflows_for_tests_deployment_and_security() -> None:
    assert [one.name for one in WORKFLOWS] == ["azure-dev.yml", "ci.yml", "security.yml"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda one: one.name)
def test_each_job_is_bounded_and_has_the_permissions_that_it_needs(file: Path) -> None:
    assert read(file)["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["timeout-minutes"] <= 90, name
        rights = dict(job["permissions"])
        login = rights.pop("id-token", None)
        assert rights == {"contents": "read"}, name
        assert (login == "write") == (file.name == "azure-dev.yml"), name


def test_each_action_is_pinned_to_a_commit_with_its_version_beside_it() -> None:
    used = [
        line.strip()
        for file in WORKFLOWS
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith("uses:")
    ]
    assert len(used) > 5
    wrong = [one for one in used if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", one)]
    assert not wrong
    commits: dict[str, set[str]] = {}
    for one in used:
        name, _, commit = one.partition("@")
        commits.setdefault(name, set()).add(commit)
    assert all(len(several) == 1 for several in commits.values()), commits


def test_commands_name_targets_and_files_that_there_are() -> None:
    made, files = set[str](), set[str]()
    for _name, step in steps():
        run = step.get("run", "")
        made |= set(re.findall(r"\bmake ([a-z-]+)", run))
        files |= set(re.findall(r"(?<![\w/.-])((?:infra|local|scripts|cli)/[\w./-]+)", run))
        files |= set(re.findall(r"\b(requirements[\w-]*\.txt)\b", run))
    assert {"test", "infra-check"} <= made <= make_targets()
    assert {"infra/main.bicep", "infra/main.parameters.json", "requirements.txt"} <= files
    assert [one for one in sorted(files) if not (ROOT / one).is_file()] == []


def test_no_command_contains_an_expression_that_somebody_else_can_write() -> None:
    assert [step["name"] for _, step in steps() if SHELL.search(step.get("run", ""))] == []


def test_tests_run_on_every_supported_python() -> None:
    supported = re.search(
        r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()
    )
    assert supported is not None
    versions = [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]))]
    ci = jobs(ROOT / ".github/workflows/ci.yml")["test"]
    assert ci["strategy"]["matrix"]["python"] == versions
    # The official worker is tried on 3.13, also if another Python runs the tests.
    assert ci["steps"][1]["with"]["python-version"].split()[0] == "3.13"


def handed_over(variables: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the step that gives variables of the repository to azd, as GitHub does."""
    deploy = jobs(ROOT / ".github/workflows/azure-dev.yml")["deploy"]["steps"]
    run = next(step["run"] for step in deploy if "GITHUB_ENV" in step.get("run", ""))
    file = tmp_path / "environment"
    done = subprocess.run(  # noqa: S603 -- a step of this project's own workflow
        ["bash", "-e", "-c", run],  # noqa: S607 -- whichever the machine has
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "GITHUB_ENV": str(file),
            "VARIABLES": json.dumps(variables),
            "AZURE_LOCATION": "westeurope",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    done.stdout = file.read_text(encoding="utf-8")
    return done


def test_variables_of_the_repository_become_parameters_if_they_have_a_value(tmp_path: Path) -> None:
    given = {
        "EVENT_DELIVERY": "queue",
        "MORE_SETTINGS": '{"A": "b c"}',
        "VNET_ENABLED": "",
        "AZURE_LOCATION": "eastus",
        "PATH": "/nowhere",
    }
    done = handed_over(given, tmp_path)
    assert (done.returncode, done.stdout) == (
        0,
        'EVENT_DELIVERY=queue\nMORE_SETTINGS={"A": "b c"}\n',
    )


def test_a_variable_cannot_bring_in_another_one(tmp_path: Path) -> None:
    done = handed_over({"EVENT_DELIVERY": "queue\nLD_PRELOAD=/x"}, tmp_path)
    assert done.returncode != 0
    assert "LD_PRELOAD" not in done.stdout
    assert "EVENT_DELIVERY has more than one line" in done.stderr


def test_dependabot_watches_every_kind_of_dependency() -> None:
    updates = read(ROOT / ".github" / "dependabot.yml")["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"pip", "npm", "github-actions"}
    assert all(one["cooldown"]["default-days"] >= 7 for one in updates)
    pinned = [one.parent.relative_to(ROOT) for one in ROOT.glob("local/*/requirements.in")]
    assert set(updates[0]["directories"]) == {"/", *(f"/{one.as_posix()}" for one in pinned)}


@pytest.mark.parametrize("file", JSON_FILES, ids=lambda one: one.name)
def test_files_for_the_editor_are_json(file: Path) -> None:
    assert isinstance(json.loads(file.read_text(encoding="utf-8")), dict)


def test_tasks_and_the_dev_container_start_what_there_is() -> None:
    tasks = json.loads((ROOT / ".vscode/tasks.json").read_text(encoding="utf-8"))["tasks"]
    by_label = {one["label"]: one for one in tasks}
    launch = json.loads((ROOT / ".vscode/launch.json").read_text(encoding="utf-8"))
    started = [one["preLaunchTask"] for one in launch["configurations"] if "preLaunchTask" in one]
    assert started == ["func: host start"]
    assert by_label["func: host start"]["dependsOn"] in by_label
    made = [one["command"].removeprefix("make ") for one in tasks if "make " in one["command"]]
    assert made
    assert set(made) <= make_targets()
    container = json.loads(JSON_FILES[-1].read_text(encoding="utf-8"))
    assert re.findall(r"make ([a-z-]+)", container["postCreateCommand"]) == ["install"]
    wanted = json.loads((ROOT / ".vscode/extensions.json").read_text(encoding="utf-8"))
    assert container["customizations"]["vscode"]["extensions"] == wanted["recommendations"]


def test_the_storage_task_makes_the_containers_of_the_example_settings() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    named = {value for name, value in example["Values"].items() if name.endswith("_CONTAINER")}
    tasks = json.loads((ROOT / ".vscode/tasks.json").read_text(encoding="utf-8"))["tasks"]
    args = next(one["args"] for one in tasks if one["label"] == "storage")
    made = [args[n + 1] for n, one in enumerate(args) if one == "--container"]
    assert set(made) >= named - {"relearn-dead-letters"}


def test_no_editor_file_is_ignored_by_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not {".vscode", ".vscode/", ".devcontainer", ".github"} & set(ignored)
    assert {".venv-*/", "local.settings.json", ".azure/", ".python_packages/"} <= set(ignored)


def test_func_start_finds_what_it_needs() -> None:
    settings = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    # Without a runtime Core Tools do not know the language; without a bundle there is no trigger
    # but HTTP and timers (azure-functions §1.2).
    assert settings["IsEncrypted"] is False
    assert settings["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert settings["Values"]["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    assert all(isinstance(value, str) for value in settings["Values"].values())
    assert host["version"] == "2.0"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    assert (ROOT / "function_app.py").is_file()
    assert "azure-functions==" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
