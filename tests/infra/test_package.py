"""The package of azd has everything that the app imports, with its packages, and nothing else."""

from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

from local.infra_check.check import ROOT

LEFT_OUT = [
    ".azure/dev/.env",
    ".ci/run",
    ".devcontainer/devcontainer.json",
    ".git/HEAD",
    ".github/workflows/ci.yml",
    ".gitignore",
    ".local/azurite/x",
    ".venv-infra/bin/python",
    ".venv/bin/python",
    ".vscode/tasks.json",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "azure.yaml",
    "benchmarks/calls.py",
    "cli/main.py",
    "docs/design.md",
    "examples/azureml/pipelines.yaml",
    "functions/__pycache__/health.cpython-313.pyc",
    "infra/hooks/package.py",
    "infra/main.bicep",
    "local.settings.json",
    "local/run.py",
    "my_env/bin/python",
    "node_modules/azurite/package.json",
    "package.json",
    "pipelines.example.yaml",
    "proofs/__main__.py",
    "pyproject.toml",
    "relearn.egg-info/PKG-INFO",
    "requirements.in",
    "requirements-dev.txt",
    "tests/infra/test_package.py",
]
PACKED = [
    ".python_packages/lib/site-packages/azure/functions/__init__.py",
    ".python_packages/lib/site-packages/certifi/tests/__init__.py",
    ".python_packages/lib/site-packages/charset_normalizer/cli/__init__.py",
    ".python_packages/lib/site-packages/some/build/module.py",
    ".python_packages/lib/site-packages/some/docs/examples/local/infra/data.md",
    ".python_packages/lib/site-packages/some/scripts/package.json",
    ".python_packages/lib/site-packages/some-1.0.dist-info/licenses/LICENSE",
    "function_app.py",
    "functions/health.py",
    "host.json",
    "openapi.json",
    "pipelines.yaml",
    "requirements.txt",
    "shared/core/run/record.py",
]


@pytest.fixture(scope="module")
def left_out() -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())


@pytest.mark.parametrize("file", LEFT_OUT)
def test_what_the_app_does_not_need_is_left_out(left_out: GitIgnoreSpec, file: str) -> None:
    assert left_out.match_file(file)


@pytest.mark.parametrize("file", PACKED)
def test_what_the_app_needs_is_packed(left_out: GitIgnoreSpec, file: str) -> None:
    assert not left_out.match_file(file)


def test_every_file_of_the_project_is_either_left_out_or_belongs_to_the_app(
    left_out: GitIgnoreSpec,
) -> None:
    top = {one.name for one in ROOT.iterdir() if not left_out.match_file(_name(one))}
    own = {".python_packages", "function_app.py", "functions", "host.json", "openapi.json"}
    own |= {"pipelines.yaml", "requirements.txt", "shared", "probe.json"}
    assert top <= own, sorted(top - own)


def _name(file: Path) -> str:
    return f"{file.name}/" if file.is_dir() else file.name
