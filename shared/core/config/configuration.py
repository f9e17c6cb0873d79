"""The content of the pipelines file: pipelines without an error, and the errors of the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.core.config.pipeline import Pipeline
from shared.core.config.problems import Problem

#: How large the pipelines file may be.
MOST_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Configuration:
    """The content of the pipelines file.

    A pipeline is in `pipelines` or in `broken`, never in both. A key at the top of the file that
    is not known is a problem of no pipeline, and keeps none from being used.
    """

    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()  #: everything that is wrong, in the order of the file
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    hints: tuple[Problem, ...] = ()  #: what an operator should know of pipelines that are sound
    readable: bool = True  #: False: nobody can say which pipelines the file has

    @classmethod
    def unreadable(cls, problem: Problem) -> "Configuration":
        """Return what is known of a file that cannot be read: nothing but why."""
        return cls(problems=(problem,), readable=False)
