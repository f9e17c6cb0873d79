"""Checks azure.yaml, the parameters, and that hooks and templates fit each other."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from local.infra_check.azure_yaml import Wrong, check_azure_yaml
from local.infra_check.declared import declared_type, value_of_default
from local.infra_check.files import File, Program
from local.infra_check.shapes import Shape
from local.infra_check.syntax import Finding, everything, key_of, literal, meant, value_of

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


def check_project(root: Path, texts: Mapping[str, str], program: Program) -> list[Finding]:
    """Return what is wrong with the files around the templates.

    Args:
        root: of the project.
        texts: path -> content of the files that there are.
        program: all templates.
    """
    found: list[Finding] = []
    checks: dict[str, Callable[[str], Wrong]] = {
        AZURE_YAML: lambda text: check_azure_yaml(_yaml(text), root),
        PARAMETERS: lambda text: _parameters(json.loads(text), program.files.get(MAIN)),
    }
    for name, check in checks.items():
        text = texts.get(name)
        if text is None:
            found.append(Finding(name, 1, "there is no such file", "azd needs it"))
            continue
        try:
            found += (
                Finding(name, _line(text, place), what, advice)
                for place, what, advice in check(text)
            )
        except (ValueError, yaml.YAMLError) as exc:
            found.append(Finding(name, 1, f"cannot be read: {exc}"))
    if not found:
        found += _variables(texts[AZURE_YAML], texts[PARAMETERS])
    main = program.files.get(MAIN)
    if main is not None:
        _service_tag(program, texts)
        found += _outputs(root, main)
    return found


def _line(text: str, place: str) -> int:
    at = text.find(place) if place else 0
    return text.count("\n", 0, max(at, 0)) + 1


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
            yield from _value(name, one["value"], declared_type(main, wanted[name]))
    for name, symbol in wanted.items():
        if name not in given:
            word = "needs" if value_of_default(symbol) is None else "has"
            what = f"main.bicep {word} the parameter '{name}', which cannot be set from here"
            yield "", what, "Add it, with a variable of azd's environment as its value"


def _value(name: str, value: Any, declared: Shape) -> Wrong:
    text = str(value)
    if "${" in text and not _REFERENCE.fullmatch(text):
        yield f'"{name}"', f"'{text}' is not a variable of azd's environment", "Write ${NAME}"
    elif "${" in text and declared.kind in ("object", "array"):
        what = f"azd hands over a text, and the parameter '{name}' is: {declared.kind}"
        yield f'"{name}"', what, "Make it a string, and take it apart in the template"
    elif "${" not in text and declared.values and text not in declared.values:
        yield f'"{name}"', f"'{text}' is not allowed for '{name}'", meant(text, declared.values)


def _variables(azure_yaml: str, parameters: str) -> list[Finding]:
    """Return the variables that a pipeline would not hand over, and those that nothing takes."""
    taken = set(_REFERENCE.findall(parameters)) - _OF_AZD
    given = (_yaml(azure_yaml) or {}).get("pipeline", {}).get("variables") or []
    found = [
        Finding(
            AZURE_YAML,
            _line(azure_yaml, f"- {name}"),
            f"no parameter takes '{name}'",
            meant(name, taken),
        )
        for name in given
        if name not in taken
    ]
    return found + [
        Finding(
            AZURE_YAML,
            _line(azure_yaml, "variables:"),
            f"pipeline.variables lacks '{name}'",
            "Add it",
        )
        for name in sorted(taken - {*given})
    ]


@lru_cache(maxsize=8)
def _yaml(text: str) -> Any:
    return yaml.safe_load(text)


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
