"""Finds the definitions of a factory in whatever files people have.

Single files, the folders of a git repository, ARM templates with their parameters: data-factory §2,
§3. Each file that is no definition, and each definition that does not count, gets a line of the
report.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any, Final

from shared.core.counting import counted
from shared.importers.data_factory.account import Account, Element, Line, Outcome, Path
from shared.importers.data_factory.reading import arm
from shared.importers.data_factory.reading.definition_files import Files, read_files
from shared.importers.data_factory.reading.file_lines import NOTHING_TO_DO, FileLines
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
from shared.importers.data_factory.secrets import is_secret

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
#: How deep definitions are looked for in files of another form, such as a list of them.
_DEEPEST: Final = 4
_NEWEST: Final = 2
#: Of these, the one of the nearest folder counts.
_NEAR: Final = (DATASET, LINKED_SERVICE)
_NOT_COUNTED: Final = ": that one counts"
_NO_PART: Final = "it is no part of a data factory"


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline, dataset, linked service or trigger of a factory."""

    kind: str  #: `pipeline`, `dataset`, `linkedService` or `trigger`
    name: str
    version: int  #: of Data Factory: 1 or 2
    body: Element  #: its `{name, properties}`
    type: str  #: of the properties, such as `AzureBlob`; empty for a pipeline
    file: str
    apart: str = ""  #: its folder, where a definition of another folder has the same name

    @property
    def place(self) -> tuple[str, Path]:
        """Return the file that it is in, and its path there: no other definition has both."""
        return self.file, self.body.path

    @property
    def properties(self) -> Element:
        """Return what is below `properties`; all of it where there is no such key."""
        found = self.body.get("properties")
        return self.body if found is None else found


@dataclass(slots=True)
class Definitions:
    """All definitions that count, and the content of all files."""

    all: list[Definition] = field(default_factory=list)
    #: File -> its content, with the values of parameters in place of expressions.
    roots: dict[str, Any] = field(default_factory=dict)
    #: What was reported of files, doubles and broken definitions; the account has it too.
    problems: list[Line] = field(default_factory=list)
    #: File -> the expressions of its templates that have no value.
    unresolved: dict[str, list[arm.Unresolved]] = field(default_factory=dict)
    factory: str = ""  #: its name, where the files say it
    #: Global parameters of the factory, by their names.
    factory_parameters: dict[str, Any] = field(default_factory=dict)
    #: Those that have the name of another one, in another folder.
    doubles: list[Definition] = field(default_factory=list)
    _named: dict[tuple[str, str], list[Definition]] = field(default_factory=dict)
    _count: int = -1

    def of(self, kind: str) -> list[Definition]:
        """Return the definitions of a kind, in the order in which they were found."""
        return [one for one in self.all if one.kind == kind]

    def named(self, kind: str, name: str, near: str = "") -> Definition | None:
        """Return a definition; letter case and blanks at the ends do not count.

        Of several ones, that of the nearest folder counts, else the first.

        Args:
            kind: what it is.
            name: what it is called.
            near: the file that names it.
        """
        if self._count != len(self.all):
            self._count, self._named = len(self.all), {}
            for one in [*self.all, *self.doubles]:
                self._named.setdefault((one.kind, folded(one.name)), []).append(one)
        found = self._named.get((kind, folded(name)), [])
        chosen = max(found, key=lambda one: _in_common(one.file, near), default=None)
        if chosen is not None and any(one is chosen for one in self.doubles):
            self._use(chosen)
        return chosen

    def _use(self, double: Definition) -> None:
        """Let a double count, since a file of its own folder names it."""
        self.doubles = [one for one in self.doubles if one is not double]
        self.all.append(double)
        account = double.body.account
        of_it = [one for one in self.problems if (one.file, one.path) == double.place]
        account.lines.pop(double.place, None)
        for line in of_it:
            if line.text.endswith(_NOT_COUNTED):
                self.problems.remove(line)
            else:
                account.add(line)

    def close(self, account: Account) -> None:
        """Report each expression without a value, and each value that no line covers.

        Args:
            account: with the lines of all other parts.
        """
        for file, unresolved in self.unresolved.items():
            for one in unresolved:
                above = account.covered_by(file, one.path)
                if above is not None and (above.kind, above.outcome) == _UNUSED:
                    continue
                name = str(one.path[-1]) if one.path else ""
                account.add(
                    Line(
                        file,
                        one.path,
                        "key",
                        name,
                        Outcome.APPROXIMATED,
                        f"the expression {one.shown} stands as it is: {one.why}",
                        "write the value in its place, or give it with --parameters",
                    )
                )
        for file, root in self.roots.items():
            account.close(file, root)


def clean(name: str) -> str:
    """Return a name without control characters, and without blanks at its ends."""
    return _CONTROL.sub(" ", name).strip()


def folded(name: str) -> str:
    """Return a name for comparison."""
    return clean(name).casefold()


def found(
    files: Mapping[str, bytes], parameters: Mapping[str, Any], account: Account
) -> Definitions:
    """Return the definitions of all files.

    Args:
        files: their contents, by their names; of two definitions of one name the first counts.
        parameters: values for the parameters of ARM templates, by their names.
        account: gets a line for each file that is no definition, and for what does not count.
    """
    lines = FileLines(account)
    read = read_files(files, parameters, lines)
    finder = _Finder(read, lines)
    for file, document in read.documents.items():
        if file not in read.beside:
            finder.file(file, document.root)
    finder.settle_versions()
    result = finder.result
    result.roots = {file: document.root for file, document in read.documents.items()}
    result.problems = lines.all
    return result


