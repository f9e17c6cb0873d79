"""What a person must change, or should know, in the settings and the pipelines file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the settings or the pipelines file that a person must change."""

    where: str  #: a setting's name, or `file:line: path`
    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f": {self.cure}" if self.cure else "")
