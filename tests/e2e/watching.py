"""Watches runs of the real thing until they are where a test wants them."""

from typing import Any

from local.demo.app_stage import AppStage
from local.demo.stage import Stage
from shared.core.run.record import ENDS
from tests.waiting import eventually

#: Runs that follow from another one, with its data.
_FOLLOW = ("roll_out", "rollback", "drift")


def run_of(stage: AppStage, blob: str) -> dict[str, Any]:
    """Return the run that the newest version of a blob opened, once there is one."""

    def check() -> dict[str, Any]:
        opened = [run for run in reversed(stage.runs()) if run["origin"] not in _FOLLOW]
        return next((run for run in opened if run["manifest"][0]["name"] == blob), {})

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
