"""Exact copies of worlds, with the worker in each and all that it has in its memory.

A trial of a fault is the same as one without it up to the fault. So the common part is run once,
and each trial continues from a copy. Values that never change are shared between copies.
"""

import io
import logging
import pickle
import re
from datetime import datetime, timedelta
from enum import Enum
from types import CellType, FunctionType, ModuleType
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from tests.fakes.documents import Row

T = TypeVar("T")


class _Unenclosed:
    """What of a function is the same in each copy."""

    def __init__(self, function: FunctionType) -> None:
        self.code, self.names = function.__code__, function.__globals__
        self.defaults = function.__kwdefaults__


_PLAIN: Final = frozenset({str, int, bytes, bool, float, type(None), dict, list, tuple, set})
_SHARED: Final = (
    type,
    Enum,
    datetime,
    timedelta,
    re.Pattern,
    BaseModel,  # ours are frozen
    Row,
    ModuleType,
    logging.Logger,
    _Unenclosed,
)


class Snapshot(Generic[T]):
    """Something as it is at this moment, to go on from as often as is wanted.

    Args:
        original: a world, or what holds one.
    """

    def __init__(self, original: T) -> None:
        written = io.BytesIO()
        writer = _Writer(written)
        writer.dump(original)
        self._written, self._shared = written.getvalue(), writer.shared

    def copy(self) -> T:
        """Return another one, which shares nothing with the others that could change."""
        made: T = _Reader(self._written, self._shared).load()
        return made


class _Reader(pickle.Unpickler):
    """Reads what `_Writer` has written, with the very same objects where they are shared."""

    def __init__(self, written: bytes, shared: list[Any]) -> None:
        super().__init__(io.BytesIO(written))
        self._shared = shared

    def persistent_load(self, pid: int) -> Any:
        """Return what is shared, by its number."""
        return self._shared[pid]


class _Writer(pickle.Pickler):
    """Writes functions with their closures, which are copied too."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.shared: list[Any] = []
        self._numbers: dict[int, int] = {}

    def persistent_id(self, one: Any) -> int | None:
        """Return the number of a shared value."""
        kind = type(one)
        if kind in _PLAIN:
            return None
        if not isinstance(one, _SHARED) and (kind is not FunctionType or one.__closure__):
            return None
        if id(one) not in self._numbers:
            self._numbers[id(one)] = len(self.shared)
            self.shared.append(one)
        return self._numbers[id(one)]

    def reducer_override(self, one: Any) -> Any:
        """Return how something is made again.

        Python 3.12 and 3.13 warn of a copy of an iterator of itertools, and 3.14 makes none: such
        a one is refused on every version.
        """
        kind = type(one)
        if kind.__module__ == "itertools":
            raise TypeError(f"{kind.__name__} of itertools: use tests.fakes.numbers instead")
        if kind is CellType:  # made first, for it may enclose the function whose it is
            return CellType, (), one.cell_contents, None, None, _fill
        if kind is FunctionType:
            return _enclosing, (_Unenclosed(one), one.__defaults__, one.__closure__)
        return NotImplemented


def _enclosing(known: _Unenclosed, defaults: Any, cells: Any) -> FunctionType:
    made = FunctionType(known.code, known.names, known.code.co_name, defaults, cells)
    made.__kwdefaults__ = known.defaults
    return made


def _fill(cell: CellType, content: object) -> None:
    cell.cell_contents = content
