"""The imports between folders are those of docs/architecture.md."""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.unit.house import statements, tree_of

ROOT = Path(__file__).resolve().parents[2]
OURS = ("function_app", "functions", "shared", "cli", "local", "proofs", "benchmarks", "tests")


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Return every imported module, wherever in the file it is imported."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[str]:
    yield from _imports_in(tree_of(file), file)


def _imports_in(tree: ast.Module, file: Path) -> Iterator[str]:
    for node in statements(tree):
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
    assert outsiders("shared/core", "pydantic", "shared.core", "shared.errors", "numpy") == []
    doors = ("os", "socket", "time", "threading", "random", "uuid", "subprocess", "pathlib.Path")
    used = [name for file in modules("shared/core") for name in imports(file)]
    assert not [name for name in used if within(name, *doors, "urllib.request", "logging")]


def test_the_core_reads_no_clock() -> None:
    for file in modules("shared/core"):
        text = file.read_text(encoding="utf-8")
        assert not [call for call in ("now(", "utcnow(", "today(") if f"datetime.{call}" in text]


def test_numpy_is_loaded_by_comparisons_alone_and_not_before_one_is_made() -> None:
    files = [file for folder in ("shared", "functions", "cli") for file in modules(folder)]
    users = [file for file in files if any(within(name, "numpy") for name in imports(file))]
    assert {file.parent for file in users} == {ROOT / "shared/core/decisions"}
    for file in users:
        at_once = tree_of(file).body
        assert not [name for node in at_once for name in _imported_with(node)], file


