"""Finds the definitions of a factory in files of any layout.

Single files, the folders of a git repository, ARM templates with their parameters: data-factory §2,
§3. Each file that is not a definition, and each definition that does not count, gets a line of the
report.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final

from shared.core.counting import counted
from shared.importers.data_factory.account import Account, Element
from shared.importers.data_factory.reading import arm
from shared.importers.data_factory.reading.definition_files import (
    JsonFiles,
    read_files,
    warn_of_secrets,
)
from shared.importers.data_factory.reading.definitions import (
    NOT_COUNTED,
    Definition,
    Definitions,
    clean,
    folded,
)
from shared.importers.data_factory.reading.shapes import (
    ACTIVITY,
    DATASET,
    FACTORY,
    LINKED_SERVICE,
    PIPELINE,
    READ,
    kind_of,
    kind_of_type,
    type_of,
    version_of,
    version_of_type,
)

#: How deep definitions are looked for in files of another form, such as a list of them.
_DEEPEST: Final = 4
_NEWEST: Final = 2
#: Of these, the one of the nearest folder counts.
_NEAR: Final = (DATASET, LINKED_SERVICE)
_NO_PART: Final = "it is not part of a data factory"
NOTHING_TO_DO: Final = "nothing to do"
#: Keys of a template that its resources are read with, or that say nothing of what runs.
_OF_TEMPLATE: Final = frozenset(
    {"$schema", "contentversion", "apiprofile", "languageversion", "metadata", "definitions"}
) | {"parameters", "variables"}


def found(
    files: Mapping[str, bytes], parameters: Mapping[str, Any], account: Account
) -> Definitions:
    """Return the definitions of all files.

    Args:
        files: their contents, by their names; of two definitions of one name the first counts.
        parameters: values for the parameters of ARM templates, by their names.
        account: gets a line for each file that is not a definition, and for what does not count.
    """
    read = read_files(files, parameters, account)
    finder = _Finder(read, account)
    for file, document in read.documents.items():
        if file not in read.beside:
            finder.file(file, document.root)
    finder.settle_versions()
    read.report_values(account)
    result = finder.result
    result.roots = {file: document.root for file, document in read.documents.items()}
    result.problems = list(account.lines.values())
    return result


@dataclass(slots=True)
class _Finder:
    """Collects definitions, file by file."""

    files: JsonFiles
    account: Account
    result: Definitions = field(default_factory=Definitions)
    _first: dict[tuple[str, str], Definition] = field(default_factory=dict)

    def file(self, file: str, root: Any) -> None:
        """Collect the definitions of a file, or report that it has none."""
        whole = Element(root, file, (), self.account)
        before = len(self.account.lines), len(self._first)
        for one in self._candidates(whole, _DEEPEST):
            if arm.is_template(one.value):
                self._template(one)
            else:
                self._definition(one, kind_of(one), _text(one.get("name")), 0)
        if before == (len(self.account.lines), len(self._first)):
            text, advice = _NO_DEFINITION
            if _is_configuration(whole):
                text, advice = _CONFIGURATION
            whole.left("file", PurePosixPath(file).name, text, advice)

    def settle_versions(self) -> None:
        """Let what could be of both versions be of the version of the pipelines."""
        known = [one.version for one in self.result.all if one.version]
        pipelines = [one.version for one in self.result.of(PIPELINE) if one.version] or known
        usual = max(pipelines, default=_NEWEST)
        found = self.result
        found.all = [one if one.version else _of(one, usual) for one in found.all]
        found.doubles = [one if one.version else _of(one, usual) for one in found.doubles]

    def _candidates(self, element: Element, deepest: int) -> Iterator[Element]:
        value = element.value
        if not isinstance(value, dict | list) or _is_export_setting(value):
            return
        if arm.is_template(value) or kind_of(element):
            yield element
        elif deepest:
            below = (
                element.list() if isinstance(value, list) else [one for _, one in element.items()]
            )
            for one in below:
                yield from self._candidates(one, deepest - 1)

    def _definition(self, body: Element, kind: str, name: str, version: int) -> None:
        name = clean(name) or PurePosixPath(body.file).stem
        if kind == ACTIVITY:
            text = "an activity without its pipeline"
            body.left(ACTIVITY, name, text, "import the pipeline that it is in")
            return
        if kind == FACTORY:
            self._factory(body, name)
        if kind not in READ:
            word = "key" if body.path else "file"
            to_do = NOTHING_TO_DO if kind == FACTORY else _SEE
            body.left(word, name, f"Relearn has no {kind}", to_do)
            return
        for key, value in body.items():
            if key.casefold() in _OUTER:
                value.take()
        version = version or version_of(kind, body)
        inside = body.get("properties") or body
        type_ = type_of(kind, inside)
        definition = Definition(kind, name, version, body, type_, body.file)
        first = self._first.setdefault((kind, folded(name)), definition)
        if first is definition:
            self.result.all.append(definition)
        else:
            self._double(definition, first)

    def _factory(self, body: Element, name: str) -> None:
        """Keep what expressions can name of a factory; of several the first one counts."""
        if self.result.factory:
            return
        self.result.factory = name
        for key, one in body.get("properties", "globalParameters").items():
            value = one.get("value")
            if value:
                is_secure = "secure" in one.get("type").peek().casefold()
                self.result.factory_parameters[key] = one.value if is_secure else value.value

    def _double(self, definition: Definition, first: Definition) -> None:
        where = first.file if first.file != definition.file else "this file"
        word = READ[definition.kind]
        if definition.properties.value == first.properties.value:
            text = f"the same definition is in {where} already"
            definition.body.left(word, definition.name, text, NOTHING_TO_DO)
            return
        if definition.kind in _NEAR and (folder := _folder(definition.file)) != _folder(first.file):
            self.result.doubles.append(replace(definition, apart=folder or "."))
        text = f"another {word} of this name is in {where}{NOT_COUNTED}"
        advice = "rename one of them; import each factory by itself"
        definition.body.left(word, definition.name, text, advice)

    def _template(self, root: Element) -> None:
        template = arm.read(root, self.files.values_for(root.file))
        name = PurePosixPath(root.file).name
        if not template.linked and not any(kind_of_type(one.type) for one in template.resources):
            root.left("file", name, _NO_FACTORY, NOTHING_TO_DO)
            return
        self.result.unresolved.setdefault(root.file, []).extend(template.unresolved)
        count = counted(len(template.resources), "resource")
        text = f"ARM template with {count}: each has its own line"
        _report_template(root, "file", name, text)
        for deployment in template.nested:
            _report_nested(deployment, clean(_text(deployment.get("name"))) or "deployment")
            given = deployment.get("properties")
            warn_of_secrets(given, "value", arm.secret_parameters(given.get("template")))
        for deployment, file in template.linked:
            name = clean(_text(deployment.get("name"))) or "deployment"
            _report_linked(deployment, name, file, is_there=self.files.has(file))
        for resource in template.resources:
            self._resource(resource)

    def _resource(self, resource: arm.ArmResource) -> None:
        element, kind = resource.element, kind_of_type(resource.type)
        condition = element.get("condition")
        if condition.value is False:
            element.left(READ.get(kind, "key"), resource.name, _OFF, NOTHING_TO_DO)
        elif kind in READ:
            copies = element.get("copy")
            if copies:
                copies.left("key", "copy", "copies of a resource are not made", _COPY)
            self._definition(element, kind, resource.name, version_of_type(resource.type))
        elif kind == FACTORY and element.get("resources"):
            self._factory(element, resource.name)
            element.take_keys(*(key for key in element.value if key.casefold() != "resources"))
            text = "the factory itself"
            element.left("key", resource.name, text, NOTHING_TO_DO, whole=False)
        elif kind:
            self._definition(element, kind, resource.name, 0)
        else:
            text = f"{clean(resource.type)}: {_NO_PART}"
            element.left("key", resource.name, text, NOTHING_TO_DO)


#: Keys around the properties that say nothing of what runs.
_OUTER: Final = frozenset(
    {"name", "type", "apiversion", "dependson", "location", "id", "etag", "comments", "condition"}
) | {"$schema", "contentversion"}
_NO_DEFINITION: Final = (
    "it has no definition of a data factory",
    "nothing to do, if it belongs to something else",
)
_CONFIGURATION: Final = (
    "values that Visual Studio writes into definitions when it deploys them: they are not read",
    "write them into the definitions, and import again",
)
_NO_FACTORY: Final = "an ARM template without a part of a data factory"
_OFF: Final = "its condition is false, so it is not deployed"
_SEE: Final = "see whether a pipeline needs what it does"
_COPY: Final = "write each copy as a resource of its own"


def _text(element: Element) -> str:
    return element.value.strip() if element and isinstance(element.value, str) else ""


def _of(definition: Definition, version: int) -> Definition:
    return replace(definition, version=version)


def _is_export_setting(value: dict[str, Any] | list[Any]) -> bool:
    """Whether this says which values become parameters at an export of the factory."""
    return isinstance(value, dict) and any(
        key.casefold().startswith("microsoft.datafactory/") for key in value
    )


def _is_configuration(root: Element) -> bool:
    """Whether a file has values for definitions, each with its path, as Visual Studio keeps them.

    Its form: data-factory §2.1.
    """
    pairs = [pair for _, one in root.items() for pair in one.list() if isinstance(one.value, list)]
    return bool(pairs) and all(pair.get("name").peek().startswith("$.") for pair in pairs)


def _folder(file: str) -> str:
    return PurePosixPath(file).parent.as_posix()


def _report_template(template: Element, kind: str, name: str, text: str) -> None:
    """Report a template whose resources have lines of their own.

    Args:
        template: the element.
        kind: what it is, in the report.
        name: what it is called.
        text: what is in it.
    """
    for key, value in template.items():
        if key.casefold() == "outputs":
            value.left("key", key, "Relearn reads no outputs of templates", NOTHING_TO_DO)
        elif key.casefold() in _OF_TEMPLATE:
            value.take()
    template.mapped(kind, name, text, whole=False)


def _report_nested(deployment: Element, name: str) -> None:
    """Report a deployment with a template inside.

    Args:
        deployment: the resource.
        name: what it is called.
    """
    text = "its template is read, with the values that it is given"
    deployment.mapped("key", name, text, whole=False)
    for key, value in deployment.items():
        inside = value.items() if key.casefold() == "properties" else [(key, value)]
        for inner, one in inside:
            if inner.casefold() == "template":
                _report_template(one, "key", "template", "each resource has its own line")
            else:
                one.take()


def _report_linked(deployment: Element, name: str, file: str, *, is_there: bool) -> None:
    """Report a deployment whose template is a file of its own.

    Args:
        deployment: the resource.
        name: what it is called.
        file: its template.
        is_there: whether that is among the files.
    """
    if is_there:
        deployment.mapped("key", name, f"its template is {file}, which is read by itself")
    else:
        text = f"its template {file or '(not named)'} is not among the files"
        deployment.left("key", name, text, "import that file too")
