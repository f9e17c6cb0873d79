"""Waits until runs of a real host have reached a state."""

from dataclasses import dataclass
from typing import Any

from local.demo.app_stage import AppStage
from local.demo.stage import Stage
from shared.core.run.record import ENDS
from tests.waiting import eventually

#: Runs that follow from another one, with its data.
_FOLLOW = ("roll_out", "rollback", "drift")


@dataclass(frozen=True, order=True)
class _Opened:
    """What a run was opened for, which stays."""

    at: str
    run_id: str
    origin: str
    blob: str


#: By the id of the run: each check would ask the app for every run.
_KNOWN: dict[str, _Opened] = {}


def _opened(stage: AppStage, run_id: str) -> _Opened | None:
    if run_id not in _KNOWN and (run := stage.run(run_id)):
        blob = run["manifest"][0]["name"]
        _KNOWN[run_id] = _Opened(str(run["opened_at"]), run_id, run["origin"], blob)
    return _KNOWN.get(run_id)


def run_of(stage: AppStage, blob: str) -> dict[str, Any]:
    """Return the run that the newest version of a blob opened, once there is one."""

    def check() -> dict[str, Any]:
        opened = [found for run_id in stage.run_ids() if (found := _opened(stage, run_id))]
        mine = [one for one in opened if one.origin not in _FOLLOW and one.blob == blob]
        return (stage.run(max(mine).run_id) or {}) if mine else {}

    return eventually(check, f"a run for {blob}")


def ended(stage: AppStage, blob: str, seconds: float = 60) -> dict[str, Any]:
    """Return the run of a blob once it is over (or parked, which no test here wants)."""

    run_id = run_of(stage, blob)["run_id"]

    def check() -> dict[str, Any]:
        run = stage.run(run_id) or {}
        return run if run and (run["phase"] in ENDS or run["phase"] == "parked") else {}

    try:
        return eventually(check, f"the end of the run for {blob}", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{stage.run(run_id)}\n{stage.host.log[-4000:]}") from None


def starts(stage: Stage) -> list[int]:
    """Return how often each job was started, as the service counted it."""
    return [job["starts"] for job in stage.studio.state["jobs"]]
