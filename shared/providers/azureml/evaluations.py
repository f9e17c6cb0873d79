"""Finds the evaluation of a finished job: a file of an output, or what MLflow keeps.

See azure-machine-learning-v2 §2.8. Which file of a folder it is, is never guessed; metrics of
MLflow are used only where they are asked for, and a missing one is not zero.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.core.config.gate import MLFLOW
from shared.core.decisions.predictions import MOST_BYTES
from shared.core.service import service
from shared.errors import PermanentError
from shared.ports.training import Evaluation, FinishedJob
from shared.providers.azureml.history import RunHistory
from shared.providers.azureml.outputs import FoundOutput, JobOutputs

USUAL: Final = "evaluation.json"
_LONGEST: Final = 1024 * 1024
_OBJECTS: Final = (b"{", b"[")


@service
class Evaluations:
    """The evaluations of the jobs of one configuration.

    Args:
        outputs: finds what jobs wrote.
        history: knows the metrics of MLflow.
    """

    outputs: JobOutputs
    history: RunHistory

    def of(self, job: FinishedJob, wanted: str | None, models: tuple[str, ...]) -> Evaluation:
        """Return what a finished job says of its model. Raises as the port says.

        Args:
            job: a finished job.
            wanted: `<output>`, `<output>/<file>`, or `mlflow:` with a step; None: the usual file
                in the model's folder.
            models: the outputs that are models.
        """
        if wanted is None:
            return self._beside(job, models)
        if wanted.startswith(MLFLOW):
            return self._logged(job, wanted.removeprefix(MLFLOW) or None)
        return self._of_output(job, wanted, _METRICS)

    def predictions(self, job: FinishedJob, wanted: str) -> Evaluation:
        """Return the rows that a finished job scored. Raises as the port says.

        Args:
            job: a finished job.
            wanted: `<output>` or `<output>/<file>`.
        """
        return self._of_output(job, wanted, _ROWS)

    def _of_output(self, job: FinishedJob, wanted: str, kind: "_Kind") -> Evaluation:
        output, _, file = wanted.partition("/")
        found = self.outputs.found(job, output)
        if found is None:
            path = self.outputs.planner.output_place(job.request, output)
            return Evaluation(f"{path}/{file or kind.usual}", None, f"output {output} has no file")
        return self._read(found, file, kind)

    def _read(self, found: FoundOutput, file: str, kind: "_Kind") -> Evaluation:
        chosen = f"{found.path}/{file}" if file else _only(found, kind)
        content = self.outputs.read(chosen, kind.most)
        if content is None:
            return Evaluation(chosen, None, f"output {found.name} has {found.listed}")
        bare = "." not in chosen.rpartition("/")[2]
        # A lone file may have just the output's name: its content says what it is.
        suffix = ".json" if bare and content.lstrip()[:1] in _OBJECTS else ""
        return Evaluation(f"{chosen}{suffix}", content)

    def _beside(self, job: FinishedJob, models: tuple[str, ...]) -> Evaluation:
        output = models[0] if models else "model"
        path = f"{self.outputs.planner.output_place(job.request, output)}/{USUAL}"
        if self.outputs.there(job, path) is None:
            why = "name the output that holds it as gate.metrics"
            return Evaluation(path, None, why)
        return Evaluation(path, self.outputs.read(path, _LONGEST))

    def _logged(self, job: FinishedJob, step: str | None) -> Evaluation:
        where = f"mlflow/{job.handle}" + (f"/{step}" if step else "")
        metrics = self.history.metrics(job.handle, step)
        if metrics is None:
            return Evaluation(where, None, f"job {job.handle} has no step {step!r}")
        if not metrics:
            what = f"step {step}" if step else f"job {job.handle} itself"
            why = f"{what} has logged no finite metric; those of a pipeline are on its steps"
            return Evaluation(where, None, why)
        return Evaluation(f"{where}.json", _as_json(metrics))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an output is read for: which file of it is meant, and how large it may be."""

    key: str  #: of the pipelines file, which names the file where several could be meant
    usual: str
    readable: tuple[str, ...]
    most: int


_METRICS: Final = _Kind("gate.metrics", USUAL, (".json", ".csv"), _LONGEST)
_ROWS: Final = _Kind(
    "gate.compare.predictions",
    "predictions.csv",
    (".csv", ".tsv", ".jsonl", ".ndjson", ".json"),
    MOST_BYTES,
)


def _only(found: FoundOutput, kind: _Kind) -> str:
    """Return the path of the one file that can be meant.

    Args:
        found: the output.
        kind: what it is read for.

    Raises:
        PermanentError: it is not clear which one is; the message lists them.
    """
    if found.is_file:
        return found.path
    by_name = {found.inside(blob): blob.name for blob in found.files}
    if kind.usual in by_name:
        return by_name[kind.usual]
    readable = [name for name in by_name if name.casefold().endswith(kind.readable)]
    if len(readable) == 1:
        return by_name[readable[0]]
    advice = f"write {kind.key}: {found.name}/<file>"
    forms = " or ".join(filter(None, (", ".join(kind.readable[:-1]), kind.readable[-1])))
    what = f"output {found.name} has no {kind.usual}, and not exactly one {forms}"
    raise PermanentError(f"{what}; it has {found.listed}: {advice}", advice=advice)


def _as_json(metrics: Mapping[str, float]) -> bytes:
    return json.dumps({name: metrics[name] for name in sorted(metrics)}).encode()
