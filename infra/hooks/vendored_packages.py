"""Checks packages that were vendored: each pinned one, for CPython 3.13 on Linux x86-64."""

import ast
import csv
import email.parser
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from console import HookError

#: The values for markers where the app runs; pip takes those of the Python that runs pip.
TARGET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "implementation_name": "cpython",
        "implementation_version": "3.13.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.13.0",
        "python_version": "3.13",
        "sys_platform": "linux",
        "extra": "",
    }
)
_VERSIONS: Final = ("implementation_version", "python_full_version", "python_version")
_MINOR: Final = 13
_OPERATORS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
        ast.In: lambda one, all_of_them: one in all_of_them,
        ast.NotIn: lambda one, all_of_them: one not in all_of_them,
    }
)
_PIN: Final = re.compile(
    r"(?P<name>[\w.-]+)(\[[^\]]*\])?\s*==\s*(?P<version>[^\s;]+)\s*(;\s*(?P<marker>.+))?"
)
_TAG: Final = re.compile(r"(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)")
_PYTHONS: Final = re.compile(rf"py3|py3{_MINOR}|cp3{_MINOR}")
_CPYTHON: Final = re.compile(r"cp3(\d+)")
_PLATFORM: Final = re.compile(r"any|(manylinux\w+|linux)_x86_64")
_LIBRARY: Final = re.compile(r"\.(so(\.\d+)*|pyd|dll|dylib)$")
_FOREIGN_NAME: Final = re.compile(r"\.(?P<tag>cpython-[\w-]+|cp\d+-[\w-]+)\.(so|pyd)$")
_OWN_NAME: Final = f"cpython-3{_MINOR}-x86_64-linux-gnu"
#: The head of a library for Linux: ELF, 64 bit, little-endian; and its machine, x86-64.
_ELF: Final = b"\x7fELF\x02\x01"
_X86_64: Final = b"\x3e\x00"
_MACHINE: Final = slice(18, 20)


@dataclass(frozen=True)
class Vendored:
    """A package in the folder."""

    name: str  #: as packages are compared
    version: str
    info: Path  #: its `.dist-info`
    tags: tuple[str, ...]

    def files(self) -> list[Path]:
        """Return the files that it installed, as its own record says."""
        record = (self.info / "RECORD").read_text(encoding="utf-8").splitlines()
        names = [row[0] for row in csv.reader(record) if row]
        inside = [name for name in names if not name.startswith(("..", "/"))]
        return [self.info.parent / name for name in inside if not name.endswith(".pyc")]

    def size(self) -> int:
        """Return how many bytes its files have."""
        return sum(file.stat().st_size for file in self.files() if file.is_file())


def canonical(name: str) -> str:
    """Return the name of a package as packages are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Return name -> version of the packages that the app needs where it runs.

    Args:
        text: of requirements.txt.

    Raises:
        HookError: a line is not a pin, or its marker is not understood.
    """
    found: dict[str, str] = {}
    lines = re.sub(r"\\\n", " ", text).splitlines()
    for number, line in enumerate(lines, start=1):
        wanted = re.sub(r"(^|\s)#.*|\s--hash=\S+", "", line).strip()
        if not wanted:
            continue
        match = _PIN.fullmatch(wanted)
        if match is None:
            raise _not_understood(number, wanted)
        if match["marker"] is None or _holds(match["marker"], number):
            found[canonical(match["name"])] = match["version"]
    return found


def vendored(folder: Path) -> list[Vendored]:
    """Return the packages in a folder."""
    return sorted(
        (_read(info) for info in folder.glob("*.dist-info")), key=lambda package: package.name
    )


def wrong_in(folder: Path, pins: Mapping[str, str]) -> list[str]:
    """Return a line for everything that is wrong in a folder of vendored packages.

    Args:
        folder: has the packages.
        pins: name -> version of those that are to be there.
    """
    packages = vendored(folder)
    return [
        *_wrong_versions({package.name: package.version for package in packages}, pins),
        *(line for package in packages for line in _wrong_files(package)),
        *(line for file in sorted(folder.rglob("*")) for line in _wrong_library(file, folder)),
    ]


