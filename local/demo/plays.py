"""The demo with each training service: its data sets, and the checks at its end."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from local.demo.app_stage import PIPELINE
from local.demo.client import failed, shares
from local.demo.play import Act, Play
from local.demo.serving_stage import ServingStage
from local.demo.stage import Stage
from shared.core.counting import counted
from shared.core.run.record import ENDS, Phase
from shared.core.serving.traffic import ALL


class StudioPlay(Play[Stage]):
    """The demo with Studio (classic): each model goes live at the endpoint."""

    path = ("received", "created", "training", "trained", "promoting", "verifying")
    result = "the endpoint answers with the last model"

    @property
    def service(self) -> str:
        """The line that says which service trains."""
        return f"ML service  {self.stage.studio.url}  (a stand-in that really trains)"

    def acts(self) -> list[Act]:
        """Return a part of the table, and all of it."""
        parts = {"first": 0.4, "second": 1.0}
        return [
            Act(f"{PIPELINE}/{name}.csv", self.stage.data(part), Phase.PROMOTED)
            for name, part in parts.items()
        ]

    def jobs(self) -> list[str]:
        """Return the jobs that were started, each as often as it was."""
        return [
            str(job["id"]) for job in self.stage.studio.state["jobs"] for _ in range(job["starts"])
        ]

    def state(self) -> list[str]:
        """Return what the endpoint answers."""
        return self.stage.answers()

    def problems(self, acts: Sequence[Act]) -> Iterator[str]:
        """Yield where the endpoint does not answer with a new model."""
        for act in acts:
            if act.before == act.after:
                yield f"{act.blob}: the endpoint answers as before: {act.after}"
        if self.stage.answers() != acts[-1].after:
            yield "the endpoint does not answer with the last model any more"

    def rows(self, act: Act) -> dict[str, str]:
        """Return job and model, and how the answers for the probe rows changed."""
        moves = {
            f"probe row {row}": f"{before} -> [bold]{after}[/]"
            for row, (before, after) in enumerate(zip(act.before, act.after, strict=True), start=1)
        }
        model = _unversioned(act.run["model"]["name"])
        return {"job": act.run["job"], "model": model, **moves}


class AzureMlPlay(Play[ServingStage]):
    """The demo with Azure Machine Learning: requests reach a new model step by step."""

    path = ("received", "created", "training", "trained", "staging", "promoting", "verifying")
    result = "the second model serves, and a third that broke at 10 % was rolled back"

    def __init__(self, console: Console, stage: ServingStage) -> None:
        super().__init__(console, stage)
        self.client = stage.client()
        self._step = -1

    def perform(self) -> None:
        """Play it, while a client sends requests all the time."""
        with self.client:
            super().perform()

    @property
    def service(self) -> str:
        """The line that says which service trains and serves."""
        return f"workspace   {self.stage.workspace.url}  (a stand-in that really trains and serves)"

    def acts(self) -> list[Act]:
        """Return a part of the table, all of it, and one whose model will break."""
        name = f"{PIPELINE}/{{}}.csv".format
        broken = "; its model will fail under traffic"
        return [
            Act(name("first"), self.stage.data(0.4), Phase.PROMOTED),
            Act(name("second"), self.stage.data(1.0), Phase.PROMOTED),
            Act(name("third"), self.stage.data(0.8), Phase.ROLLED_BACK, broken),
        ]

    def jobs(self) -> list[str]:
        """Return the jobs that the workspace has."""
        return self.stage.jobs()

    def state(self) -> list[str]:
        """Return which deployments serve."""
        return sorted(self.stage.traffic())

    def watch(self, act: Act, run: dict[str, Any]) -> None:
        """Note what the client sees of each step, and let the third model break.

        Args:
            act: the data set.
            run: as the API shows it; empty while there is none.
        """
        promotion = run.get("promotion") or {"steps": [], "position": -1}
        at = promotion["position"]
        begun = at >= 0 and promotion["steps"][at].get("began_at")
        self.client.hurries = bool(run.get("phase") == "verifying" and begun)
        if self.client.hurries and at != self._step:
            self._step = at
            self.client.take()
            if act.ends is Phase.ROLLED_BACK:
                self.stage.crash(run["candidate"]["name"])
        if self.client.hurries:
            share = promotion["steps"][at]["share"]
            act.seen[f"{share} %"] = self.client.seen
        if run.get("phase") in ENDS:
            self._step = -1

    def lines(self, run: dict[str, Any]) -> list[str]:
        """Return who answers the client at present."""
        seen = self.client.seen
        if not seen:
            return []
        own = (run.get("candidate") or {}).get("name", "")
        parts = [
            f"[bold]{name}[/] {part:.0f} %" if name == own else f"{name} {part:.0f} %"
            for name, part in shares(seen).items()
        ]
        bad = failed(seen)
        wrong = f"   [red]{counted(bad, 'error')}[/]" if bad else ""
        answers = counted(sum(seen.values()), "answer")
        return [f"  [dim]{answers} to a client:[/] {', '.join(parts)}{wrong}"]

    def problems(self, acts: Sequence[Act]) -> Iterator[str]:
        """Yield where requests did not go as they should, or something forbidden was asked."""
        first, second, third = acts
        names = [str(act.run["candidate"]["name"]) for act in acts]
        for act, serves in ((first, names[0]), (second, names[1]), (third, names[1])):
            if act.after != [serves]:
                yield f"{act.blob}: {', '.join(act.after) or 'nothing'} serves, and not {serves}"
        for share in ("10 %", "50 %"):
            part = shares(second.seen.get(share, Counter())).get(names[1], 0)
            if not 0 < part < ALL:
                yield f"{second.blob}: at {share} the new model answered {part:.0f} % of a client"
        if not failed(third.seen.get("10 %", Counter())):
            yield f"{third.blob}: its model was to break, and the client saw no error"
        for violation in self.stage.violations():
            yield f"the app sent a forbidden request to the endpoint: {violation}"

    def rows(self, act: Act) -> dict[str, str]:
        """Return the job, its evaluation, and what the client saw of each step."""
        measured = act.run["verdict"]["metrics"]["AUC"]
        own = str(act.run["candidate"]["name"])
        asked = {
            f"traffic {share}": _of_client(act.seen.get(share), own, any_step=bool(act.seen))
            for share in ("10 %", "50 %", "100 %")
        }
        ended = act.run["phase"]
        return {
            "job": act.run["job"],
            "AUC": f"{measured:.3f}",
            "deployment": own,
            **asked,
            "end": f"[green]{ended}[/]" if act.ends is Phase.PROMOTED else f"[yellow]{ended}[/]",
            "live afterwards": ", ".join(act.after),
        }


def _of_client(seen: Counter[tuple[str, int]] | None, own: str, *, any_step: bool) -> str:
    """Return what a client saw of one step; a first model goes live without steps."""
    if not seen:
        return "[dim]not reached[/]" if any_step else "[dim]no steps[/]"
    bad = failed(seen)
    wrong = f", {counted(bad, 'error')}" if bad else ""
    return f"{shares(seen).get(own, 0):.0f} % of {counted(sum(seen.values()), 'answer')}{wrong}"


def _unversioned(model: str) -> str:
    """Return the model's path without its longest part, the run, whose job is above."""
    parts = model.partition("/")[2].split("/")
    return "/".join([*parts[:2], "…", *parts[3:]])
