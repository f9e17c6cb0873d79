"""Errors in the settings and in the pipelines file, and how an operator corrects them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the settings or in the pipelines file that an operator must correct."""

    where: str  #: the name of a setting, or `file:line: path`
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {_sentence(self.what, self.advice)}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """Fields of a model of the configuration that do not fit each other."""

    what: str
    advice: str = ""
    at: tuple[str | int, ...] = ()  #: the field that it is reported at; none: the model itself

    def __str__(self) -> str:
        sentence = _sentence(self.what, self.advice)
        return f"{'.'.join(map(str, self.at))}: {sentence}" if self.at else sentence


class WrongValueError(ValueError):
    """A value of the configuration that cannot be used; it says what to write instead."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(_sentence(what, advice))
        self.what, self.advice = what, advice


def _sentence(what: str, advice: str) -> str:
    return f"{what}: {advice}" if advice else what
