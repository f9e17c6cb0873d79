"""Times of a window, as expressions compute them, and how Relearn writes them.

A time is the start or the end of the window, or a date that is written out; then it is shifted,
and then the parts below an hour, a day or a month may be dropped: `Date.StartOfDay`. A window time
can be shifted by one unit. Dropped parts are constants, so they become literals of the format.
"""

import calendar
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from shared.core.config.dotnet_dates import checked_form, formatted
from shared.importers.data_factory.expressions.syntax import UnresolvedError

Unit = Literal["", "hour", "day", "month"]
_LENGTHS: Final[dict[Unit, timedelta]] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_ORDER: Final[tuple[Unit, ...]] = ("", "hour", "day", "month")
_SHORTEST_MONTH: Final = timedelta(days=28)
_ZERO: Final = timedelta()
_YEAR: Final = 12  #: months
_MOST: Final = timedelta(days=366 * 100)
#: The letters of a format that are constant once the parts below this unit are dropped.
_DROPPED: Final[dict[Unit, str]] = {"": "", "hour": "msfF", "day": "msfFHht", "month": "msfFHhtd"}
_PIECE: Final = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\.|%(?=[dfFgHhKMmstyz])|d+|f+|F+|g+|H+|h+|K+|M+|m+|s+|t+|y+|z+|.",
    re.DOTALL,
)
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:\d\d)?)?"
)
#: What .NET reads as a time, without quotes; the group is there where it says the time of day.
_READABLE: Final = re.compile(
    r"(?:y{4}-MM?-dd?|y{4}/MM?/dd?|MM?/dd?/y{4})([T ](?:HH?:mm|hh?:mm.*tt).*)?"
)
#: The parts of a format that always write as many characters as they have themselves.
_FIXED: Final = frozenset(("yyyy", "MM", "dd", "HH", "hh", "mm", "ss", "tt", "K")) | {
    "f" * count for count in range(1, 8)
}
#: The letters that those of them write which write no digits.
_WRITTEN: Final = {"tt": "AMP", "K": "Z"}
_NAMED_DAY: Final = 3
#: The units that a window time is shifted by, in minutes, without months and years.
_SHIFTS: Final = (("d", 24 * 60), ("h", 60), ("m", 1))
_MOST_NUMBER: Final = 999_999
_TWO_STEPS: Final = "it shifts a time by months and by shorter units, which no window time can"

#: What the standard formats of .NET stand for: in every culture, and in the invariant one.
_SAME_EVERYWHERE: Final = {
    **dict.fromkeys("oO", "yyyy-MM-dd'T'HH:mm:ss.fffffffK"),
    **dict.fromkeys("rR", "ddd, dd MMM yyyy HH:mm:ss 'GMT'"),
    "s": "yyyy-MM-dd'T'HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ss'Z'",
}
_INVARIANT: Final = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    **dict.fromkeys("FU", "dddd, dd MMMM yyyy HH:mm:ss"),
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    **dict.fromkeys("mM", "MMMM dd"),
    **dict.fromkeys("yY", "yyyy MMMM"),
}
ROUND_TRIP: Final = _SAME_EVERYWHERE["o"]
DEFAULT: Final = _INVARIANT["G"]
NO_FORMAT: Final = (
    f"it writes a time without a format; Relearn writes {DEFAULT}, as .NET's invariant culture does"
)


def custom_form(form: str) -> tuple[str, str]:
    """Return a .NET format as a custom one, and why that is a guess; empty where it is none.

    Args:
        form: as the definition has it; one letter is a standard format.

    Raises:
        UnresolvedError: it is not a format.
    """
    if not form.strip():
        return DEFAULT, NO_FORMAT
    if len(form) > 1:
        return form, ""
    if form in _SAME_EVERYWHERE:
        return _SAME_EVERYWHERE[form], ""
    if form in _INVARIANT:
        why = f"the format {form} depends on the culture; Relearn writes {_INVARIANT[form]}"
        return _INVARIANT[form], why
    raise UnresolvedError("a date format of one letter in it is not one of .NET's")