def _wrong_versions(found: Mapping[str, str], pins: Mapping[str, str]) -> Iterator[str]:
    for name, version in sorted(pins.items()):
        if name not in found:
            yield f"{name} {version} is missing"
        elif found[name] != version:
            yield f"{name} is {found[name]}, and {version} is pinned"
    for name in sorted(found.keys() - pins.keys()):
        yield f"{name} {found[name]} is there, and nothing pins it"
    functions = found.get("azure-functions", "")
    if functions and not functions.startswith("2."):
        yield f"azure-functions is {functions}: with Python 3.13 the app needs 2.x"


def _wrong_files(package: Vendored) -> Iterator[str]:
    if not any(map(_fits, package.tags)):
        shown = ", ".join(package.tags) or "no tag"
        yield f"{package.name} {package.version} is built for something else: {shown}"
    missing = [file for file in package.files() if not file.is_file()]
    if missing:
        some = missing[0].relative_to(package.info.parent)
        yield f"{package.name} {package.version} lacks {len(missing)} of its files, as {some}"


def _wrong_library(file: Path, folder: Path) -> Iterator[str]:
    if not _LIBRARY.search(file.name) or not file.is_file():
        return
    shown = file.relative_to(folder).as_posix()
    name = _FOREIGN_NAME.search(file.name)
    if name is not None and name["tag"] != _OWN_NAME:
        yield f"{shown} is built for another Python or platform"
        return
    with file.open("rb") as opened:
        head = opened.read(_MACHINE.stop)
    if not head.startswith(_ELF) or head[_MACHINE] != _X86_64:
        yield f"{shown} is not a library for Linux x86-64"


def _fits(tag: str) -> bool:
    """Whether a wheel with this tag runs on CPython 3.13 on Linux x86-64."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return False
    pythons, abis = match["python"].split("."), match["abi"].split(".")
    abi = any(
        (abi == "none" and _PYTHONS.fullmatch(python))
        or (abi == python == f"cp3{_MINOR}")
        or (abi == "abi3" and (old := _CPYTHON.fullmatch(python)) and int(old[1]) <= _MINOR)
        for python in pythons
        for abi in abis
    )
    return bool(abi) and any(map(_PLATFORM.fullmatch, match["platform"].split(".")))


def _read(info: Path) -> Vendored:
    parse = email.parser.Parser().parsestr
    told = parse((info / "METADATA").read_text(encoding="utf-8"), headersonly=True)
    wheel = info / "WHEEL"
    tags = parse(wheel.read_text(encoding="utf-8")).get_all("Tag", []) if wheel.is_file() else []
    return Vendored(canonical(str(told["Name"])), str(told["Version"]), info, tuple(map(str, tags)))


def _holds(marker: str, number: int) -> bool:
    """Whether a marker is true where the app runs."""
    try:
        tree = ast.parse(marker.strip(), mode="eval").body
    except SyntaxError:
        raise _not_understood(number, marker) from None
    return _is_true(tree, number, marker)


def _is_true(node: ast.expr, number: int, marker: str) -> bool:
    if isinstance(node, ast.BoolOp):
        found = [_is_true(value, number, marker) for value in node.values]
        return all(found) if isinstance(node.op, ast.And) else any(found)
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        raise _not_understood(number, marker)
    left, right = node.left, node.comparators[0]
    name = next((side.id for side in (left, right) if isinstance(side, ast.Name)), "")
    values = [_value(side, number, marker) for side in (left, right)]
    compare = _OPERATORS.get(type(node.ops[0]))
    if compare is None:
        raise _not_understood(number, marker)
    if name in _VERSIONS and not isinstance(node.ops[0], ast.In | ast.NotIn):
        return compare(*map(_numbers, values))
    return compare(*values)


def _value(side: ast.expr, number: int, marker: str) -> str:
    if isinstance(side, ast.Name) and side.id in TARGET:
        return TARGET[side.id]
    if isinstance(side, ast.Constant) and isinstance(side.value, str):
        return side.value
    raise _not_understood(number, marker)


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version, without zeros at the end: 3.13.0 is 3.13."""
    found = [int(part) for part in re.findall(r"\d+", version)]
    while found and not found[-1]:
        found.pop()
    return found


def _not_understood(number: int, line: str) -> HookError:
    return HookError(
        f"requirements.txt, line {number}: {line!r} is not understood",
        "write `name==version`, or `name==version ; marker` with ==, !=, <, <=, >, >=, in, not in,"
        " and, or: `make lock` writes such lines",
    )
