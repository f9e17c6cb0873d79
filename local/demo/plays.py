"""The demo with each service that trains: its data sets, and what has to be true in the end."""

from collections.abc import Iterator, Sequence

from local.demo.app_stage import MODELS, PIPELINE
from local.demo.azureml_stage import LEAST_AUC, AzureMlStage
from local.demo.play import Act, Play
from local.demo.stage import Stage
from shared.core.run.record import Phase


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


class AzureMlPlay(Play[AzureMlStage]):
    """The demo with Azure Machine Learning: models are registered, and the gate judges them."""

    path = ("received", "created", "training", "trained", "judged")
    result = "the good models are registered, and the useless one was rejected"

    @property
    def service(self) -> str:
        """The line that says which service trains."""
        return f"workspace   {self.stage.workspace.url}  (a stand-in that really trains)"

    def acts(self) -> list[Act]:
        """Return a part of the table, all of it, and one that nothing can be learnt from."""
        good = {"first": 0.4, "second": 1.0}
        made = [
            Act(f"{PIPELINE}/{name}.csv", self.stage.data(part), Phase.FINISHED)
            for name, part in good.items()
        ]
        about = ", with made-up labels"
        return [
            *made,
            Act(f"{PIPELINE}/useless.csv", self.stage.useless_data(), Phase.REJECTED, about),
        ]

    def jobs(self) -> list[str]:
        """Return the jobs that the workspace has."""
        return self.stage.jobs()

    def state(self) -> list[str]:
        """Return the registered versions."""
        return self.stage.versions()

    def problems(self, acts: Sequence[Act]) -> Iterator[str]:
        """Yield where a good model is not registered, another is, or a job left no output."""
        for act in acts:
            added = _added(act)
            if len(added) != int(act.ends is Phase.FINISHED):
                yield f"{act.blob}: registered {', '.join(added) or 'nothing'}"
            if not self._outputs(act):
                yield f"{act.blob}: its job wrote nothing to {MODELS}"

    def rows(self, act: Act) -> dict[str, str]:
        """Return the job, what it wrote, its evaluation and what was registered."""
        measured = act.run["verdict"]["metrics"]["AUC"]
        return {
            "job": act.run["job"],
            "outputs": "\n".join(self._outputs(act)),
            f"AUC (gate: {LEAST_AUC:g})": f"{measured:.3f}",
            "model": "\n".join(_added(act)) or "rejected",
        }

    def _outputs(self, act: Act) -> list[str]:
        """Return the files that the job of a data set wrote, below the folder of its attempt."""
        folder = f"runs/{act.run['pipeline']}/{act.run['run_id']}/{act.run['attempt']}/"
        found = self.stage.storage.get_container_client(MODELS).list_blob_names(
            name_starts_with=folder
        )
        return [name.removeprefix(folder) for name in found]


def _added(act: Act) -> list[str]:
    return [version for version in act.after if version not in act.before]


def _unversioned(model: str) -> str:
    """Return the model's path without its longest part, the run, whose job is above."""
    parts = model.partition("/")[2].split("/")
    return "/".join([*parts[:2], "…", *parts[3:]])