def has_zone(form: str) -> bool:
    """Whether a custom format writes the zone of a time, such as `Z`."""
    return any(piece[0] in "Kz" for piece in _PIECE.findall(form))


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of a window, or one that is written out."""

    base: Literal["start", "end"] | datetime
    months: int = 0
    shift: timedelta = _ZERO
    floor: Unit = ""  #: the unit below which parts were dropped, after the shift
    rest: timedelta = _ZERO  #: added after that; negative only for the time before a month

    def moved(self, *, months: int = 0, by: timedelta = _ZERO) -> "Moment":
        """Return the time so much later.

        Args:
            months: whole months; a day that a month does not have becomes its last day.
            by: any other time.

        Raises:
            UnresolvedError: no window time can say that.
        """
        if abs(months) > _MOST.days // 28 or abs(by) > _MOST:
            raise UnresolvedError("it shifts a time by more than 100 years")
        if isinstance(self.base, datetime):
            return replace(self, base=_months_later(self.base, months) + by)
        if months and by:
            return self.moved(months=months).moved(by=by)
        if not months:
            return self._later(by)
        twice = bool(self.months) and self.floor != "month"
        if self.shift or self.rest < _ZERO or twice:
            raise UnresolvedError(_TWO_STEPS)
        return replace(self, months=self.months + months)

    def floored(self, unit: Unit) -> "Moment":
        """Return the time without the parts below a unit.

        Args:
            unit: an hour, a day or a month.
        """
        if isinstance(self.base, datetime):
            return replace(self, base=_floored(self.base, unit))
        if _ORDER.index(unit) > _ORDER.index(self.floor):
            return replace(self, floor=unit, rest=_ZERO)
        if unit == "month":
            before = 1 if self.rest < _ZERO else 0
            return replace(self, months=self.months - before, rest=_ZERO)
        return replace(self, rest=self.rest // _LENGTHS[unit] * _LENGTHS[unit])

    def written(self, form: str) -> str:
        """Return the time as Relearn writes it: `{start-1d:yyyy/MM/dd}`, or a date.

        Args:
            form: a custom .NET date format.

        Raises:
            UnresolvedError: no window time can say that.
        """
        if not set(form).isdisjoint("{}"):
            raise UnresolvedError("a date format in it holds a brace")
        try:
            if isinstance(self.base, datetime):
                return formatted(self.base, _safe(form))
            pieces = [known for piece in _PIECE.findall(form) if (known := self._piece(piece))]
            if not any(_is_part(piece) for piece in pieces):
                return "".join(_unquoted(piece) for piece in pieces)
            kept = checked_form(_safe("".join(pieces)))
        except ValueError:
            raise UnresolvedError("Relearn does not write dates in this format") from None
        return f"{{{self.base}{self._shift_text()}:{kept}}}"

    def _later(self, by: timedelta) -> "Moment":
        if not self.floor:
            if self.months and by:
                raise UnresolvedError(_TWO_STEPS)
            return replace(self, shift=self.shift + by)
        total = self.rest + by
        if self.floor == "month":
            if not -_SHORTEST_MONTH <= total < _SHORTEST_MONTH:
                raise UnresolvedError(_TWO_STEPS)
            return replace(self, rest=total)
        carry = total // _LENGTHS[self.floor] * _LENGTHS[self.floor]
        if carry and self.months:
            raise UnresolvedError(_TWO_STEPS)
        return replace(self, shift=self.shift + carry, rest=total - carry)

    def _shift_text(self) -> str:
        months = self.months - (1 if self.rest < _ZERO else 0)
        if months and self.shift:
            raise UnresolvedError(_TWO_STEPS)
        if months:
            return f"{months // _YEAR:+}y" if months % _YEAR == 0 else f"{months:+}mo"
        minutes, more = divmod(self.shift, timedelta(minutes=1))
        if more:
            raise UnresolvedError("it shifts a time by less than a minute")
        unit, length = next(one for one in _SHIFTS if minutes % one[1] == 0)
        if abs(minutes // length) > _MOST_NUMBER:
            raise UnresolvedError("it shifts a time by more than 999,999 minutes")
        return f"{minutes // length:+}{unit}" if minutes else ""

    def _piece(self, piece: str) -> str:
        """Return a piece of a format, as a literal where its part was dropped."""
        if piece == "%" and self.floor:
            return ""
        if piece[0] not in _DROPPED[self.floor]:
            return piece
        if piece[0] == "d" and (self.rest < _ZERO or len(piece) >= _NAMED_DAY):
            raise UnresolvedError("it needs a day that depends on the month")
        known = formatted(datetime(2001, 1, 1, tzinfo=UTC) + self.rest, _safe(piece))
        return known if not known or known.isdigit() else f"'{known}'"


def constant_date(value: object) -> Moment:
    """Return the time that a text says, in UTC where it does not say its offset.

    Args:
        value: such as `2018-01-31T00:00:00Z` or `1/31/2018 12:00:00 AM`.

    Raises:
        UnresolvedError: it says no time.
    """
    text = value.strip() if isinstance(value, str) else ""
    if _ISO.fullmatch(text):
        said = datetime.fromisoformat(text)
        return Moment(said.replace(tzinfo=said.tzinfo or UTC).astimezone(UTC))
    for form in ("%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M"):
        with suppress(ValueError):
            return Moment(datetime.strptime(text, form).replace(tzinfo=UTC))
    raise UnresolvedError("a text in it is used as a time, and is none")


def whole_number(value: object) -> int:
    """Return by how many units a time is shifted.

    Raises:
        UnresolvedError: it is not a whole number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise UnresolvedError("a time in it is shifted by something that is not a whole number")
    return int(value)


