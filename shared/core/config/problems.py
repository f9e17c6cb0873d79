"""Errors in the settings and in the pipelines file, and how an operator corrects them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the settings or in the pipelines file that an operator must correct."""

    where: str  #: the name of a setting, or `file:line: path`
    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {_sentence(self.what, self.cure)}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """Fields of a model of the configuration that do not fit each other."""

    what: str
    cure: str = ""
    at: tuple[str | int, ...] = ()  #: the field that it is reported at; none: the model itself

    def __str__(self) -> str:
        sentence = _sentence(self.what, self.cure)
        return f"{'.'.join(map(str, self.at))}: {sentence}" if self.at else sentence


class WrongValueError(ValueError):
    """A value of the configuration that cannot be used; it says what to write instead."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(_sentence(what, cure))
        self.what, self.cure = what, cure


def _sentence(what: str, cure: str) -> str:
    return f"{what}: {cure}" if cure else what
