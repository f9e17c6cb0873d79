"""The arrows of the house, read from the sources themselves."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("function_app", "functions", "shared", "local", "proofs", "benchmarks", "tests")


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


def imports(file: Path) -> Iterator[str]:
    """Yield every imported module, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            # `from shared.core import names` imports the module shared.core.names
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, *parts: str) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def outsiders(folder: str, *allowed: str) -> list[str]:
    """Return the imports of `folder` that are neither allowed nor of the standard library."""
    return [
        f"{file.relative_to(ROOT)}: {name}"
        for file in modules(folder)
        for name in imports(file)
        if not within(name, *allowed) and name.partition(".")[0] not in sys.stdlib_module_names
    ]


def ours(folder: str, *allowed: str) -> list[str]:
    """Return the imports of this project's own code in `folder` that are not allowed."""
    return [
        f"{file.relative_to(ROOT)}: {name}"
        for file in modules(folder)
        for name in imports(file)
        if within(name, *OURS) and not within(name, *allowed)
    ]


def test_the_core_knows_nothing_of_the_world() -> None:
    assert outsiders("shared/core", "pydantic", "shared.core", "shared.errors") == []
    doors = ("os", "socket", "time", "threading", "random", "uuid", "subprocess", "pathlib")
    used = [name for file in modules("shared/core") for name in imports(file)]
    assert not [name for name in used if within(name, *doors, "urllib.request", "logging")]


def test_the_core_reads_no_clock() -> None:
    for file in modules("shared/core"):
        text = file.read_text(encoding="utf-8")
        assert not [call for call in ("now(", "utcnow(", "today(") if f"datetime.{call}" in text]


def test_errors_and_core_stand_on_their_own() -> None:
    assert ours("shared/core", "shared.core", "shared.errors") == []
    assert not [n for n in imports(ROOT / "shared" / "errors.py") if within(n, *OURS)]


def test_clients_know_the_ports_and_the_core_alone() -> None:
    allowed = ("shared.clients", "shared.ports", "shared.core", "shared.errors")
    assert ours("shared/clients", *allowed) == []


def test_ports_know_the_core_alone() -> None:
    used = [n for n in imports(ROOT / "shared" / "ports.py") if within(n, *OURS)]
    assert not [name for name in used if not within(name, "shared.core", "shared.errors")]


def test_nothing_shared_knows_the_triggers_or_the_development_tools() -> None:
    assert ours("shared", "shared") == []


def test_the_triggers_know_nothing_but_shared() -> None:
    assert ours("functions", "functions", "shared") == []
    assert ours("local", "local", "shared") == []


def test_only_the_triggers_know_azure_functions() -> None:
    using = [
        file.relative_to(ROOT).as_posix()
        for folder in ("shared", "functions")
        for file in modules(folder)
        if any(within(name, "azure.functions") for name in imports(file))
    ]
    assert using
    assert all(name.startswith("functions/") for name in using)


def test_only_wiring_and_its_adapters_build_the_clients() -> None:
    builders = {
        file.name
        for file in modules("shared")
        if "clients" not in file.parts and any(within(n, "shared.clients") for n in imports(file))
    }
    assert builders == {"adapters.py", "wiring.py"}
    users = {
        file.name
        for file in modules("shared")
        if any(within(name, "shared.adapters") for name in imports(file))
    }
    assert users == {"wiring.py"}


@pytest.mark.parametrize("folder", ["shared", "functions"])
def test_technologies_stay_in_the_clients_and_the_wiring(folder: str) -> None:
    for file in modules(folder):
        if "clients" in file.parts or file.name == "wiring.py":
            continue
        technologies = ("requests", "urllib3", "azure.storage", "azure.identity", "azure.core")
        assert not [name for name in imports(file) if within(name, *technologies)], file
