"""Reads the files that definitions are in, and the values for parameters of ARM templates."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from shared.core.counting import counted
from shared.importers.data_factory.account import Account, Element, ImportOutcome, Line
from shared.importers.data_factory.reading import arm
from shared.importers.data_factory.reading.tolerant_json import (
    BrokenDefinitionError,
    JsonDocument,
    decoded,
    document,
)
from shared.importers.data_factory.secret_forms import Form, form_of
from shared.importers.data_factory.secrets import is_secret

_READ: Final = frozenset({".json", ".jsonc", ".json5", ".txt", ""})
_SURE: Final = frozenset({".json", ".jsonc", ".json5"})
_SKIPPED: Final = frozenset({".git", "node_modules"})
_BEGINS: Final = re.compile(r"(?:\s++|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/|\ufeff)*+[{\[]")
#: Beside a template, as Data Factory calls them.
_USUAL: Final = re.compile(r"parameters?(?:forfactory|_master)?\.json$", re.IGNORECASE)
_NO_TEMPLATE: Final = "values for the parameters of a template, and there is none in its folder"
_ROTATE: Final = "rotate it: each reader of this file has it"


@dataclass(slots=True)
class JsonFiles:
    """The contents of all files of JSON."""

    documents: dict[str, JsonDocument] = field(default_factory=dict)
    #: Values for parameters of templates, by their folded names: of each file, and those given.
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    _names: frozenset[str] = frozenset()
    _near: set[str] = field(default_factory=set)  #: the files in a template's folder
    #: File and parameter -> the file whose value counts; and those whose own value does.
    _counts: dict[tuple[str, str], str] = field(default_factory=dict)
    _used: set[tuple[str, str]] = field(default_factory=set)

    def has(self, name: str) -> bool:
        """Whether a file of this name is there, in any folder."""
        if not self._names:
            self._names = frozenset(PurePosixPath(one).name.casefold() for one in self.documents)
        return name.casefold() in self._names

    def values_for(self, template: str) -> dict[str, Any]:
        """Return the values of parameters for a template: those given, then those in its folder.

        Of the files in its folder that whose name fits best counts, then the nearest one.
        """
        stem = PurePosixPath(template).stem.casefold()
        folders = [str(folder) for folder in PurePosixPath(template).parents]

        def order(file: str) -> tuple[bool, int, bool, str]:
            path = PurePosixPath(file)
            fits = path.stem.casefold().startswith(stem)
            return (not fits, folders.index(str(path.parent)), not _USUAL.search(file), file)

        near = [one for one in self.beside if str(PurePosixPath(one).parent) in folders]
        self._near.update(near)
        values, of = dict(self.given), dict.fromkeys(self.given, "--parameters")
        for file in sorted(near, key=order):
            for name, value in self.beside[file].items():
                if values.setdefault(name, value) == value:
                    self._used.add((file, name))
                self._counts[file, name] = of.setdefault(name, file)
        return values

    def report_values(self, account: Account) -> None:
        """Report the values of parameters that no template has taken.

        Args:
            account: of the import.
        """
        for file, values in self.beside.items():
            root = Element(self.documents[file].root, file, (), account)
            others = [name for name, one in values.items() if self.given.get(name) != one]
            if file not in self._near and others:
                name = PurePosixPath(file).name
                root.left("file", name, _NO_TEMPLATE, "import the template too")
                continue
            for name in others:
                one = root.get("parameters", name, "value")
                if (file, name) not in self._used and one.place not in account.lines:
                    text = f"another value counts: that of {self._counts[file, name]}"
                    advice = "name the file that is meant: --parameters FILE"
                    one.left("key", str(one.path[-2]), text, advice)


def read_files(files: Mapping[str, bytes], given: Mapping[str, Any], account: Account) -> JsonFiles:
    """Return the contents of all files that can be definitions.

    Args:
        files: their contents, by their names.
        given: values for the parameters of ARM templates, by their names.
        account: gets a line for each file that is broken, or has parameters.
    """
    read = JsonFiles(given={name.casefold(): value for name, value in given.items()})
    for file, content in files.items():
        if _is_read(file, content):
            _read(read, file, content, account)
    secret = _secret_parameters(read, account)
    for file, one in read.documents.items():
        if arm.is_parameters(one.root):
            root = Element(one.root, file, (), account)
            values = read.beside[file] = arm.given_values(root)
            text = f"{counted(len(values), 'value')} for the parameters of templates"
            root.mapped("file", PurePosixPath(file).name, text)
            warn_of_secrets(root, "value", secret)
            _report_vaults(root)
    return read


def _is_read(file: str, content: bytes) -> bool:
    path = PurePosixPath(file.replace("\\", "/"))
    suffix = path.suffix.casefold()
    if suffix not in _READ or not _SKIPPED.isdisjoint(path.parts):
        return False
    if suffix in _SURE:
        return True
    try:
        return _BEGINS.match(decoded(content, file)) is not None
    except BrokenDefinitionError:
        return False


def _read(read: JsonFiles, file: str, content: bytes, account: Account) -> None:
    name = PurePosixPath(file).name
    try:
        found = document(content, file)
    except BrokenDefinitionError as error:
        place = f"line {error.line}, column {error.column}: " if error.line else ""
        text = f"it can't be read: {place}{error.what}"
        advice = "correct it, and import again: the other files were read"
        account.add(Line(file, (), "file", name, ImportOutcome.NOT_CARRIED_OVER, text, advice))
        return
    read.documents[file] = found
    for line, column in found.mended:
        at = (place := f"line {line}, column {column}",)
        text = f"{place}: a comma is missing before this; it was read as if it were there"
        account.add(Line(file, at, "file", name, ImportOutcome.APPROXIMATED, text, "add it"))
    for path in found.doubled:
        key = str(path[-1])
        at_first = (*path[:-1], f"{key} (the first one)")
        text = f"`{key}` occurs twice in its object, with different values: the last one counts"
        advice = "remove one of them"
        if is_secret(key, key):
            advice = f"{advice}, and rotate the secret: each reader of this file has both"
        account.add(Line(file, at_first, "key", key, ImportOutcome.NOT_CARRIED_OVER, text, advice))


def _secret_parameters(read: JsonFiles, account: Account) -> frozenset[str]:
    """Return the names of all secret parameters; warn of those with a value in clear text."""
    found: set[str] = set()
    for file, one in read.documents.items():
        if arm.is_template(one.root):
            root = Element(one.root, file, (), account)
            secret = arm.secret_parameters(root)
            warn_of_secrets(root, "defaultValue", secret)
            found |= secret
    return frozenset(found)


def warn_of_secrets(root: Element, key: str, secret: frozenset[str]) -> None:
    """Report each secret in clear text among parameters, and never its value.

    Args:
        root: what has the parameters: a template, a file of values, or a deployment.
        key: where the value of a parameter is.
        secret: names of parameters that are secrets.
    """
    for name, one in root.get("parameters").items():
        value = one.get(key)
        if form_of(value.value) is not Form.CLEAR:
            continue
        if name.casefold() in secret or is_secret(name, value.value):
            value.left("key", name, "a secret in clear text; it is not copied", _ROTATE)


def _report_vaults(root: Element) -> None:
    """Report the parameters whose values are in a vault."""
    for name, one in root.get("parameters").items():
        reference = one.get("reference")
        vault = reference.get("keyVault", "id").peek().rpartition("/")[2] or "<vault>"
        secret = reference.get("secretName").peek() or "<name of the secret>"
        uri = f"https://{vault}.vault.azure.net/secrets/{secret}"
        reference.left(
            "key",
            name,
            "a secret of a vault, which is not read",
            f"set the app setting of its user to @Microsoft.KeyVault(SecretUri={uri})",
        )
