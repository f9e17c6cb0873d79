"""Makes entries of a pipelines file from drafts, and reports what differs from the factory."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.core.config.studio_types import MODEL_SUFFIX
from shared.importers.data_factory.account import Element, ImportOutcome
from shared.importers.data_factory.drafts import (
    LONGEST_NAME,
    BlobPath,
    Draft,
    ImportContext,
    Job,
    Update,
)
from shared.importers.data_factory.one_endpoint import report_one_endpoint
from shared.importers.data_factory.other_activities import INPUT_FORMS
from shared.importers.data_factory.refusals import Tree, refused, report_refused
from shared.importers.data_factory.values import unique

_DATA: Final = "{data}"
_MODEL: Final = f"model{MODEL_SUFFIX}"
_TEMPLATE: Final = re.compile(r"\{[^{}]*\}")

_NO_PATH: Final = "the path that the factory wrote is unknown"


@dataclass(frozen=True, slots=True)
class Entry:
    """One pipeline of the file, and what it was made from."""

    name: str
    draft: Draft
    tree: Tree
    updates: tuple[Update, ...] = ()  #: of its endpoints, in their order

    @property
    def sources(self) -> tuple[tuple[str, Element], ...]:
        """The activities that it was made from, by their names."""
        made = [(self.draft.job.name, self.draft.job.source)]
        made += [(update.name, update.source) for update in self.updates]
        return tuple((name, source) for name, source in made if source)


@dataclass(frozen=True, slots=True)
class Entries:
    """The pipelines of a file, by name, and the container that they read."""

    pipelines: dict[str, Entry]
    container: str  #: for TRAINING_DATA_CONTAINER; empty where no input names one
    account: str  #: the storage account or linked service of that container

    @property
    def accounts(self) -> frozenset[str]:
        """The storage accounts of all inputs, outputs and models."""
        return frozenset(
            path.account
            for entry in self.pipelines.values()
            for path in (
                *entry.draft.job.all_inputs,
                *entry.draft.job.outputs.values(),
                *(update.model for update in entry.updates),
            )
        )


def entries(drafts: Sequence[Draft], context: ImportContext) -> Entries:
    """Return the entries of drafts; what cannot be written is reported and left out.

    Args:
        drafts: what was read from the factory.
        context: of the import.
    """
    account, container = _most_used(drafts)
    found: dict[str, Entry] = {}
    for draft in drafts:
        name = unique(draft.name, found, LONGEST_NAME)
        made = _Maker(name, draft, (account, container), context).entry()
        if made is not None:
            found[name] = made
    report_one_endpoint([draft for draft in drafts if draft.name in found])
    return Entries(found, container, account)


class _Maker:
    """Makes one entry."""

    def __init__(
        self, name: str, draft: Draft, place: tuple[str, str], context: ImportContext
    ) -> None:
        self._name, self._draft, self._place = name, draft, place
        self._job, self._timing = draft.job, draft.timing
        self._context = context

    def entry(self) -> Entry | None:
        """Return the entry; None, after a report, where the app would refuse it."""
        data = self._timing.data or _chosen(self._job)
        if data is not None and data.container and data.container != self._place[1]:
            self._report_container(data)
            self._keep_from_opening(data)
        tree: Tree = {}
        if data is not None:
            tree["data"] = self._data(data)
        tree |= self._times(has_data=data is not None)
        outputs = self._outputs()
        tree["training"] = self._training(data, outputs)
        if wrong := refused(self._name, tree):
            report_refused(self._job.source, self._draft.name, wrong)
            return None
        if endpoints := self._endpoints(tree, outputs):
            targets = [one for _, one in endpoints]
            tree |= {"gate": {"first_model": "allow"}, "endpoints": targets}
        return Entry(self._name, self._draft, tree, tuple(update for update, _ in endpoints))

    def _report_container(self, path: BlobPath) -> None:
        account, container = self._place
        note(
            path.source,
            f"{self._name}: the path {path.name or '/'} is in container {path.container} of "
            f"{path.account or 'another account'}; Relearn has one container of training data, and "
            f"most inputs are in {container} of {account}",
            f"write this data to {container} of {account}, at the same path",
        )

    def _keep_from_opening(self, data: BlobPath) -> None:
        """Let no data open runs: what lies at the path is not what the factory waited for."""
        if not self._timing.opens_runs:
            return
        self._timing = replace(self._timing, opens_runs=False)
        text = f"{self._name}: data.opens_runs: false all the same, until its data is in "
        text += f"container {self._place[1]}"
        to_do = f"remove opens_runs: false from {self._name} once it is"
        note(data.source, text, to_do)
        account = self._context.account
        trigger = account.covered_by(data.source.file, data.source.path[:-1])
        if trigger is not None and trigger.kind == "trigger":
            line = replace(trigger, outcome=ImportOutcome.APPROXIMATED, text=text, to_do=to_do)
            account.add(line)

    def _data(self, data: BlobPath) -> Tree:
        made: Tree = {"blob": data.pattern}
        if data.is_folder and not self._timing.opens_runs:
            what = f"{self._name}: data.blob: {data.pattern}: a folder; a run reads its newest blob"
            note(data.source, what, "see whether the job needs that blob")
        if not self._timing.opens_runs:
            made["opens_runs"] = False
        if self._timing.min_size:
            made["min_size"] = self._timing.min_size
        return made

    def _times(self, *, has_data: bool) -> Tree:
        timing, made = self._timing, Tree()
        if timing.schedule is not None:
            made["schedule"] = self._schedule(timing.schedule)
        written: Tree = {
            "catch_up": timing.catch_up,
            "catch_up_most": timing.catch_up_most,
            "wait_for_data": timing.wait_for_data if has_data else None,
            "when_busy": timing.when_busy,
            "order": timing.order,
            "max_parallel": timing.max_parallel,
        }
        if timing.wait_for_data and not has_data:
            what = f"{self._name}: wait_for_data is left out, since the job has no input"
            note(self._job.source, what)
        return made | {key: value for key, value in written.items() if value}

    def _schedule(self, schedule: Tree | str) -> Tree | str:
        backfill = self._context.options.backfill
        if backfill and isinstance(schedule, dict) and schedule.get("start"):
            return {**schedule, "backfill": True}
        return schedule

    def _training(self, data: BlobPath | None, outputs: Mapping[str, str]) -> Tree:
        job = self._job
        made: Tree = {"service": job.service.jobs_url, "api_key": job.service.api_key}
        if job.single_input is not None:
            made["input"] = self._given(job.single_input, data)
        else:
            made["inputs"] = {port: self._given(path, data) for port, path in job.inputs.items()}
        if outputs:
            made["outputs"] = dict(outputs)
        if job.parameters:
            made["parameters"] = dict(job.parameters)
        if job.attempts > 1:
            made["attempts"] = job.attempts
        if job.pause:
            made["pause"] = job.pause
        if job.timeout:
            made["timeout"] = job.timeout
        return made

    def _given(self, path: BlobPath, data: BlobPath | None) -> str:
        """Return what an input is given, and report a path in another container."""
        if path.account and path.container and (path.account, path.container) != self._place:
            self._report_container(path)
        if data is not None and path.is_same_blob(data):
            text = f"{self._name}: data.blob: {data.pattern}, for which the input has {_DATA}"
            if path.container:  # what is to be filled in has none
                path.source.mapped("key", self._job.name, text)
            return _DATA
        if not path.is_folder:
            return path.name
        made = path.pattern
        what = f"{self._name}: a folder; each run reads {made}, with the name of its newest blob"
        note(path.source, what, "see whether the job needs that blob")
        return made

    def _outputs(self) -> dict[str, str]:
        """Return the file of each output, and report where the factory wrote it."""
        named = {port: path for port, path in self._job.outputs.items() if port}
        models = [port for port, path in named.items() if self._is_model(path)]
        files: dict[str, str] = {}
        for port, path in named.items():
            if port in models:
                file = _MODEL if len(models) == 1 else f"{_file_name(port)}{MODEL_SUFFIX}"
            else:
                file = f"{_file_name(port)}{_form_of(path)}"
            stem, dot, suffix = file.rpartition(".")
            files[port] = unique(stem, {one.rpartition(".")[0] for one in files.values()}, 100)
            files[port] += dot + suffix
            old = f"the factory wrote {path.container}/{path.name}" if path.container else _NO_PATH
            note(
                path.source,
                f"{self._name}: training.outputs: {port}: {files[port]}; Relearn writes it to "
                f"runs/{self._name}/<run>/<attempt>/{files[port]} in MODELS_CONTAINER, {old}",
                "let the programs that read the old path read the new one",
            )
        return files

    def _is_model(self, path: BlobPath) -> bool:
        return path.is_model or any(
            path.is_same_blob(update.model) for update in self._draft.updates
        )

    def _endpoints(self, tree: Tree, outputs: Mapping[str, str]) -> list[tuple[Update, Tree]]:
        """Return the endpoints with their updates, and report each that the app would refuse."""
        made: list[tuple[Update, Tree]] = []
        for update in self._draft.updates:
            others = [other for _, other in made]
            taken = {str(other["name"]) for other in others}
            one = self._endpoint(update, unique(endpoint_name(update), taken, LONGEST_NAME))
            models = [port for port, file in outputs.items() if file.endswith(MODEL_SUFFIX)]
            if len(models) > 1:
                one |= {"model": port} if (port := self._port_of(update, models)) else {}
            wrong = refused(self._name, {**tree, "endpoints": [*others, one]})
            if not wrong:
                made.append((update, one))
                what = f"{self._name}: endpoints: {one['name']}; gate.first_model: allow, since "
                what += "the factory updates every model"
                source = update.source
                source.mapped("activity", update.name, what)
            else:
                update.source.left(
                    "activity",
                    update.name,
                    f"{self._name}: the app refuses this endpoint ({wrong})",
                    "correct it, and add it under endpoints: until then no run updates it",
                )
        return made

    def _endpoint(self, update: Update, name: str) -> Tree:
        service = update.service
        made: Tree = {"name": name}
        if service.endpoint_kind == "webservice":
            made["kind"] = "webservice"
        made["update"] = service.update_url
        if service.endpoint_kind != "webservice" and service.api_key:
            made["api_key"] = service.api_key
        return made | ({"resource": update.resource} if update.resource else {})

    def _port_of(self, update: Update, models: Sequence[str]) -> str:
        outputs = self._job.outputs
        return next((port for port in models if outputs[port].is_same_blob(update.model)), "")


def endpoint_name(update: Update) -> str:
    """Return the name of the endpoint that an update is for: that of its linked service."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", update.service.name or update.name).strip("-_")
    return plain[:LONGEST_NAME] or "endpoint"