def moment_written(moment: Moment, form: str) -> Moment:
    """Return the time that is read from a time that was written in a format.

    Args:
        moment: what was written.
        form: how, as a custom format; what it leaves out is lost.

    Raises:
        UnresolvedError: .NET does not read such a format as a time.
    """
    plain = "".join(_unquoted(piece) for piece in _PIECE.findall(form))
    if (found := _READABLE.fullmatch(plain)) is None:
        raise UnresolvedError("a time in it is written in a format that is not read as a time")
    return moment if found[1] else moment.floored("day")


def cut_form(form: str, first: int, length: int | None) -> str:
    """Return the part of a custom format that writes these characters of the written time.

    Args:
        form: a format, each part of which has a fixed length.
        first: the first character.
        length: how many; None: all that follow.

    Raises:
        UnresolvedError: they begin or end within a part.
    """
    pieces = list(_characters(form))
    lengths = [len(_unquoted(piece)) if piece[0] in "'\"\\" else len(piece) for piece in pieces]
    starts = [sum(lengths[:at]) for at in range(len(lengths) + 1)]
    last = starts[-1] if length is None else first + length
    if first not in starts or last not in starts or last <= first:
        raise UnresolvedError("it cuts a time in the middle of a part")
    return "".join(pieces[starts.index(first) : starts.index(last)])


def replaced_form(form: str, old: str, new: str) -> str:
    """Return a custom format with a character of its literals replaced.

    Args:
        form: the format, each part of which has a fixed length.
        old: the character, which no part of a date can write.
        new: what to write instead.

    Raises:
        UnresolvedError: more would have to be replaced.
    """
    if len(old) != 1 or old.isalnum() or not set(new).isdisjoint("'\"\\{}"):
        raise UnresolvedError("it replaces more in a time than a sign between its parts")
    by = new if new and set(new) <= set("-/_.: ") else f"'{new}'" if new else ""
    pieces = _characters(form)
    return "".join(
        by if not _is_part(piece) and _unquoted(piece) == old else piece for piece in pieces
    )


def split_form(form: str, by: str) -> list[str]:
    """Return the custom formats of the parts of a written time between a sign, such as `-`.

    Args:
        form: the format, each part of which has a fixed length.
        by: the sign, which no part of a date can write.

    Raises:
        UnresolvedError: it cannot be split so.
    """
    pieces = list(_characters(form))
    if len(by) != 1 or by.isdigit() or any(by in _WRITTEN.get(piece, "") for piece in pieces):
        raise UnresolvedError("it splits a time at more than a sign between its parts")
    forms = [""]
    for piece in pieces:
        if not _is_part(piece) and _unquoted(piece) == by:
            forms.append("")
        else:
            forms[-1] += piece
    return forms


def _characters(form: str) -> Iterator[str]:
    """Yield the parts of a format, and each character of its literals.

    Raises:
        UnresolvedError: a part has no fixed length.
    """
    for piece in _PIECE.findall(form):
        if _is_part(piece) and piece not in _FIXED:
            raise UnresolvedError("it takes a time apart whose parts have no fixed length")
        if piece[0] in "'\"":
            yield from (f"'{letter}'" for letter in _unquoted(piece))
        elif piece != "%":
            yield piece


def _months_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * _YEAR + moment.month - 1 + months, _YEAR)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _floored(moment: datetime, unit: Unit) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return hour
    return hour.replace(hour=0, day=1) if unit == "month" else hour.replace(hour=0)


def _is_part(piece: str) -> bool:
    """Whether a piece of a format stands for a part of a date."""
    return piece[0] in "dfFgHhKMmstyz"


def _unquoted(piece: str) -> str:
    return piece[1:] if piece[0] == "\\" else piece[1:-1] if piece[0] in "'\"" else piece


def _safe(form: str) -> str:
    """Return a format so that one letter is not read as a standard one."""
    return f"%{form}" if len(form) == 1 else form
