"""The content of the pipelines file: pipelines without an error, and the errors of the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.core.config.pipeline import Pipeline
from shared.core.config.problems import Problem
from shared.core.config.schedule_words import hint_of

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
    schedules: Mapping[str, str] = field(default_factory=dict)  #: where each one is written

    @classmethod
    def unreadable(cls, problem: Problem) -> "Configuration":
        """Return what is known of a file that cannot be read: nothing but why."""
        return cls(problems=(problem,), readable=False)

    def hints_at(self, now: datetime) -> tuple[Problem, ...]:
        """Return what an operator should know at a time: the hints, and schedules that do nothing.

        Args:
            now: the present moment, on which it depends whether an active period is over.
        """
        found = list(self.hints)
        for name, pipeline in self.pipelines.items():
            if hint := hint_of(pipeline.schedule, now):
                where = self.schedules.get(name, f"pipelines.{name}.schedule")
                found.append(Problem(where, hint.what, hint.advice))
        return tuple(found)