def note(element: Element, text: str, to_do: str = "") -> None:
    """Add to the line of an element that it is carried over with a difference.

    Args:
        element: what the line is for; without a line yet it is a key that was taken.
        text: what differs.
        to_do: what the reader can do.
    """
    name = str(element.path[-1]) if element.path else element.file
    element.approximated("key", name, text, to_do)


def _most_used(drafts: Sequence[Draft]) -> tuple[str, str]:
    """Return account and container that most inputs are in; the first of those alike."""
    inputs = [one for draft in drafts for one in draft.job.all_inputs if one.container]
    inputs = inputs or [one.timing.data for one in drafts if one.timing.data is not None]
    places = Counter((one.account, one.container) for one in inputs)
    return places.most_common(1)[0][0] if places else ("", "")


def _chosen(job: Job) -> BlobPath | None:
    """Return the input that is the data if nothing else says it: a folder, or the first one."""
    inputs = job.all_inputs
    return next((one for one in inputs if one.is_folder), next(iter(inputs), None))


def _form_of(path: BlobPath) -> str:
    plain = _TEMPLATE.sub("", path.name).lower()
    return next((form for form in INPUT_FORMS if plain.endswith(form)), INPUT_FORMS[0])


def _file_name(port: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", port).strip("-")[:60] or "output"
