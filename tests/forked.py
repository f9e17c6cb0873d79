"""Starts the servers of some tests as forks: there are dozens, and most of a start is imports.

How users start them is tested by the demo, by `make run` and in tests/local/host.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from local import forks
from local.served import ServedProcess

#: What the tests of the local servers import before: no scikit-learn, which they start by commands.
QUICK: Final = ("local.host.__main__", "local.host.invocation", "local.azureml.__main__")


@contextmanager
def servers_are_forked(imported: tuple[str, ...] = forks._IMPORTED) -> Iterator[None]:
    """Fork what is started meanwhile.

    Where there are no forks, and on macOS, whose libraries do not bear them, they are started anew.

    Args:
        imported: what is worth to be imported before.
    """
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(forks, "_IMPORTED", imported)
            patch.setattr(ServedProcess, "launch", staticmethod(forks.forked_server))
        yield
