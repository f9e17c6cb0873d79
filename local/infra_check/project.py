"""Checks azure.yaml, the file of parameters, and what hooks and templates need of each other."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from local.infra_check.declared import declared_type, value_of_default
from local.infra_check.files import File, Program
from local.infra_check.syntax import Finding, everything, key_of, literal, meant, value_of
from local.infra_check.types import data

AZURE_YAML: Final = "azure.yaml"
PARAMETERS: Final = "infra/main.parameters.json"
MAIN: Final = "infra/main.bicep"
#: What azd itself gives to hooks.
_OF_AZD: Final = frozenset(
    [
        "AZURE_ENV_NAME",
        "AZURE_LOCATION",
        "AZURE_PRINCIPAL_ID",
        "AZURE_PRINCIPAL_TYPE",
        "AZURE_RESOURCE_GROUP",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_TENANT_ID",
        "SERVICE_RELEARN_NAME",
    ]
)
#: Outputs that are for people and for azd; hooks need not read them.
_FOR_PEOPLE: Final = "docs/deploy.md"
_REFERENCE: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:=[^}]*)?\}")
_PATH: Final = re.compile(r"(?<![\w./-])((?:infra|local|scripts|cli)/[\w./-]+\.(?:py|sh|ps1))")

Wrong = Iterator[tuple[str, str, str]]


def check_project(root: Path, texts: Mapping[str, str], program: Program) -> list[Finding]:
    """Return what is wrong with the files around the templates.

    Args:
        root: of the project.
        texts: path -> content of the files that there are.
        program: all templates.
    """
    found: list[Finding] = []
    checks: dict[str, Callable[[str], Wrong]] = {
        AZURE_YAML: lambda text: _azure_yaml(_yaml(text), root),
        PARAMETERS: lambda text: _parameters(json.loads(text), program.files.get(MAIN)),
    }
    for name, check in checks.items():
        text = texts.get(name)
        if text is None:
            found.append(Finding(name, 1, "there is no such file", "azd needs it"))
            continue
        try:
            found += (
                Finding(name, _line(text, place), what, cure) for place, what, cure in check(text)
            )
        except (ValueError, yaml.YAMLError) as exc:
            found.append(Finding(name, 1, f"cannot be read: {exc}"))
    main = program.files.get(MAIN)
    if main is not None:
        _service_tag(program, texts)
        found += _outputs(root, main)
    return found


def _line(text: str, place: str) -> int:
    at = text.find(place) if place else 0
    return text.count("\n", 0, max(at, 0)) + 1


@lru_cache(maxsize=8)
def _yaml(text: str) -> Any:
    return yaml.safe_load(text)


def _azure_yaml(content: Any, root: Path) -> Wrong:
    rules = data("azure-yaml.json")
    if not isinstance(content, dict):
        yield "", "azure.yaml is no mapping", ""
        return
    yield from _names(content, rules["root"]["properties"], "azure.yaml")
    if not re.search(rules["root"]["name_pattern"], str(content.get("name", ""))):
        yield "name", f"'{content.get('name')}' is no name", "Use a-z, 0-9 and dashes"
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
        yield "provider", f"'{pipeline['provider']}' is no provider of pipelines", "github or azdo"


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
        yield name, f"the hook '{name}' is no mapping", "Write shell and run"
        return
    yield from _names(hook, form["properties"], f"hook {name}")
    systems = [one for one in ("windows", "posix") if one in hook]
    for one in form["if_windows_and_posix_then_none_of"] if len(systems) > 1 else ():
        if one in hook:
            yield (
                one,
                f"the hook '{name}' has '{one}' beside windows and posix",
                "Move it into both",
            )
    for system in systems:
        yield from _hook(name, hook[system], root)
    for key in ("shell", "kind"):
        if key in hook and hook[key] not in form[key]:
            yield str(hook[key]), f"'{hook[key]}' is no '{key}'", meant(str(hook[key]), form[key])
    if "run" in hook:
        yield from _run(name, str(hook["run"]), root)
    elif not systems:
        yield name, f"the hook '{name}' does not 'run' anything", "Add run"


def _run(name: str, run: str, root: Path) -> Wrong:
    """Yield what is wrong with the command of a hook."""
    if re.fullmatch(r"\S+\.py", run):
        cure = "Write shell: sh and run: python3 <file>: azd would install the whole project for it"
        yield run, f"the hook '{name}' is a Python file by itself", cure
    paths = _PATH.findall(run)
    if not paths:
        yield run, f"the hook '{name}' starts no file of the project", ""
    for path in paths:
        if not (root / path).is_file():
            near = [one.name for one in (root / path).parent.glob("*")]
            yield path, f"there is no file '{path}'", meant(Path(path).name, near)


def _parameters(content: Any, main: File | None) -> Wrong:
    if main is None:
        return
    wanted = {one.name: one for one in main.all_of("param")}
    given = content.get("parameters", {})
    for name, one in given.items():
        if name not in wanted:
            yield f'"{name}"', f"main.bicep has no parameter '{name}'", meant(name, wanted)
        elif set(one) != {"value"}:
            yield f'"{name}"', f"the parameter '{name}' has no 'value'", ""
        else:
            yield from _value(name, one["value"], declared_type(main, wanted[name]).values)
    for name, symbol in wanted.items():
        if name not in given:
            word = "needs" if value_of_default(symbol) is None else "has"
            what = f"main.bicep {word} the parameter '{name}', which cannot be set from here"
            yield "", what, "Add it, with a variable of azd's environment as its value"


def _value(name: str, value: Any, allowed: tuple[str, ...]) -> Wrong:
    text = str(value)
    if "${" in text and not _REFERENCE.fullmatch(text):
        yield f'"{name}"', f"'{text}' is no variable of azd's environment", "Write ${NAME}"
    elif "${" not in text and allowed and text not in allowed:
        yield f'"{name}"', f"'{text}' is not allowed for '{name}'", meant(text, allowed)


def _service_tag(program: Program, texts: Mapping[str, str]) -> None:
    """Report a site that azd would not find: its tag names the service of azure.yaml."""
    content = _yaml(texts.get(AZURE_YAML, "")) or {}
    services = list(content.get("services") or {})
    for file in program.files.values():
        for node, value in _tags(file):
            if value not in services:
                what = f"azure.yaml has no service '{value}'"
                file.report(node, what, meant(value, services))


def _tags(file: File) -> Iterator[tuple[Any, str]]:
    for node in everything(file.source.root):
        key = key_of(node) if node.type == "object_property" else None
        value = value_of(node) if key is not None and key[1] == "azd-service-name" else None
        known = literal(value)
        if value is not None and known is not None:
            yield value, known


def _outputs(root: Path, main: File) -> list[Finding]:
    """Return what hooks read and no output gives, and outputs that nothing reads or explains."""
    hooks = sorted((root / "infra" / "hooks").glob("*.py"))
    text = "\n".join(one.read_text(encoding="utf-8") for one in hooks)
    read = set(re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', text))
    page = root / _FOR_PEOPLE
    explained = page.read_text(encoding="utf-8") if page.is_file() else ""
    found = [
        Finding(
            MAIN,
            symbol.node.line,
            f"nothing reads the output '{name}'",
            meant(name, {*read, *_OF_AZD} - main.outputs.keys()),
        )
        for name, symbol in main.outputs.items()
        if name not in read and name not in _OF_AZD and not re.search(rf"\b{name}\b", explained)
    ]
    needed = {name for name in read if _is_ours(name, text)}
    found += [
        Finding(MAIN, 1, f"the hooks read '{name}', and no output has this name", "Add it")
        for name in sorted(needed - main.outputs.keys() - _OF_AZD)
    ]
    return found


def _is_ours(name: str, text: str) -> bool:
    """Whether hooks take a name from the deployment: `deployment["NAME"]`, or a list of NEEDED."""
    if re.search(rf'deployment\["{name}"\]|\.values\.get\("{name}"', text):
        return True
    lists = re.findall(r"^NEEDED\w*: Final = \(([^)]*)\)", text, re.MULTILINE)
    return any(f'"{name}"' in one for one in lists)
