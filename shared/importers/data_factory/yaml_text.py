"""Writes a pipelines file as YAML that the app, and other readers, read back exactly.

Only plain words stand without quotes. Numbers are written in JSON's form, as the app reads them.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import yaml

from shared.core.counting import counted
from shared.importers.data_factory.entries import Entries, Entry

_TAG: Final = "tag:yaml.org,2002:"
#: A text that no YAML reader takes for anything else: it begins with a letter, or with `${`; or it
#: is a duration.
_PLAIN: Final = re.compile(r"(?:[A-Za-z]|\$\{)[\w ./${}:?=&@+-]*|(?:[0-9]+[dhms])+", re.ASCII)
#: Words that some reader takes for a truth or for nothing.
_WORDS: Final = frozenset(
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"]
)
#: A text stays in one line: that is how people edit it.
_WIDTH: Final = 1_000_000
_HEAD: Final = (
    "Written by `relearn import-adf`. What differs from the factory, and what is to be done:",
    "import-report.md. Check this file with: relearn validate pipelines.yaml",
)


class _Dumper(yaml.SafeDumper):
    """Writes texts in quotes wherever they could be read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values in full."""
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 -- as yaml calls it
        """Indent the members of a list below their key."""
        del indentless
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) is not None and text.casefold() not in _WORDS
    return dumper.represent_scalar(f"{_TAG}str", text, style=None if plain else '"')


def _fraction(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"{_TAG}float", repr(number))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _fraction)
_Dumper.yaml_implicit_resolvers = {}
for _kind, _form, _begins in (
    ("bool", r"true|false", "tf"),
    ("null", r"null", "n"),
    ("int", r"-?[0-9]+", "-0123456789"),
    ("float", r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?", "-0123456789"),
):
    _Dumper.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_form})\Z"), list(_begins))


def dumped(value: Any) -> str:
    """Return a value of the configuration as YAML."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, indent=2
    )


def yaml_text(entries: Entries) -> str:
    """Return the whole file, with a comment that says where each pipeline came from."""
    number = counted(len(entries.pipelines), "pipeline")
    lines = [*(_comment(line) for line in _HEAD), _comment(f"{number}."), "pipelines:"]
    for entry in entries.pipelines.values():
        lines += [f"  {_comment(line)}" for line in _origin(entry)]
        lines += [f"  {line}" for line in dumped({entry.name: entry.tree}).splitlines()]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _origin(entry: Entry) -> Iterable[str]:
    by_file: dict[str, list[str]] = {}
    for name, source in entry.sources:
        by_file.setdefault(source.file, []).append(name)
    for file, names in by_file.items():
        word = "activity" if len(names) == 1 else "activities"
        yield f"From {file}: {word} {', '.join(names)}"


def _comment(text: str) -> str:
    return "# " + "".join(one if one.isprintable() else " " for one in text)
