"""Checks azure.yaml: its members, its service, its hooks and the files that they start."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from local.infra_check.syntax import meant
from local.infra_check.types import data

_PATH: Final = re.compile(r"(?<![\w./-])((?:infra|local|scripts|cli)/[\w./-]+\.(?:py|sh|ps1))")

#: A script that a starter gets as its argument, and finds in its own folder.
_ARGUMENT: Final = re.compile(r"(?<![\w./-])([\w-]+\.py)\b")

#: Where in the file, what is wrong, and what to do.
Wrong = Iterator[tuple[str, str, str]]


def check_azure_yaml(content: Any, root: Path) -> Wrong:
    """Yield what is wrong with the file.

    Args:
        content: of the file.
        root: of the project.
    """
    rules = data("azure-yaml.json")
    if not isinstance(content, dict):
        yield "", "azure.yaml is not a mapping", ""
        return
    yield from _names(content, rules["root"]["properties"], "azure.yaml")
    if not re.search(rules["root"]["name_pattern"], str(content.get("name", ""))):
        yield "name", f"'{content.get('name')}' is not a name", "Use a-z, 0-9 and dashes"
    hooks = rules["hooks"]
    yield from _hooks(content.get("hooks", {}), hooks["project"], root)
    for name, service in (content.get("services") or {}).items():
        yield from _service(name, service, rules["service"], root)
    infra = content.get("infra", {})
    yield from _names(infra, rules["infra"]["properties"], "infra")
    yield from _names(
        content.get("requiredVersions", {}), rules["requiredVersions"], "requiredVersions"
    )
    yield from _names(content.get("metadata", {}), rules["metadata"], "metadata")
    pipeline = content.get("pipeline", {})
    yield from _names(pipeline, rules["pipeline"], "pipeline")
    if pipeline and pipeline.get("provider", "github") not in rules["pipeline"]["provider"]:
        yield (
            "provider",
            f"'{pipeline['provider']}' is not a provider of pipelines",
            "github or azdo",
        )


def _names(content: Any, known: Any, where: str) -> Wrong:
    for name in content if isinstance(content, dict) else ():
        if name not in known:
            yield str(name), f"'{where}' has no member '{name}'", meant(str(name), known)


def _service(name: str, service: Any, rules: Mapping[str, Any], root: Path) -> Wrong:
    yield from _names(service, rules["properties"], f"services.{name}")
    for one in rules["required"]:
        if one not in service:
            yield name, f"'services.{name}' has no '{one}'", "Add it"
    if service.get("host") != "function":
        yield "host", f"'{service.get('host')}' is not the host of a function app", "Write function"
    if service.get("language") not in ("python", "py"):
        yield "language", f"'{service.get('language')}' is not the language", "Write python"
    function = rules["host_function"]
    if sum(one in service for one in function["exactly_one_of"]) != 1:
        yield name, f"'services.{name}' needs one of: {', '.join(function['exactly_one_of'])}", ""
    for one in function["forbidden"]:
        if one in service:
            yield one, f"'services.{name}.{one}' is not for a function app", "Remove it"
    if not (root / str(service.get("project", "."))).is_dir():
        yield "project", f"there is no folder '{service.get('project')}'", ""
    yield from _hooks(service.get("hooks", {}), rules["hooks"], root)


def _hooks(hooks: Any, known: list[str], root: Path) -> Wrong:
    for name, written in (hooks or {}).items():
        if name not in known:
            yield name, f"there is no hook '{name}' here", meant(name, known)
        for hook in written if isinstance(written, list) else [written]:
            yield from _hook(name, hook, root)


def _hook(name: str, hook: Any, root: Path) -> Wrong:
    form = data("azure-yaml.json")["hooks"]["hook"]
    if not isinstance(hook, dict):
        yield name, f"the hook '{name}' is not a mapping", "Write shell and run"
        return
    yield from _names(hook, form["properties"], f"hook {name}")
    systems = [one for one in ("windows", "posix") if one in hook]
    for one in form["if_windows_and_posix_then_none_of"] if len(systems) > 1 else ():
        if one in hook:
            yield (
                one,
                f"the hook '{name}' has '{one}' next to windows and posix",
                "Move it into both",
            )
    for system in systems:
        yield from _hook(name, hook[system], root)
    for key in ("shell", "kind"):
        if key in hook and hook[key] not in form[key]:
            yield (
                str(hook[key]),
                f"'{hook[key]}' is not a valid '{key}'",
                meant(str(hook[key]), form[key]),
            )
    if "run" in hook:
        yield from _run(name, str(hook["run"]), root)
    elif not systems:
        yield name, f"the hook '{name}' does not 'run' anything", "Add run"


def _run(name: str, run: str, root: Path) -> Wrong:
    """Yield what is wrong with the command of a hook."""
    if re.fullmatch(r"\S+\.py", run):
        advice = (
            "Write shell: sh and run: python3 <file>: azd would install the whole project for it"
        )
        yield run, f"the hook '{name}' is a Python file by itself", advice
    paths = _PATH.findall(run)
    if not paths:
        yield run, f"the hook '{name}' starts no file of the project", ""
    for path in paths:
        if not (root / path).is_file():
            near = [one.name for one in (root / path).parent.glob("*")]
            yield path, f"there is no file '{path}'", meant(Path(path).name, near)
    folder = (root / paths[0]).parent if paths else root
    for script in _ARGUMENT.findall(run):
        if not (folder / script).is_file():
            near = [one.name for one in folder.glob("*.py")]
            yield script, f"there is no file '{script}' in '{folder.name}'", meant(script, near)
