"""Changes a function that is loaded already, so that nothing has to be imported again."""

import ast
import gc
import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Final

from proofs.mutants.scope import ROOT

_SHARED: Final = f"{ROOT}/shared/"


@dataclass(frozen=True, slots=True)
class Changed:
    """A function of a module, and the code that it has in a mutant."""

    file: str
    name: str  #: with the classes and functions that it is in
    code: CodeType


def changed(file: str, text: str, mutant: str) -> Changed | None:
    """Return the one function that differs; None where the module has to be imported again.

    Args:
        file: where the module is, from the root of the project.
        text: its code.
        mutant: its code with a mistake.
    """
    before = _Module(ast.unparse(ast.parse(text)), file)
    after = _Module(mutant, file)
    if before.bodies != after.bodies or before.functions.keys() != after.functions.keys():
        return None
    different = [
        name
        for name, codes in before.functions.items()
        if _keys(codes) != _keys(after.functions[name])
    ]
    if len(different) != 1:
        return None
    (old, *more), (new, *_) = before.functions[different[0]], after.functions[different[0]]
    if more or old.co_freevars != new.co_freevars:
        return None
    return Changed(file, different[0], new)


class Loaded:
    """The functions of the project that are loaded, by their code."""

    def __init__(self) -> None:
        self._found = defaultdict[tuple[str, str], list[FunctionType]](list)
        for one in gc.get_objects():
            # Not `isinstance`: some libraries answer it by importing things.
            if type(one) is FunctionType and one.__code__.co_filename.startswith(_SHARED):
                code = one.__code__
                self._found[code.co_filename, code.co_qualname].append(one)

    def those_of(self, change: Changed) -> list[FunctionType]:
        """Return what has the code that would be changed."""
        return self._found.get((str(ROOT / change.file), change.name), [])


class _Module:
    """The code of a module, taken apart."""

    def __init__(self, text: str, file: str) -> None:
        self.functions = defaultdict[str, list[CodeType]](list)
        self.bodies: list[object] = []
        self._take(compile(text, str(ROOT / file), "exec"))

    def _take(self, body: CodeType) -> None:
        self.bodies.append(_key(body, deep=False))
        for code in _codes(body):
            if code.co_flags & inspect.CO_OPTIMIZED:
                self.functions[code.co_qualname].append(code)
            else:  # of a class
                self._take(code)


def _codes(code: CodeType) -> Iterator[CodeType]:
    return (one for one in code.co_consts if isinstance(one, CodeType))


def _keys(codes: Sequence[CodeType]) -> list[object]:
    return [_key(code, deep=True) for code in codes]


def _key(code: CodeType, *, deep: bool) -> object:
    """Return what code is compared by: what it does, but not on which lines."""
    consts = [
        (_key(one, deep=True) if deep else one.co_qualname)
        if isinstance(one, CodeType)
        else (type(one), repr(one))
        for one in code.co_consts
    ]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code, consts, names, code.co_exceptiontable, code.co_argcount, code.co_flags
