"""The work of a job: its steps, and the trainers that carry them out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from local.azureml.places import Datastores, NoSuchPlaceError

LITERAL: Final = "literal"
#: Rows of made-up predictions.
_ROWS: Final = 200


@dataclass(frozen=True)
class Given:
    """An input or an output of a step."""

    kind: str  #: literal, or a type of data as `uri_folder`
    value: str  #: the text of a literal, or the URI


@dataclass(frozen=True)
class Work:
    """The work of one step."""

    run_id: str
    node: str
    command: str
    code: str | None  #: URI of a folder
    inputs: Mapping[str, Given]
    outputs: Mapping[str, Given]
    variables: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None  #: the time limit


@dataclass(frozen=True)
class Outcome:
    """How a job ended, and of a failed one why."""

    status: str = "Completed"
    code: str = "UserError"
    message: str = ""
    failed: str | None = None  #: run id of the step that failed


class Training(Protocol):
    """Steps that are being done."""

    def outcome(self) -> Outcome | None:
        """Return how it ended; None while it runs."""
        ...

    def stop(self) -> None:
        """End it soon."""
        ...

    def wait(self) -> None:
        """Return when it has ended."""
        ...


class Trainer(Protocol):
    """Does the steps of jobs."""

    instant: bool  #: whether it takes no time: then it is asked when the job completes

    def start(self, steps: Sequence[Work], datastores: Datastores) -> Training:
        """Begin the steps, one after the other.

        Args:
            steps: in an order in which each finds its inputs.
            datastores: where inputs and outputs are.

        Returns:
            What runs.
        """
        ...


@dataclass(frozen=True)
class Ended:
    """Training that is over."""

    result: Outcome = field(default_factory=Outcome)

    def outcome(self) -> Outcome:
        """Return how it ended."""
        return self.result

    def stop(self) -> None:
        """Do nothing: it is over."""

    def wait(self) -> None:
        """Return: it is over."""


#: The files of an output: what to write, by name, for the work and the name of the output.
Makes = Callable[[Work, str], Mapping[str, bytes]]


def scored_rows(work: Work) -> bytes:
    """Return made-up predictions as CSV, with a column for each other model that is an input."""
    others = [name for name in ("live", "anchor") if name in work.inputs]
    made_by = [work.run_id, *(work.inputs[name].value for name in others)]
    lines = [",".join(("id", "label", "candidate", *others))]
    for row in range(_ROWS):
        marks = (hashlib.sha256(f"{one} {row}".encode()).digest()[0] for one in made_by)
        scores = (f"{(mark / 255 + row % 2) / 2:.4f}" for mark in marks)
        lines.append(",".join((str(row), str(row % 2), *scores)))
    return "\n".join(lines).encode()


def made_up(work: Work, output: str) -> Mapping[str, bytes]:
    """Return the files of an output: an evaluation or predictions by its name, otherwise a model.

    Args:
        work: the step.
        output: its output.

    Returns:
        Contents by name.
    """
    if "predict" in output:
        return {"predictions.csv": scored_rows(work)}
    if "eval" in output or "metric" in output:
        return {"evaluation.json": b'{"AUC": 0.91, "Accuracy": 0.9}'}
    return {
        "MLmodel": b"artifact_path: model\nflavors: {}\n",
        "model.json": f'{{"made by": "{work.run_id}"}}'.encode(),
    }


@dataclass
class InstantTrainer:
    """Writes outputs at once: for tests that count, not learn.

    Args:
        makes: the files of each output.
    """

    makes: Makes = made_up
    instant: bool = True

    def start(self, steps: Sequence[Work], datastores: Datastores) -> Training:
        """Write the outputs of every step.

        Args:
            steps: of a job.
            datastores: where its outputs are.

        Returns:
            Training that is over.
        """
        for work in steps:
            try:
                self._write(work, datastores)
            except NoSuchPlaceError as error:
                return Ended(Outcome("Failed", "UserError", str(error), work.run_id))
        return Ended()

    def _write(self, work: Work, datastores: Datastores) -> None:
        for name, output in work.outputs.items():
            container, path = datastores.place(output.value)
            files = self.makes(work, name)
            if output.kind == "uri_file":
                (content, *_) = files.values()
                datastores.files.write(container, path, content)
                continue
            for file, content in files.items():
                datastores.files.write(container, f"{path.rstrip('/')}/{file}", content)
