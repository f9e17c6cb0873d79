"""The hooks as azd starts them: by a shell, with any Python, with `azd` on the PATH."""

import ast
import os
import re
import runpy
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Final

import pytest

import after_steps
import before_steps
import vendoring
from console import Console, HookError, Secrets, without_keys
from environment import ROOT, SCRATCH_FOLDER, run_azd
from functions.api_models.health import LastEventShown, PoisonQueueShown, UndeliveredShown
from shared.core.blobs import is_scratch
from tests.hooks.azure import ACCOUNT, DATA_ACCOUNT, TOKENS
from tests.hooks.running import served, working

HOOKS: Final = ROOT / "infra" / "hooks"
SCRIPTS: Final = {
    "package.py": vendoring,
    "before_deployment.py": before_steps,
    "after_deployment.py": after_steps,
}
AZD: Final = f"""\
#!/bin/sh
test "$1 $2 $3 $4" = "auth token --output json" || exit 9
echo '{{"token": "{TOKENS[""]}", "expiresOn": "2031-05-06T08:08:09Z"}}'
"""


def started(
    tmp_path: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Start a hook as azd does, with the folder's programs ahead of all others."""
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(  # noqa: S603 -- the project's own script
        ["sh", "infra/hooks/start.sh", *arguments],  # noqa: S607
        cwd=ROOT,
        env={"PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def program(tmp_path: Path, name: str, text: str) -> None:
    tmp_path.joinpath(name).write_text(text, encoding="utf-8")
    tmp_path.joinpath(name).chmod(0o755)


def test_a_shell_starts_a_hook_with_a_python_that_runs(tmp_path: Path) -> None:
    program(tmp_path, "python3.13", "#!/bin/sh\necho no such version >&2\nexit 127\n")
    program(tmp_path, "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program(tmp_path, "azd", AZD)
    with served(working(roles={ACCOUNT: [900.0], DATA_ACCOUNT: [900.0]})) as site:
        done = started(tmp_path, "before_deployment.py", **site.variables)
    assert done.returncode == 0, done.stderr
    assert "2 on 2 resources, each at least 120 s old" in done.stdout
    assert done.stderr == ""


def test_a_shell_says_that_no_python_runs(tmp_path: Path) -> None:
    for name in ("python3.13", "python3"):
        program(tmp_path, name, "#!/bin/sh\nexit 127\n")
    done = started(tmp_path, "package.py")
    assert done.returncode == 2
    assert "neither python3.13 nor python3 runs here" in done.stderr


@pytest.mark.parametrize("given", [[], ["packages.py"]])
def test_a_shell_says_which_hooks_there_are(tmp_path: Path, given: list[str]) -> None:
    done = started(tmp_path, *given)
    assert done.returncode == 2
    said = done.stderr
    assert said.startswith(f"FAILED: {(given or ['no name of a hook'])[0]} is given")
    assert ", ".join(SCRIPTS) in said
    assert "Traceback" not in said


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_old_python_can_read_a_script_and_says_what_it_lacks(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ast.parse(HOOKS.joinpath(script).read_text(encoding="utf-8"), feature_version=(3, 4))
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(HOOKS / script), run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("FAILED: this hook needs Python 3.1")
    assert f"python3.13 infra/hooks/{script}" in said


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_the_steps_and_ends_with_their_code(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SCRIPTS[script], "main", lambda: 7)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(HOOKS / script), run_name="__main__")
    assert ended.value.code == 7


@pytest.mark.parametrize("module", SCRIPTS.values())
def test_help_teaches(module: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])  # type: ignore[attr-defined]
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "exit codes: 0 done" in said
    assert "infra/hooks/" in said
    assert max(map(len, said.splitlines())) <= 100


def test_hooks_import_the_standard_library_alone() -> None:
    own = {file.stem for file in HOOKS.glob("*.py")}
    names: set[str] = set()
    for file in HOOKS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
    assert names - own <= sys.stdlib_module_names
    assert not own & sys.stdlib_module_names  # they are found only by their name


def test_each_known_failure_that_is_named_is_explained() -> None:
    page = ROOT.joinpath("docs", "deploy.md").read_text(encoding="utf-8")
    text = "\n".join(file.read_text(encoding="utf-8") for file in HOOKS.glob("*.py"))
    named = {*re.findall(r"(?:known=|\bfailure |#failure-)(\d+)", text)}
    assert {"1", "4", "5", "6", "7", "10"} <= named
    assert [number for number in named if f'id="failure-{number}"' not in page] == []


def test_the_app_shows_what_the_hook_reads_and_takes_its_blob_for_a_trial() -> None:
    assert {"at", "blob", "function"} <= LastEventShown.model_fields.keys()
    assert {"at", "poison", "dead_letters"} <= UndeliveredShown.model_fields.keys()
    assert {"name", "messages"} <= PoisonQueueShown.model_fields.keys()
    assert is_scratch(f"{SCRATCH_FOLDER}/{uuid.uuid4().hex}")


def test_azd_that_is_missing_or_refuses_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HookError, match="azd is not on the PATH"):
        run_azd(["auth", "token"])
    program(tmp_path, "azd", "#!/bin/sh\necho 'not logged in' >&2\nexit 1\n")
    with pytest.raises(HookError, match=r"`azd auth token` failed \(exit code 1\): not logged in"):
        run_azd(["auth", "token"])


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "https://h/x?functionName=f&code=abc%2Fdef==&z=1",
            "https://h/x?functionName=f&code=***&z=1",
        ),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("token eyJhbGciOiJub25lIn0.e30.sig", "token ***"),
        ("sig=a%2Bb;next", "sig=***;next"),
        ("a hidden-word here", "a *** here"),
        ("a hidden%2Bword here", "a *** here"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_has_the_form_of_a_secret_is_not_printed(said: str, shown: str) -> None:
    secrets = Secrets()
    for value in ("hidden-word", "hidden+word", "no"):
        secrets.add(value)
    assert secrets.redact(said) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("key 'aB3aB3aB3aB3aB3aB3' of", "key '***' of"),
        ("over /subscriptions/0a0A/resourceGroups/rG1/providers/a.B", None),
        ("client 0aB01234-aaaa-bbbb-cccc-0123456789ab may not Microsoft.Web/sites/read", None),
        ("'YWJjZGVmZ2hpamtsbW4=' is", "'***' is"),
    ],
)
def test_a_service_may_not_show_keys_that_nobody_knows(said: str, shown: str | None) -> None:
    assert without_keys(said) == (shown or said)


def test_a_console_without_rows_prints_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table()
    assert capsys.readouterr().out == ""
