"""Reads the activities of version 2 that start a batch job (data-factory §3.2)."""

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.core.config.studio_types import MODEL_SUFFIX
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath, Job
from shared.importers.data_factory.linked_services import (
    referenced,
)
from shared.importers.data_factory.other_activities import (
    INPUT_FORMS,
    leave_activity,
    report_input_form,
    report_no_number,
)
from shared.importers.data_factory.secrets import is_secret
from shared.importers.data_factory.version_2.factory import Activity, Factory
from shared.importers.data_factory.version_2.job_values import (
    WRITE_PATH,
    Values,
    is_written,
    outputs_of,
    whole_expression,
)
from shared.importers.data_factory.version_2.policies import Policy, policy, report_policy
from shared.importers.data_factory.version_2.triggers import Paused, Start

#: An input or output of a web service is not a dataset in version 2: its file stands there.
_PORT: Final = "key"
_OWN_PATH: Final = "nothing to do for Relearn, which writes below runs/"
_WRITE_VALUE: Final = "write it under training.parameters"
_AFTER: Final = (
    "run it by hand, or let the program that sees the failure call POST "
    "/api/pipelines/{pipeline}/runs of a pipeline that is written for it; or let it depend only on "
    "success, and import again"
)
_CORRECT: Final = "add or correct its definition, and import again"
_FILL_IN: Final = "write what is missing in pipelines.yaml"
_REQUEST: Final = "ask for a run where it is due: POST /api/pipelines/{pipeline}/runs"
_INPUTS: Final = "webServiceInputs"
_WHOLE: Final = "one expression stands for all of them"


@dataclass(frozen=True, slots=True)
class Made:
    """A job that was read, for one way in which its pipeline is started."""

    activity: Activity
    start: Start
    place: str  #: the pipeline in the pipelines file
    job: Job
    policy: Policy
    #: Output -> its path as the definition has it, for an expression that cannot be resolved.
    verbatim: dict[str, str] = field(default_factory=dict)
    paused: Paused | None = None  #: why nothing starts it yet


def job(factory: Factory, activity: Activity, start: Start, place: str) -> Made | None:
    """Return the job that an activity starts; None, after a report, where it cannot be run.

    Args:
        factory: all pipelines.
        activity: one that starts a job.
        start: what starts its pipeline.
        place: the pipeline in the pipelines file.
    """
    reader = _Reader(factory, activity, start, place)
    made = reader.made()
    if made is None:
        leave_activity(activity.element, activity.name, reader.why, reader.to_do)
    return made


