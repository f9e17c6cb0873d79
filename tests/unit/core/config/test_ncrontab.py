"""NCRONTAB has the rules of the library that Azure Functions timers use (atifaziz/NCrontab).

Names, steps, lists and turned ranges are read as `CrontabFieldImpl` and `CrontabField` say, five
or six fields as the timers' `CronSchedule` does; the due times after a moment are those that the
library's own tests publish. Each schedule is also walked day by day, ahead and back.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product

import pytest

from local.host.timers import next_due
from shared.core.config.ncrontab import checked as checked_by_host
from shared.core.config.schedule import checked_schedule, last_due_of, next_due_of

ALL = {
    "s": range(60), "m": range(60), "h": range(24), "d": range(1, 32), "mo": range(1, 13),
    "w": range(7),
}  # fmt: skip


def at(text: str) -> datetime:
    return datetime.strptime(text, "%d/%m/%Y %H:%M:%S").replace(tzinfo=UTC)


#: schedule -> what it allows of each field; left out: all (of seconds: 0 where there are five).
MEANING: dict[str, dict[str, object]] = {
    "* * * * * *": {},
    "* * * * *": {"s": [0]},
    " *  * * * *  ": {"s": [0]},
    "0 0 3 * * Monday": {"s": [0], "m": [0], "h": [3], "w": [1]},
    "0 0 3 * * monday": {"s": [0], "m": [0], "h": [3], "w": [1]},
    "0 0 3 * * MON": {"s": [0], "m": [0], "h": [3], "w": [1]},
    "0 0 3 * * M": {"s": [0], "m": [0], "h": [3], "w": [1]},
    "0 0 3 * * T": {"s": [0], "m": [0], "h": [3], "w": [2]},
    "0 0 3 * * Tues": {"s": [0], "m": [0], "h": [3], "w": [2]},
    "0 0 3 * * Th": {"s": [0], "m": [0], "h": [3], "w": [4]},
    "0 0 3 * * thurs": {"s": [0], "m": [0], "h": [3], "w": [4]},
    "0 0 3 * * W": {"s": [0], "m": [0], "h": [3], "w": [3]},
    "0 0 3 * * S": {"s": [0], "m": [0], "h": [3], "w": [0]},
    "0 0 3 * * Sa": {"s": [0], "m": [0], "h": [3], "w": [6]},
    "0 0 3 * * SUNDAY": {"s": [0], "m": [0], "h": [3], "w": [0]},
    "0 0 3 * * SAT-MON": {"s": [0], "m": [0], "h": [3], "w": range(1, 7)},
    "0 0 3 * * Fri-Mon": {"s": [0], "m": [0], "h": [3], "w": range(1, 6)},
    "0 0 3 * * 6-0": {"s": [0], "m": [0], "h": [3], "w": range(7)},
    "0 0 3 * * Mon-Fri": {"s": [0], "m": [0], "h": [3], "w": range(1, 6)},
    "0 0 3 * * Mon-5": {"s": [0], "m": [0], "h": [3], "w": range(1, 6)},
    "0 0 3 * * Mon,Wed,Fri": {"s": [0], "m": [0], "h": [3], "w": [1, 3, 5]},
    "0 0 3 * * Fri,Mon-Tue": {"s": [0], "m": [0], "h": [3], "w": [1, 2, 5]},
    "0 0 3 * * Mon-Sat/2": {"s": [0], "m": [0], "h": [3], "w": [1, 3, 5]},
    "0 0 3 * * */2": {"s": [0], "m": [0], "h": [3], "w": [0, 2, 4, 6]},
    "0 0 3 * * 2/2": {"s": [0], "m": [0], "h": [3], "w": [2, 4, 6]},
    "0 0 3 1 January *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [1]},
    "0 0 3 1 j *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [1]},
    "0 0 3 1 Jun *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [6]},
    "0 0 3 1 JuNE *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [6]},
    "0 0 3 1 July *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [7]},
    "0 0 3 1 Augu *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [8]},
    "0 0 3 1 A *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [4]},
    "0 0 3 1 M *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [3]},
    "0 0 3 1 SEPT-October *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [9, 10]},
    "0 0 3 1 February,April-Jun *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [2, 4, 5, 6]},
    "0 0 3 1 DECEM *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [12]},
    "0 0 3 1 Dec-Feb *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": range(2, 13)},
    "0 0 3 1 */3 *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [1, 4, 7, 10]},
    "0 0 3 1 2/3 *": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [2, 5, 8, 11]},
    "1 * 1-2,3 * * *": {"s": [1], "h": [1, 2, 3]},
    "22 * * * */2 *": {"s": [22], "mo": [1, 3, 5, 7, 9, 11]},
    "33 10-40/15 * * * *": {"s": [33], "m": [10, 25, 40]},
    "55 * * * Mar,Jan,Aug Fri,Mon-Tue": {"s": [55], "mo": [1, 3, 8], "w": [1, 2, 5]},
    "45-47,48,49 * * * * *": {"s": range(45, 50)},
    "2/5 * * * * *": {"s": range(2, 60, 5)},
    "*/90 * * * * *": {"s": [0]},
    "0 */90 * * * *": {"s": [0], "m": [0]},
    "0 7/90 * * * *": {"s": [0], "m": [7]},
    "0 */60 * * * *": {"s": [0], "m": [0]},
    "0 */59 * * * *": {"s": [0], "m": [0, 59]},
    "0 */7 * * * *": {"s": [0], "m": range(0, 60, 7)},
    "0 */0 * * * *": {"s": [0]},
    "0 */-5 * * * *": {"s": [0]},
    "0 */+5 * * * *": {"s": [0], "m": range(0, 60, 5)},
    "0 */05 * * * *": {"s": [0], "m": range(0, 60, 5)},
    "0 5/0 * * * *": {"s": [0], "m": range(5, 60)},
    "00 00 03 01 01 00": {"s": [0], "m": [0], "h": [3], "d": [1], "mo": [1], "w": [0]},
    "0 5-5 * * * *": {"s": [0], "m": [5]},
    "0 5-5/3 * * * *": {"s": [0], "m": [5]},
    "0 40-10 * * * *": {"s": [0], "m": range(10, 41)},
    "0 40-10/10 * * * *": {"s": [0], "m": [10, 20, 30, 40]},
    "0 0 22-4 * * *": {"s": [0], "m": [0], "h": range(4, 23)},
    "0 0 22,23,0-4 * * *": {"s": [0], "m": [0], "h": [0, 1, 2, 3, 4, 22, 23]},
    "0 0 8-18/2 * * 1-5": {"s": [0], "m": [0], "h": range(8, 19, 2), "w": range(1, 6)},
    "0 */5 8-18 * * 1-5": {"s": [0], "m": range(0, 60, 5), "h": range(8, 19), "w": range(1, 6)},
    "0 5,5,5 * * * *": {"s": [0], "m": [5]},
    "0 *,5 * * * *": {"s": [0]},
    "0 0 0 31 * *": {"s": [0], "m": [0], "h": [0], "d": [31]},
    "0 0 0 30,31 * *": {"s": [0], "m": [0], "h": [0], "d": [30, 31]},
    "0 0 0 15,30,31 * *": {"s": [0], "m": [0], "h": [0], "d": [15, 30, 31]},
    "0 0 0 29 2 *": {"s": [0], "m": [0], "h": [0], "d": [29], "mo": [2]},
    "0 0 0 29 Feb Mon": {"s": [0], "m": [0], "h": [0], "d": [29], "mo": [2], "w": [1]},
    "0 0 0 30,31 Feb,Mar *": {"s": [0], "m": [0], "h": [0], "d": [30, 31], "mo": [2, 3]},
    "0 0 0 31-29 * *": {"s": [0], "m": [0], "h": [0], "d": [29, 30, 31]},
    "0 0 3 1-7 * MON": {"s": [0], "m": [0], "h": [3], "d": range(1, 8), "w": [1]},
    "0 0 3 13 * 5": {"s": [0], "m": [0], "h": [3], "d": [13], "w": [5]},
    "59 59 23 31 12 *": {"s": [59], "m": [59], "h": [23], "d": [31], "mo": [12]},
    "0 12 * */2 Mon": {"s": [0], "m": [0], "h": [12], "mo": [1, 3, 5, 7, 9, 11], "w": [1]},
    "30 6 * * sunday": {"s": [0], "m": [30], "h": [6], "w": [0]},
    "45 16 1 * Mon": {"s": [0], "m": [45], "h": [16], "d": [1], "w": [1]},
    "40 14/1 * * *": {"s": [0], "m": [40], "h": range(14, 24)},
    "* 2,4-8,15 * 6 *": {"s": [0], "h": [2, 4, 5, 6, 7, 8, 15], "mo": [6]},
    "0 3/4 * * *": {"s": [0], "m": [0], "h": [3, 7, 11, 15, 19, 23]},
}  # fmt: skip


MOMENTS = [
    at("01/01/2003 00:00:00"), at("28/02/2004 23:59:59"), at("31/12/2026 23:59:59"),
    at("15/06/2026 12:34:56"), at("29/02/2024 03:00:00"), at("24/02/2021 09:50:35"),
]  # fmt: skip


def days(start: datetime, step: int) -> Iterator[datetime]:
    day = start.replace(hour=0, minute=0, second=0)
    for _ in range(366 * 41):
        yield day
        day += timedelta(days=step)


def walked(text: str, start: datetime, step: int) -> datetime | None:
    """Return the next or newest due time by the meaning of the schedule, day by day."""
    meaning, clock = {**ALL, **MEANING[text]}, (start.hour, start.minute, start.second)
    for day in days(start, step):
        fits = day.day in meaning["d"] and day.month in meaning["mo"]  # type: ignore[operator]
        if not fits or (day.weekday() + 1) % 7 not in meaning["w"]:  # type: ignore[operator]
            continue
        for time in times_of_day(text)[::step]:
            if day.date() == start.date() and (time > clock) is not (step > 0):
                continue
            hour, minute, second = time
            return day.replace(hour=hour, minute=minute, second=second)
    return None


@cache
def times_of_day(text: str) -> list[tuple[int, int, int]]:
    meaning = {**ALL, **MEANING[text]}
    return list(product(meaning["h"], meaning["m"], meaning["s"]))  # type: ignore[call-overload]


@pytest.mark.parametrize("text", MEANING)
def test_each_schedule_is_due_when_the_library_says_ahead_and_back(text: str) -> None:
    assert checked_schedule(text) == checked_by_host(text) == text
    for start in MOMENTS:
        due = walked(text, start, 1)
        assert next_due_of(text, start) == due
        assert due is not None
        assert next_due(text, start) == due
        assert last_due_of(text, start) == walked(text, start, -1)
        assert last_due_of(text, due) == due
        before = last_due_of(text, due - timedelta(microseconds=1))
        assert before is None or before <= start


#: From the library's own tests: a moment, a schedule, the first due time after it.
PUBLISHED = [
    ("01/01/2003 00:00:00", "* * * * *", "01/01/2003 00:01:00"),
    ("01/01/2003 00:59:00", "* * * * *", "01/01/2003 01:00:00"),
    ("31/12/2003 23:59:00", "* * * * *", "01/01/2004 00:00:00"),
    ("28/02/2003 23:59:00", "* * * * *", "01/03/2003 00:00:00"),
    ("28/02/2004 23:59:00", "* * * * *", "29/02/2004 00:00:00"),
    ("01/01/2003 00:00:00", "45 * * * * *", "01/01/2003 00:00:45"),
    ("01/01/2003 00:00:49", "45-47,48,49 * * * * *", "01/01/2003 00:01:45"),
    ("01/01/2003 00:00:57", "2/5 * * * * *", "01/01/2003 00:01:02"),
    ("24/02/2021 09:50:35", "* 0-1 10 * * *", "24/02/2021 10:00:00"),
    ("01/01/2003 00:49:00", "45-47,48,49 * * * *", "01/01/2003 01:45:00"),
    ("01/01/2003 00:57:00", "2/5 * * * *", "01/01/2003 01:02:00"),
    ("24/02/2021 09:50:35", "* * 10 * * *", "24/02/2021 10:00:00"),
    ("24/02/2021 09:50:35", "* 55 * * * *", "24/02/2021 09:55:00"),
    ("01/01/2003 00:00:30", "3 45 * * * *", "01/01/2003 00:45:03"),
    ("01/01/2003 00:49:30", "6 45-47,48,49 * * * *", "01/01/2003 01:45:06"),
    ("01/01/2003 00:57:30", "9 2/5 * * * *", "01/01/2003 01:02:09"),
    ("20/12/2003 10:00:00", " * 3/4 * * *", "20/12/2003 11:00:00"),
    ("20/12/2003 01:45:00", "30 3   * * *", "20/12/2003 03:30:00"),
    ("07/01/2003 00:00:00", "30  *  1 * *", "01/02/2003 00:30:00"),
    ("10/07/2003 00:00:00", " *  * 30,31 * *", "30/07/2003 00:00:00"),
    ("29/02/2004 23:59:59", "* * * 3 *", "01/03/2004 00:00:00"),
    ("15/02/2000 00:00:00", "0 0 15,30,31 * *", "15/03/2000 00:00:00"),
    ("31/03/2000 00:00:00", "0 0 15,30,31 * *", "15/04/2000 00:00:00"),
    ("01/07/2002 05:00:00", "10 * * February,April-Jun *", "01/02/2003 00:10:00"),
    ("11/03/1988 14:23:00", "* 2,4-8,15 * 6 *", "01/06/1988 02:00:00"),
    (
        "11/03/1988 14:23:00",
        "20 * * january,FeB,Mar,april,May,JuNE,July,Augu,SEPT-October,Nov,DECEM *",
        "11/03/1988 15:20:00",
    ),
    ("26/06/2003 10:00:00", "30 6 * * SUNDAY", "29/06/2003 06:30:00"),
    ("19/06/2003 00:00:00", "1 12 * * 2", "24/06/2003 12:01:00"),
    ("01/01/2003 12:00:00", "45 16 1 * Mon", "01/09/2003 16:45:00"),
    ("29/02/2000 12:01:00", "1 12 29 2 *", "29/02/2004 12:01:00"),
    ("01/01/2000 14:40:00", "40 14/1 * * *", "01/01/2000 15:40:00"),
]


@pytest.mark.parametrize(("start", "text", "due"), PUBLISHED)
def test_the_published_due_times_are_ours(start: str, text: str, due: str) -> None:
    assert next_due_of(text, at(start)) == next_due(text, at(start)) == at(due)
    assert last_due_of(text, at(due)) == at(due)