@dataclass(slots=True)
class _Finder:
    """Collects definitions, file by file."""

    files: Files
    lines: FileLines
    result: Definitions = field(default_factory=Definitions)
    _first: dict[tuple[str, str], Definition] = field(default_factory=dict)

    def file(self, file: str, root: Any) -> None:
        """Collect the definitions of a file, or report that it has none."""
        whole = Element(root, file, (), self.lines.account)
        before = len(self.lines.account.lines), len(self._first)
        for one in self._candidates(whole, _DEEPEST):
            if arm.is_template(one.value):
                self._template(one)
            else:
                self._definition(one, kind_of(one), _text(one.get("name")), 0)
        if before == (len(self.lines.account.lines), len(self._first)):
            self.lines.left(
                whole,
                "file",
                PurePosixPath(file).name,
                "it has no definition of a data factory",
                "nothing to do, if it belongs to something else",
            )

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
            self.lines.left(body, ACTIVITY, name, text, "import the pipeline that it is in")
            return
        if kind == FACTORY:
            self._factory(body, name)
        if kind not in READ:
            word = "key" if body.path else "file"
            to_do = NOTHING_TO_DO if kind == FACTORY else _SEE
            self.lines.left(body, word, name, f"Relearn has no {kind}", to_do)
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
        values = body.get("properties", "globalParameters")
        for key, one in values.items() if values is not None else ():
            value = one.get("value")
            if value is not None and not is_secret(key, value.value):
                self.result.factory_parameters[key] = value.value

    def _double(self, definition: Definition, first: Definition) -> None:
        where = first.file if first.file != definition.file else "this file"
        word = READ[definition.kind]
        if definition.properties.value == first.properties.value:
            text = f"the same definition is in {where} already"
            self.lines.add(definition.body, word, definition.name, Outcome.MAPPED, text)
            return
        if definition.kind in _NEAR and (folder := _folder(definition.file)) != _folder(first.file):
            self.result.doubles.append(replace(definition, apart=folder or "."))
        text = f"another {word} of this name is in {where}{_NOT_COUNTED}"
        cure = "rename one of them; import each factory by itself"
        self.lines.left(definition.body, word, definition.name, text, cure)

    def _template(self, root: Element) -> None:
        template = arm.read(root, self.files.values_for(root.file))
        name = PurePosixPath(root.file).name
        if not template.linked and not any(kind_of_type(one.type) for one in template.resources):
            self.lines.left(root, "file", name, _NO_FACTORY, NOTHING_TO_DO)
            return
        self.result.unresolved.setdefault(root.file, []).extend(template.unresolved)
        count = counted(len(template.resources), "resource")
        text = f"ARM template with {count}: each has its own line"
        self.lines.template(root, "file", name, text)
        for deployment in template.nested:
            self.lines.nested(deployment, clean(_text(deployment.get("name"))) or "deployment")
        for deployment, file in template.linked:
            name = clean(_text(deployment.get("name"))) or "deployment"
            self.lines.linked(deployment, name, file, is_there=self.files.has(file))
        for resource in template.resources:
            self._resource(resource)

    def _resource(self, resource: arm.Resource) -> None:
        element, kind = resource.element, kind_of_type(resource.type)
        condition = element.get("condition")
        if condition is not None and condition.value is False:
            self.lines.left(element, READ.get(kind, "key"), resource.name, _OFF, NOTHING_TO_DO)
        elif kind in READ:
            copies = element.get("copy")
            if copies is not None:
                self.lines.left(copies, "key", "copy", "copies of a resource are not made", _COPY)
            self._definition(element, kind, resource.name, version_of_type(resource.type))
        elif kind == FACTORY and element.get("resources") is not None:
            self._factory(element, resource.name)
            self.lines.resource(element, resource.name, "the factory itself")
        elif kind:
            self._definition(element, kind, resource.name, 0)
        else:
            text = f"{clean(resource.type)}: {_NO_PART}"
            self.lines.left(element, "key", resource.name, text, NOTHING_TO_DO)


#: Keys around the properties that say nothing of what runs.
_OUTER: Final = frozenset(
    {"name", "type", "apiversion", "dependson", "location", "id", "etag", "comments", "condition"}
) | {"$schema", "contentversion"}
#: Of a dataset that is not carried over, no value is used.
_UNUSED: Final = ("dataset", Outcome.NOT_CARRIED_OVER)
_NO_FACTORY: Final = "an ARM template without a part of a data factory"
_OFF: Final = "its condition is false, so it is not deployed"
_SEE: Final = "see whether a pipeline needs what it does"
_COPY: Final = "write each copy as a resource of its own"


def _folder(file: str) -> str:
    return PurePosixPath(file).parent.as_posix()


def _in_common(file: str, other: str) -> int:
    """Return how many folders two files have in common, from the top."""
    pairs = zip(PurePosixPath(file).parts[:-1], PurePosixPath(other).parts[:-1], strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _text(element: Element | None) -> str:
    return element.value.strip() if element and isinstance(element.value, str) else ""


def _of(definition: Definition, version: int) -> Definition:
    return replace(definition, version=version)


def _is_export_setting(value: dict[str, Any] | list[Any]) -> bool:
    """Whether this says which values become parameters at an export of the factory."""
    return isinstance(value, dict) and any(
        key.casefold().startswith("microsoft.datafactory/") for key in value
    )
