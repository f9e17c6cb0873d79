"""Reads the activities of version 2 that update an endpoint with a model (data-factory §3.3).

Nothing but its path ties a model to the training that writes it; and the update has to wait for the
success of that training.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import BlobPath, Service, Update
from shared.importers.data_factory.expressions.version_2 import Resolved
from shared.importers.data_factory.linked_services import referenced
from shared.importers.data_factory.other_activities import DECIDES, leave_activity, no_target
from shared.importers.data_factory.version_2.factory import (
    TRAINING,
    UNTIL,
    UPDATE,
    Activity,
    Factory,
)
from shared.importers.data_factory.version_2.job_values import (
    Values,
    blob_of,
    is_same_account,
    is_written,
    outputs_of,
)
from shared.importers.data_factory.version_2.jobs import Made
from shared.importers.data_factory.version_2.policies import report_update_policy
from shared.importers.data_factory.version_2.triggers import Start
from shared.importers.data_factory.version_2.update_conditions import conditions_of

_CORRECT: Final = "add or correct its definition, and import again"
_WAIT: Final = "let it depend on the success of that training, and import again"
_SUCCESS: Final = (
    "let it depend only on success, and import again; or upload the model below promote/ in "
    "MODELS_CONTAINER where it is due"
)
_UPLOAD: Final = (
    "let it read what a training of its pipeline writes, and import again; or upload the model "
    "below promote/ in MODELS_CONTAINER"
)
_GATE: Final = (
    "write what it checks as gate.rules, or gate.approval: required, and add the endpoint; or let "
    "the update depend only on the success of its training, and import again"
)
_HOLDS: Final = (
    "write its condition as gate.rules, or gate.approval: required, and add the endpoint; or "
    "upload the model below promote/ in MODELS_CONTAINER where it is due"
)
_COMPARE: Final = "see that both are the same storage account; if not, remove the endpoint"
_NO_CHAINS: Final = "pipelines of Relearn do not wait for each other"
_ADD: Final = (
    "add the endpoint to the pipeline of that training, if each of its models is to be live; or "
    "upload the model below promote/ in MODELS_CONTAINER where it is due"
)
_NAMED: Final = "write the name as resource, and add the endpoint to the pipeline of its training"
_NAME: Final = (
    "let only one output have the path of the model, and import again; or add the endpoint, with "
    "`model` and the output that it takes, whose name in training.outputs is to end in .ilearner"
)
_Output = tuple[Made, str]  #: a job, and the name of one of its outputs
_KEYS: Final = ("trainedModelName", "trainedModelLinkedServiceName", "trainedModelFilePath")


def update(
    factory: Factory, activity: Activity, start: Start, jobs: Sequence[Made]
) -> tuple[Made, Update] | None:
    """Return an update with the job whose model it takes; None, after a report, where it has none.

    The job has the path of the model at its output.

    Args:
        factory: all pipelines.
        activity: the update.
        start: what starts its pipeline.
        jobs: those of its pipeline that are carried over.
    """
    try:
        return _Reader(factory, activity, start, jobs).found()
    except _RefusedError as exc:
        several = jobs and (len(factory.starts_of(activity.pipeline)) > 1 or start.item is not None)
        why = f"{jobs[0].place}: {exc.why}" if several else exc.why
        leave_activity(activity.element, activity.name, why, exc.to_do, exc.block)
        return None


class _RefusedError(Exception):
    """An update that has no training, or no endpoint."""

    def __init__(self, why: str, to_do: str = _CORRECT, block: str = "") -> None:
        super().__init__(why)
        self.why, self.to_do, self.block = why, to_do, block


class _Reader:
    """Reads one update."""

    def __init__(
        self, factory: Factory, activity: Activity, start: Start, jobs: Sequence[Made]
    ) -> None:
        self._factory, self._activity, self._jobs = factory, activity, jobs
        self._element = activity.element
        self._values = Values(factory, activity, start)

    def found(self) -> tuple[Made, Update]:
        """Return the update with its job.

        Raises:
            _RefusedError: it has none.
        """
        typed = [self._element.get("typeProperties", key) for key in _KEYS]
        resource = self._resource(typed)
        training, port, model = self._training(typed[2], typed[1])
        if branch := self._factory.branch(self._activity):
            raise _RefusedError(f"{branch}: Relearn has no such branch", _SUCCESS)
        service = self._target(training)
        waits = self._waits(training, _endpoint(service, resource))
        made = Update(self._activity.name, service, resource, model, self._element)
        self._report(training, resource, typed)
        if waits:
            text = f"{training.place}: it does not wait for `{waits[0].name}`: pipelines of "
            text += "Relearn do not wait for each other"
            self._element.approximated("activity", self._activity.name, text, DECIDES)
        if self._same_account(training, port, typed[1]) is None:
            text = f"{training.place}: it takes the model of `{training.activity.name}`, whose "
            text += "path it names; they may mean different storage accounts"
            self._element.approximated("activity", self._activity.name, text, _COMPARE)
        outputs = {**training.job.outputs, port: model}
        return replace(training, job=replace(training.job, outputs=outputs)), made

    def _resource(self, typed: Sequence[Element]) -> str:
        """Return the name of the trained model.

        Args:
            typed: the values of all keys of the update.

        Raises:
            _RefusedError: the factory does not run the update, or a value is missing.
        """
        missing = [key for key, one in zip(_KEYS, typed, strict=True) if not one.value]
        if refused := self._factory.refused(self._activity):
            raise _RefusedError(*refused)
        if missing:
            raise _RefusedError(f"{' and '.join(missing)} missing")
        resource = self._values.of(typed[0])
        if resource is None or not resource.text:
            shown = "" if resource is None else f"`{resource.verbatim}`: {resource.why}"
            raise _RefusedError(f"trainedModelName: {shown}", _NAMED, self._block())
        return resource.text

    def _target(self, training: Made) -> Service:
        """Return the service that is updated.

        Args:
            training: the job that writes the model.

        Raises:
            _RefusedError: it cannot be updated.
        """
        service, why = self._values.service()
        if service is None:
            raise _RefusedError(why)
        why, advice = no_target(service, training.job.service)
        if why:
            raise _RefusedError(why, advice)
        return service

    def _waits(self, training: Made, endpoint: str) -> list[Activity]:
        """Return the trainings and updates that it waits for, besides its training.

        Args:
            training: the job that writes the model.
            endpoint: as YAML to copy.

        Raises:
            _RefusedError: something else decides whether it runs.
        """
        if self._activity.is_conditional:
            text = f"it is in {self._activity.where}, and Relearn has no such condition"
            advice = "write the condition as gate.rules, and add the endpoint"
            raise _RefusedError(text, advice, endpoint)
        waits = conditions_of(self._factory, self._activity, training.activity)
        if gates := [one for one in waits if one.kind not in (TRAINING, UPDATE)]:
            if gates[0].kind == UNTIL and gates[0] in training.activity.within:
                text = f"it begins only once the condition of {gates[0].shown} holds, which "
                text += "repeats its training, and Relearn has no such condition"
                raise _RefusedError(text, _HOLDS, endpoint)
            text = f"it begins only after the success of {gates[0].shown}, and Relearn runs nothing"
            raise _RefusedError(f"{text} between a training and its update", _GATE, endpoint)
        return waits

    def _training(self, path: Element, storage: Element) -> tuple[Made, str, BlobPath]:
        """Return the job that writes the model, its output, and the path of the model."""
        verbatim = str(path.value).strip()
        known = self._values.of(path)
        model = None
        if known is not None and known.text is not None:
            model = self._values.path(path, storage, "see the line of its activity")
        found = [
            (made, port)
            for made in self._jobs
            for port, output in made.job.outputs.items()
            if is_written(output, model) or (verbatim == made.verbatim.get(port) and verbatim)
            if self._same_account(made, port, storage) is not False
        ]
        after = [one for one in found if self._factory.follows(self._activity, one[0].activity)]
        if after:
            made, port = self._last(after, model)
            output = made.job.outputs[port]
            exact = model is not None and model.name and output.name != model.name
            return made, port, replace(output, name=model.name) if exact and model else output
        if found:
            text = f"it does not wait for the success of `{found[0][0].activity.name}`"
            raise _RefusedError(f"{text}, which writes its model", _WAIT)
        if other := self._elsewhere(known, storage):
            taken = f"update `{self._activity.name}` of pipeline `{self._activity.pipeline.name}` "
            taken += "takes its model, and is not carried over"
            to_do = "see the line of the update"
            other.element.approximated("activity", other.name, taken, to_do)
            text = f"training `{other.name}` of pipeline `{other.pipeline.name}` writes its model"
            raise _RefusedError(f"{text}: {_NO_CHAINS}", _ADD, self._block())
        if not self._jobs:
            raise _RefusedError("no training of its pipeline is carried over", _UPLOAD)
        named = verbatim if model is None else f"{model.container}/{model.name}"
        written = [one for made in self._jobs for one in made.job.outputs.values()]
        shown = f"`{named}`"
        if model and named in [f"{one.container}/{one.name}" for one in written]:
            shown += f" of storage account {model.account}"
        raise _RefusedError(f"no training of its pipeline writes {shown}", _UPLOAD)

    def _same_account(self, made: Made, port: str, storage: Element) -> bool | None:
        """Whether an output is in a storage account; None: that is not known.

        Args:
            made: the job.
            port: the name of the output.
            storage: what the update says of the account.
        """
        outputs = dict(made.activity.element.get("typeProperties", "webServiceOutputs").items())
        theirs = Values(self._factory, made.activity, made.start)
        account = theirs.account(outputs[port].get("linkedServiceName"))
        return is_same_account(account, self._values.account(storage))

    def _last(self, found: Sequence[_Output], model: BlobPath | None) -> _Output:
        """Return the output that holds the model when the update begins.

        One of exactly its path counts before a folder, and one that is written later before others.
        """
        named = [one for one in found if model and one[0].job.outputs[one[1]].name == model.name]
        left = named or found
        earlier = [
            one
            for one in left
            for other in left
            if self._factory.follows(other[0].activity, one[0].activity)
        ]
        last = [one for one in left if one not in earlier] or left
        if len(last) == 1:
            return last[0]
        shown = " and ".join(f"output `{port}` of `{made.activity.name}`" for made, port in last)
        raise _RefusedError(f"{shown} may each be its model", _NAME, self._block())

    def _elsewhere(self, known: Resolved | None, storage: Element) -> Activity | None:
        """Return the training of another pipeline that writes the model.

        Args:
            known: the path of the model.
            storage: what the update says of its account.
        """
        if known is None or known.text is None:
            return None
        model = blob_of(self._values.account(storage), known.text, self._element)
        mine, others = self._activity.pipeline, outputs_of(self._factory)
        return next(
            (
                one
                for one, output in others
                if one.pipeline is not mine and is_written(output, model)
            ),
            None,
        )

    def _block(self) -> str:
        """Return the endpoint of the update, as YAML to copy; nothing where it has none."""
        service, _ = self._values.service()
        name = self._values.of(self._element.get("typeProperties", "trainedModelName"))
        if service is None or not service.update_url:
            return ""
        return _endpoint(service, (name and name.text) or "<name of the trained model>")

    def _report(self, training: Made, resource: str, typed: Sequence[Element]) -> None:
        for one in typed:
            one.take()
        if self._factory.service(typed[1]) is None:
            text = f"linked service `{referenced(typed[1])}` is not among the files"
            typed[1].left("key", _KEYS[1], text, "nothing: the model is read from below runs/")
        text = f"{training.place}: endpoints.resource: {resource}"
        self._element.mapped("activity", self._activity.name, text)
        if self._activity.within:
            text = (
                f"{training.place}: it is in {self._activity.where}, which Relearn does not have: "
            )
            text += "a run has one "
            text += "such update" if training.start.item is None else "for its member"
            self._element.approximated("activity", self._activity.name, text)
        report_update_policy(self._element, training.place)


def _endpoint(service: Service, resource: str) -> str:
    """Return an endpoint as YAML to copy.

    Args:
        service: the linked service of an update.
        resource: the name of the trained model.
    """
    lines = ["endpoints:", f"  - name: {service.name}"]
    if service.endpoint_kind == "webservice":
        lines.append("    kind: webservice")
    lines.append(f"    update: {service.update_url}")
    if service.endpoint_kind != "webservice":
        lines.append(f"    api_key: {service.api_key}")
    return "\n".join([*lines, f"    resource: {json.dumps(resource, ensure_ascii=False)}", ""])