class _Reader:
    """Reads one activity."""

    def __init__(self, factory: Factory, activity: Activity, start: Start, place: str) -> None:
        self._factory, self._activity, self._start = factory, activity, start
        self._element, self._place = activity.element, place
        self._values = Values(factory, activity, start)
        self.why, self.to_do = "", _CORRECT
        self._verbatim: dict[str, str] = {}
        self._wanting: list[str] = []  #: what is missing before it can run

    def made(self) -> Made | None:
        """Return the job; None where it cannot be run."""
        if refused := self._factory.refused(self._activity):
            self.why, self.to_do = refused
            return None
        if branch := self._factory.branch(self._activity):
            self.why, self.to_do = f"{branch}: Relearn has no such branch", _AFTER
            return None
        batch, self.why = self._values.service()
        if batch is None:
            return None
        if not batch.jobs_url:
            self.why = f"linked service `{batch.name}` has no batch execution URL"
            return None
        self._wanting += batch.wanting
        inputs, outputs = self._inputs(), self._outputs()
        found = policy(self._element, self._start, self._values.plain)
        made = Job(
            self._activity.name,
            batch,
            inputs,
            None,
            outputs,
            self._parameters(),
            found.attempts,
            found.pause if found.attempts > 1 else "",
            found.longest,
            self._element,
        )
        paused = self._paused()
        self._report(paused)
        report_policy(self._element, self._activity.name, found, self._place)
        return Made(self._activity, self._start, self._place, made, found, self._verbatim, paused)

    def _paused(self) -> Paused | None:
        """Return why nothing may start the job yet."""
        remove = ""
        if self._start.trigger:
            paused = "schedule.paused" if self._start.timing.schedule else "data.opens_runs: false"
            remove = f"remove {paused}"
        to_do = f"{_FILL_IN}, and {remove}" if remove else _FILL_IN
        if self._activity.is_conditional:
            to_do = f"{_REQUEST}; or {remove}, if it may run each time" if remove else _REQUEST
            self._wanting.insert(0, f"its training is in {self._activity.where}")
            to_do += f"; {_FILL_IN} before" if len(self._wanting) > 1 else ""
        return Paused("; ".join(self._wanting), to_do) if self._wanting else None

    def _inputs(self) -> dict[str, BlobPath]:
        read = {
            port: (element, self._file(element, WRITE_PATH))
            for port, element in self._ports(_INPUTS)
        }
        found: dict[str, BlobPath] = {}
        for port, (element, path) in read.items():
            if path is None:
                stands = f"fill-in/{re.sub(r'[^A-Za-z0-9_-]+', '-', port)}.csv"
                found[port] = BlobPath("", "", stands, element)
                text = f"training.inputs: {port}: {stands} stands in place of a path"
                self._wanting.append(text)
                element.left(_PORT, port, f"{self._place}: {text}", WRITE_PATH)
                continue
            found[port] = path
            text = f"{self._place}: training.inputs: {port}, from {path.container}/{path.name}"
            element.mapped(_PORT, port, text, whole=False)
            report_input_form(path, _PORT, port)
            self._report_writer(port, path)
        return found

    def _report_writer(self, port: str, path: BlobPath) -> None:
        """Report an input that another job of the factory makes: in Relearn it writes elsewhere."""
        for other, output in outputs_of(self._factory):
            if not (path.name and output.name) or output.is_model:
                continue
            if is_written(output, path) or is_written(path, output):
                who = f"activity `{other.name}` of pipeline `{other.pipeline.name}`"
                self._wanting.append(f"{who} makes input `{port}`")
                text = f"{self._place}: {who} writes it, and in Relearn writes below runs/: "
                advice = f"copy the output of {who} to this path"
                text += "jobs do not feed each other"
                path.source.approximated(_PORT, port, text, advice, whole=False)

    def _outputs(self) -> dict[str, BlobPath]:
        found: dict[str, BlobPath] = {}
        for port, element in self._ports("webServiceOutputs"):
            self._verbatim[port] = element.get("filePath").peek()
            path = self._file(element, _OWN_PATH)
            trains = MODEL_SUFFIX in self._verbatim[port].casefold()
            name = f"{port}{MODEL_SUFFIX if trains else INPUT_FORMS[0]}"
            found[port] = path or BlobPath("", "", name, element)
            text = f"{self._place}: output of `{self._activity.name}`"
            element.mapped(_PORT, port, text, whole=False)
        return found

    def _ports(self, key: str) -> list[tuple[str, Element]]:
        """Return the inputs or outputs that have a name; the others are reported."""
        found = []
        for port, element in self._listed(key, "write them under training"):
            if port.strip() and isinstance(element.value, dict):
                found.append((port, element))
                continue
            if key == _INPUTS:
                self._wanting.append(f"training.inputs: {port or 'one without a name'} has no path")
            if isinstance(element.value, str) and port.strip():
                text = "it is a text, where version 2 has filePath and linkedServiceName"
                element.left(_PORT, port, text, WRITE_PATH)
            else:
                text = "an input or output of the service has a name and a file"
                element.left(_PORT, port or key, text, "write it under training")
        return found

    def _listed(self, key: str, to_do: str) -> list[tuple[str, Element]]:
        """Return what a key has by names; an expression that stands for all of it is reported."""
        listed = self._element.get("typeProperties", key)
        if not (verbatim := whole_expression(listed)):
            return list(listed.items())
        listed.left("key", key, f"`{verbatim}`: {_WHOLE}", to_do)
        self._wanting.append(f"{key}: {_WHOLE}")
        return []

    def _file(self, element: Element, to_do: str) -> BlobPath | None:
        reference = element.get("linkedServiceName")
        reference.take()
        if self._factory.service(reference) is None:
            text = f"linked service `{referenced(reference)}` is not among the files"
            reference.left("key", "linkedServiceName", text, "add its file, and import again")
        path = element.get("filePath")
        path.take()
        found = self._values.path(path, reference, to_do)
        return found and replace(found, source=element)

    def _parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, element in self._listed("globalParameters", _WRITE_VALUE):
            if not name.strip():
                element.left("key", "globalParameters", "a parameter has a name", _WRITE_VALUE)
                continue
            value = self._parameter(name, element)
            if value is None:
                self._wanting.append(f"training.parameters: {name} has no value")
            else:
                found[name] = value
        return found

    def _secret(self, name: str, element: Element) -> str:
        owner = f"{self._activity.pipeline.name} {self._activity.name}"
        return self._factory.context.secrets.setting(element, owner, name)

    def _parameter(self, name: str, element: Element) -> Any:
        if is_secret(name, element.value):
            return self._secret(name, element)
        element.take()
        found = self._values.of(element)
        if found is None and element.value == "":
            return ""
        if found is None:
            element.left("key", name, "it has no value, so that it is not passed", _WRITE_VALUE)
            return None
        if found.is_secret:
            return self._secret(name, element)
        value = found.parameter
        if isinstance(value, str):
            value = self._values.with_event(value)
        if found.text is None or (isinstance(value, str) and "{event." in value):
            why = found.why or "it uses a blob event that does not start the pipeline"
            element.left("key", name, f"`{found.verbatim}`: {why}", _WRITE_VALUE)
            return None
        report_no_number(element, name, self._place)
        if isinstance(value, dict | list):
            value = json.dumps(value, ensure_ascii=False)
            text = f"{self._place}: training.parameters: {name}: it is passed as a text of JSON"
            element.approximated("key", name, text, "see whether the service reads it so")
        if not found.exact:
            text = f"{self._place}: training.parameters: {name}: {found.why}"
            element.approximated("key", name, text, "compare the value")
        return value

    def _report(self, paused: Paused | None) -> None:
        element, name = self._element, self._activity.name
        element.mapped("activity", name, f"{self._place}: training")
        if self._activity.within and not self._activity.is_conditional:
            text = f"{self._place}: it is in {self._activity.where}, which Relearn does not have"
            to_do = "write a pipeline for each member"
            if self._start.item is not None:
                text, to_do = f"{text}: each member of its list has a pipeline", ""
            else:
                text += ": a run has one such job"
            element.approximated("activity", name, text, to_do)
        if paused is not None:
            text = f"{self._place}: nothing starts it yet: {paused.why}"
            element.approximated("activity", name, text, paused.to_do)