def _imported_with(node: ast.stmt) -> Iterator[str]:
    """Yield what is imported of numpy when a module is; not what only a checker of types reads."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):  # of a class, its methods
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield from (name for name in _imports_in(ast.Module([node], []), ROOT) if within(name, "numpy"))


#: Each folder of `shared/`, and the folders that it may import besides itself.
ARROWS: Final = {
    "core": (),
    "ports": ("core",),
    "config": ("core", "ports"),
    "providers": ("core", "ports"),
    "ledger": ("core", "ports"),
    "execution": ("core", "ports", "ledger"),
    "intake": ("core", "ports", "ledger", "execution"),
    "maintenance": ("core", "ports", "ledger", "execution", "intake"),
    "operations": ("core", "ports", "ledger", "execution", "intake", "maintenance"),
    "importers": ("core",),
}
#: Modules that every folder may import, but for the core, which imports only the errors.
EVERYWHERE: Final = ("shared.errors", "shared.telemetry", "shared.tracing", "shared.version")


@pytest.mark.parametrize("folder", ARROWS)
def test_each_folder_imports_only_what_is_below_it(folder: str) -> None:
    below = [f"shared.{name}" for name in (folder, *ARROWS[folder])]
    everywhere = EVERYWHERE[:1] if folder == "core" else EVERYWHERE
    assert ours(f"shared/{folder}", *below, *everywhere) == []


def test_every_module_of_shared_is_in_a_folder_with_arrows() -> None:
    shared = ROOT / "shared"
    folders = {path.parent.name for path in shared.glob("*/__init__.py")}
    assert folders == set(ARROWS)
    assert {file.stem for file in shared.glob("*.py")} == {
        "__init__",
        "app",
        "app_context",
        "errors",
        "telemetry",
        "tracing",
        "version",
    }


#: The folders of the core, from the bottom: each imports the modules directly in `shared/core/`,
#: which import none of the folders, and the folders before it.
CORE: Final = ("decisions", "serving", "config", "evaluation", "run")


def test_each_folder_of_the_core_imports_only_those_below_it() -> None:
    core = ROOT / "shared" / "core"
    assert {path.parent.name for path in core.glob("*/__init__.py")} == set(CORE)
    for at, folder in enumerate(CORE):
        above = [f"shared.core.{name}" for name in CORE[at + 1 :]]
        assert _from_above(core.joinpath(folder).rglob("*.py"), above) == []
    assert _from_above(core.glob("*.py"), [f"shared.core.{name}" for name in CORE]) == []


def _from_above(files: Iterable[Path], above: list[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in imports(file)
        if within(name, *above)
    ]


def test_telemetry_and_errors_know_the_core_at_most() -> None:
    assert not [n for n in imports(ROOT / "shared" / "errors.py") if within(n, *OURS)]
    used = [n for n in imports(ROOT / "shared" / "telemetry.py") if within(n, *OURS)]
    assert not [name for name in used if not within(name, "shared.core", "shared.errors")]


def test_only_app_and_the_triggers_import_app() -> None:
    users = {
        file.relative_to(ROOT).as_posix()
        for file in modules("shared")
        if any(within(name, "shared.app", "shared.app_context") for name in imports(file))
    }
    assert users == {"shared/app.py"}  # which imports its part


def test_only_app_builds_providers() -> None:
    builders = {
        file.relative_to(ROOT / "shared").as_posix()
        for file in modules("shared")
        if "providers" not in file.parts
        and any(within(name, "shared.providers") for name in imports(file))
    }
    assert builders == {"app.py", "app_context.py"}


#: What may name the configuration of one vendor, and why.
OF_ONE_VENDOR: Final = {
    "shared/providers/": "each talks to one service",
    "shared/core/config/studio_": "what belongs to one vendor may use its other parts",
    "shared/core/config/azureml_": "the same",
    "shared/core/config/kinds.py": "chooses the class by the kind",
    "shared/importers/": "pipelines of Data Factory call services of Studio",
}


def test_nothing_above_the_providers_names_the_configuration_of_one_vendor() -> None:
    vendors = ("shared.core.config.studio_", "shared.core.config.azureml_")
    users = {
        file.relative_to(ROOT).as_posix()
        for folder in ("shared", "functions", "cli")
        for file in modules(folder)
        if any(name.startswith(vendors) for name in imports(file))
    }
    assert not [user for user in users if not user.startswith(tuple(OF_ONE_VENDOR))]
    assert all(any(user.startswith(reason) for user in users) for reason in OF_ONE_VENDOR)


def test_nothing_shared_knows_the_triggers_or_the_development_tools() -> None:
    assert ours("shared", "shared") == []


def test_the_triggers_know_nothing_but_shared() -> None:
    assert ours("functions", "functions", "shared") == []
    assert ours("local", "local", "shared", "functions.api_models") == []


#: The triggers that report what happened to `intake/` and `maintenance/`; all others are HTTP.
EVENTS_AND_TIMERS: Final = (
    *("on_storage_events", "on_trained_model", "on_training_data", "on_workspace_events"),
    *("poll_jobs", "start_scheduled_runs"),
)
#: What HTTP asks for is an operation; the rest shapes its questions and answers.
OF_HTTP: Final = (
    "app",
    "operations",
    "config",
    "core",
    "errors",
    "telemetry",
    "tracing",
    "version",
)
#: Members of the app that are below the operations.
BELOW_OPERATIONS: Final = {"catalogue", "changed_file", "last_good", "requests", "poll", "rounds"}


def test_http_asks_for_operations_and_nothing_below() -> None:
    allowed = ("functions", *(f"shared.{name}" for name in OF_HTTP))
    found = [one for one in ours("functions", *allowed) if not _of_a_trigger(one.partition(":")[0])]
    assert found == []
    files = [*modules("functions"), *modules("cli")]
    for file in files:
        if _of_a_trigger(file.relative_to(ROOT).as_posix()):
            continue
        used = {node.attr for node in ast.walk(tree_of(file)) if isinstance(node, ast.Attribute)}
        assert not used & BELOW_OPERATIONS, file


def _of_a_trigger(path: str) -> bool:
    return Path(path).stem in EVENTS_AND_TIMERS


def test_the_command_line_knows_the_app_and_what_operators_ask_for() -> None:
    known = (
        "app",
        "operations",
        "importers",
        "config",
        "core",
        "errors",
        "telemetry",
        "version",
    )
    assert ours("cli", "cli", *(f"shared.{name}" for name in known)) == []


def test_only_the_triggers_know_azure_functions() -> None:
    using = [
        file.relative_to(ROOT).as_posix()
        for folder in ("shared", "functions")
        for file in modules(folder)
        if any(within(name, "azure.functions") for name in imports(file))
    ]
    assert using
    assert all(name.startswith("functions/") for name in using)


@pytest.mark.parametrize("folder", ["shared", "functions"])
def test_technologies_stay_in_the_providers_and_the_app(folder: str) -> None:
    for file in modules(folder):
        if "providers" in file.parts or file == ROOT / "shared" / "app.py":
            continue
        technologies = ("requests", "urllib3", "azure.storage", "azure.identity", "azure.core")
        assert not [name for name in imports(file) if within(name, *technologies)], file


#: The parts of the importer of Data Factory, from the bottom: each imports only those before it.
IMPORTER: Final = (
    *("account", "repetition", "values", "secret_forms", "secrets", "drafts", "policies"),
    *(
        "expressions",
        "reading",
        "other_activities",
        "service_urls",
        "linked_service_keys",
        "linked_services",
    ),
    *("missing", "version_1", "version_2"),
    *(
        "refusals",
        "one_endpoint",
        "entries",
        "clear_text_secrets",
        "yaml_text",
        "report",
        "report_markdown",
    ),
    "importer",
)


def test_each_part_of_the_importer_imports_only_those_below_it() -> None:
    package = "shared.importers.data_factory"
    for file in modules("shared/importers/data_factory"):
        part = file.relative_to(ROOT / "shared/importers/data_factory").parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        versions = {"version_1", "version_2"} - {part}
        below = set(IMPORTER[: IMPORTER.index(part) + 1])
        below -= versions if part in ("version_1", "version_2") else set()
        used = {
            name.removeprefix(f"{package}.").partition(".")[0]
            for name in imports(file)
            if within(name, package)
        }
        assert used <= below, f"{file.relative_to(ROOT)}: {used - below}"
