"""Bugs planted in windows: the run of a window, its data, and the order."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "a window has another run once its other end is due",
        "shared/intake/requests.py",
        '"schedule", *key, window.end.isoformat())\n',
        '"schedule", *key, window.due.isoformat())\n',
        ("tests/unit/intake/test_windows.py", "tests/unit/intake/test_window_schedules.py"),
    ),
    Bug(
        "a schedule that is due at the other end of its windows does one of them twice",
        "shared/core/config/due_times.py",
        "return Done(known.end if _is_window(schedule, known.due, known.end) else known.due)\n",
        "return Done(known.due)\n",
        ("tests/unit/core/config/test_due_times.py",),
    ),
    Bug(
        "windows begin in the order of their ids",
        "shared/intake/requests.py",
        "        if run.window is not None and run.phase is Phase.WAITING:\n",
        "        if run.window is None and run.phase is Phase.WAITING:\n",
        ("tests/unit/intake/test_window_runs.py",),
    ),
    Bug(
        "a newer window supersedes one that waits",
        "shared/execution/concurrency.py",
        "            newer = None if run.window else newer  # a newer window has other data\n",
        "",
        ("tests/unit/intake/test_window_runs.py",),
    ),
    Bug(
        "windows are promoted in the order of their uploads",
        "shared/core/run/record.py",
        "        if self.window is not None:\n            return self.window.due\n",
        "",
        ("tests/unit/intake/test_window_runs.py",),
    ),
    Bug(
        "windows of before are backfilled again and again",
        "shared/core/config/due_times.py",
        "    if since is not None and since <= schedule.start:\n        return []\n",
        "",
        ("tests/unit/core/config/test_due_times.py",),
    ),
    Bug(
        "a paused schedule opens runs",
        "shared/intake/due_times.py",
        "if schedule is None or (isinstance(schedule, Recurrence) and schedule.paused):\n",
        "if schedule is None:\n",
        ("tests/unit/intake/test_windows.py", "tests/unit/intake/test_window_schedules.py"),
    ),
    Bug(
        "a short period has a run at each boundary that it crosses",
        "shared/core/config/schedule.py",
        "        last = first if end - start < ended - begun else last\n",
        "",
        ("tests/unit/core/config/test_windows.py",),
    ),
)
