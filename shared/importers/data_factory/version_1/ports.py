"""The datasets of a job of version 1: its inputs and outputs, and those that only decide its time.

Each reference that means something of its own has a line of the report (data-factory §2.4, §2.6).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from shared.importers.data_factory.account import NOWHERE, Element, Place
from shared.importers.data_factory.drafts import BlobPath
from shared.importers.data_factory.expressions.version_1 import SLICE, time_of
from shared.importers.data_factory.other_activities import report_input_form
from shared.importers.data_factory.policies import leave_policy, policies
from shared.importers.data_factory.reading.definitions import Definition
from shared.importers.data_factory.reading.shapes import DATASET
from shared.importers.data_factory.values import verbatim, written
from shared.importers.data_factory.version_1 import availability, datasets, periods
from shared.importers.data_factory.version_1.availability import Cadence
from shared.importers.data_factory.version_1.datasets import Waiting
from shared.importers.data_factory.version_1.factory import (
    SCORING,
    Activity,
    Factory,
    Reference,
    folded,
)
from shared.importers.data_factory.version_1.other_datasets import (
    is_reported,
    report_dependency,
    report_unread,
)

#: The folder of paths that stand in place of those that cannot be read.
TO_FILL_IN: Final = "fill-in"
_FILE: Final = re.compile(r"[\w .-]+\.\w+")
#: A time of the window, in a path or a parameter.
TIMED: Final = re.compile(r"\{(?:start|end)[^{}]*:")
_OWN_WINDOW: Final = "a run reads the blob of its own window"
_NO_PORT: Final = "an input or output of the service has a name"


class Ports:
    """Reads the inputs and outputs of a job."""

    def __init__(self, factory: Factory, activity: Activity, cadence: Cadence | None) -> None:
        self._factory, self._activity, self._cadence = factory, activity, cadence
        self._element, self._place = activity.element, factory.place(activity)
        self._read: set[str] = set()  #: the datasets of ports, by their folded names
        #: The output that a dataset is for, by the place of the dataset.
        self.of_outputs: dict[Place, str] = {}
        self.missing: list[str] = []  #: why the job cannot be run
        self.wanting: list[str] = []  #: the inputs in whose place stands a path to fill in
        self.data: BlobPath | None = None  #: the input whose blobs a run waits for
        self.waits = Waiting()  #: how long a run waits for them
        #: The inputs that could be read, by the places of their datasets.
        self._inputs: dict[Place, tuple[Definition, BlobPath]] = {}

    def inputs(self) -> tuple[dict[str, BlobPath], BlobPath | None]:
        """Return the inputs by name, or the one without a name; each is reported."""
        inputs: dict[str, BlobPath] = {}
        single: BlobPath | None = None
        for port, element in self._named("webServiceInputs"):
            inputs[port] = self._input(element, f"training.inputs: {port}")
        one = self._element.get("typeProperties", "webServiceInput")
        if self._activity.kind == SCORING:
            blobs = (
                reference.named for reference in self._activity.inputs if self._is_blob(reference)
            )
            one = next(blobs, NOWHERE)
        if isinstance(one.value, str) and one.value and not inputs:
            single = self._input(one, "training.input")
        elif inputs:
            text = "webServiceInputs names the inputs; a job has one of the two forms"
            one.left("key", "webServiceInput", text, "see that training.inputs is right")
        self._choose([*inputs.values(), *([single] if single else [])])
        return inputs, single

    def _choose(self, inputs: Sequence[BlobPath]) -> None:
        """Choose the data: a folder, an input with a policy, or the first; report waits."""
        folder = next((one for one in inputs if one.is_folder), None)
        read = list(self._inputs.values())
        waited = next((one for of, one in read if datasets.is_waited_for(of)), None)
        checked = next((one for of, one in read if any(policies(of.properties))), None)
        self.data = folder or waited or checked or next(iter(inputs), None)
        for dataset, path in read:
            if self.data is not None and path.is_same_blob(self.data):
                self._wait(dataset, path)
            else:
                text = f"{self._place} waits only for one input, which is another one"
                leave_policy(dataset.properties, text)
                advice = "let the schedule begin when it is there: schedule.delay"
                dataset.body.approximated(DATASET, dataset.name, text, advice)

    def _wait(self, dataset: Definition, path: BlobPath) -> None:
        """Report how long a run waits for the data; without a policy, as the factory does."""
        scheduled = self._cadence is not None
        self.waits = datasets.report_waiting(dataset, self._place, scheduled=scheduled)
        if scheduled and self.waits.at_most:  # a key that is left out has its default
            text = f"{self._place}: wait_for_data.at_most: {written(self.waits.at_most)}"
            dataset.body.mapped(DATASET, dataset.name, text)
        written_here = self._factory.writers(dataset)
        is_new = scheduled and (written_here or TIMED.search(path.name))
        if not is_new or datasets.is_waited_for(dataset):
            return
        self.waits = replace(datasets.BY_DEFAULT, min_size=self.waits.min_size)
        text = f"{self._place}: wait_for_data.at_most: {written(self.waits.at_most)}, as long as a "
        text, advice = f"{text}factory checks for external data by default", ""
        if written_here:
            text += "; for this data it waits until its activity has ended"
            advice = "write a longer wait_for_data.at_most, if the data comes later"
        dataset.body.approximated(DATASET, dataset.name, text, advice)

    def _is_blob(self, reference: Reference) -> bool:
        """Whether a dataset is a blob: of a table, the job reads what it needs by itself."""
        dataset = self._factory.definitions.named(DATASET, reference.name, reference.element.file)
        return dataset is not None and datasets.is_blob(dataset)

    def _input(self, element: Element, target: str) -> BlobPath:
        dataset = self._factory.dataset(element)
        if dataset is None:
            self.missing.append(f"input dataset `{str(element.value).strip()}` is missing")
            return self._to_fill_in("", element)
        self._read.add(folded(dataset.name))
        reference = self._reference(dataset.name, self._activity.inputs)
        slices = SLICE if reference is None else reference.slices
        path = datasets.blob_path(dataset, self._factory.definitions, slices)
        if path is None or not path.name:
            text = f"{self._place}: {target}, to be filled in"
            report_unread(dataset, text, self._cadence)
            dataset.body.approximated(DATASET, dataset.name, text)
            what = f"input dataset `{dataset.name}` of type {dataset.type} does not name a blob"
            return self._to_fill_in(f"{what} that Relearn can read", element)
        text = f"{self._place}: {target}, from {path.container}/{path.name}"
        if not self._factory.writers(dataset) and not periods.truth(
            dataset.properties.get("external")
        ):
            text += "; no activity writes it, so that it is external data"
        dataset.body.mapped(DATASET, dataset.name, text)
        datasets.report_silent(dataset, self._place)
        report_input_form(path, DATASET, dataset.name)
        said = dataset.properties.get("availability")
        if not is_reported(said):
            availability.report_other(said, self._cadence, _OWN_WINDOW)
        self._report_cadence(dataset, path)
        self._inputs[dataset.place] = dataset, path
        self._report_chain(dataset, element if reference is None else reference.element)
        if reference is not None:
            self._report_slices(reference.element, path)
        return path

    def _report_cadence(self, dataset: Definition, path: BlobPath) -> None:
        """Report an input whose path has times, and whose slices are not the windows."""
        own, driver = availability.cadence(dataset.properties.get("availability")), self._cadence
        if own is None or driver is None or own.slices == driver.slices:
            return
        if not TIMED.search(path.name):
            return
        text = f"it has a blob for each {own.shown}, and a run is for each {driver.shown}: "
        if own.length == driver.length:
            text = "its slices begin at other times than the windows, whose times are in its path"
            advice = "compare the paths of the next windows, or change schedule.offset"
        elif own.length < driver.length:
            text += "it reads one of these blobs, and not all"
            advice = "let what writes them write one blob for each run, or change the schedule"
        else:
            text += "several runs read the same blob, which need not be complete"
            advice = "see that the blob is there in time, or change the schedule"
        dataset.body.approximated(DATASET, dataset.name, text, advice)

    def _to_fill_in(self, why: str, element: Element) -> BlobPath:
        """Return a path that no data has, in place of one that cannot be read."""
        word = re.sub(r"[^A-Za-z0-9]+", "-", str(element.value)).strip("-")
        path = BlobPath("", "", f"{TO_FILL_IN}/{word or 'input'}.csv", element)
        self.wanting.append(f"{why}: {path.name} stands in its place")
        return path

    def _report_chain(self, dataset: Definition, element: Element) -> None:
        """Report an input that another activity writes."""
        writers = [one for one in self._factory.writers(dataset) if one.name]
        if writers:
            first = writers[0]
            text = f"activity `{first.name}` of pipeline `{first.pipeline.name}` writes it"
            if first.is_job:
                place = self._factory.place(first)
                advice = f"copy the output of {place} to this path"
                text += ", and in Relearn writes below runs/: jobs do not feed each other"
                self.wanting.append(f"{place} makes input `{dataset.name}`, and writes below runs/")
            else:
                text += f", and is a {first.type}: Relearn does not run it"
                advice = "keep that activity, or write the data to this path by other means"
            element.left("key", "inputs", text, advice)

    def _report_slices(self, element: Element, path: BlobPath) -> None:
        """Report the times of an input that are not those of the window."""
        for key in ("startTime", "endTime"):
            said = element.get(key)
            if said and time_of(said.peek()) is None:
                why = f"{key} of an input cannot be read"
                advice = (
                    f"write the path of the input in {self._place}, with the times that it means"
                )
                said.left("key", key, f"`{verbatim(said.value)}`: no time of a window", advice)
                self.wanting.append(f"{why}: its path has the times of the window")
            else:
                text = f"{said.value}: in the path {path.name}; one blob is read, though"
                if not TIMED.search(path.name):
                    text = f"{said.value}: the path {path.name} has no times, and one blob is read"
                said.approximated("key", key, text, "see whether the job needs several slices")

    def outputs(self) -> dict[str, BlobPath]:
        """Return the outputs by name; each is reported."""
        outputs: dict[str, BlobPath] = {}
        for port, element in self._named("webServiceOutputs"):
            dataset = self._factory.dataset(element)
            if dataset is None:
                self.wanting.append(f"output `{port}` names a dataset that is missing")
                continue
            path = datasets.blob_path(dataset, self._factory.definitions)
            if path is None and not datasets.is_blob(dataset):
                text = f"dataset `{dataset.name}` of type {dataset.type} does not name a blob"
                advice = f"the output is in the service's own storage; name it in {self._place}"
                element.left("key", port, text, f"{advice}: training.outputs")
                continue
            path = path or _as_written(dataset, port)
            dataset.properties.get("linkedServiceName").take()
            self._read.add(folded(dataset.name))
            outputs[port] = path
            self.of_outputs[dataset.place] = port
            what = f"output `{port}` of activity `{self._activity.name}`"
            dataset.body.mapped(DATASET, dataset.name, what)
            datasets.report_silent(dataset, self._place)
            text = "an output is checked by gate.rules and endpoints.verify, not by its size"
            leave_policy(dataset.properties, text)
        return outputs

    def _named(self, key: str) -> Iterator[tuple[str, Element]]:
        """Yield the ports of the service with the texts that name their datasets."""
        ports = self._element.get("typeProperties", key)
        for port, element in ports.items():
            if not port.strip() or not isinstance(element.value, str) or not element.value.strip():
                element.left("key", key, _NO_PORT, "write it under training in pipelines.yaml")
                self.wanting.append(f"{key} has an entry without a name or a dataset")
            else:
                yield port, element

    def _reference(self, name: str, among: tuple[Reference, ...]) -> Reference | None:
        return next((one for one in among if folded(one.name) == folded(name)), None)

    def report_rest(self) -> None:
        """Report the datasets that no input or output of the service is for."""
        for reference in self._activity.inputs:
            if folded(reference.name) not in self._read:
                report_dependency(self._factory, self._activity, reference, self._cadence)
        for reference in self._activity.outputs:
            if folded(reference.name) in self._read:
                continue
            dataset = self._factory.dataset(reference.named)
            if dataset is None:
                continue
            path = self._unnamed_output(dataset)
            report_unread(dataset, f"{self._place}: its availability is the schedule")
            if path is not None:
                text = (
                    f"the factory wrote the output of the job to {path.container}/{path.name}; it "
                    "has no name here, so that it stays in the service's own storage"
                )
                advice = "write its name, as the service has it, under training.outputs"
                dataset.body.approximated(DATASET, dataset.name, text, advice)

    def _unnamed_output(self, dataset: Definition) -> BlobPath | None:
        """Return the blob that a job of the oldest form writes: its output has no name."""
        is_old = self._activity.kind == SCORING
        return datasets.blob_path(dataset, self._factory.definitions) if is_old else None


def _as_written(dataset: Definition, port: str) -> BlobPath:
    """Return the path of an output whose folder cannot be read: Relearn needs only its file."""
    folder = dataset.properties.get("typeProperties", "folderPath")
    file = dataset.properties.get("typeProperties", "fileName")
    name = file.peek()
    where = folder.peek().strip("/ ")
    plain = _FILE.fullmatch(name) is not None
    return BlobPath("", where, name if plain else f"{port}.csv", dataset.body)
