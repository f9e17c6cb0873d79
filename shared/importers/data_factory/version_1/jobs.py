"""Reads the activities of version 1 that start a batch job (data-factory §2.6)."""

from dataclasses import dataclass, replace
from typing import Any, Final

from shared.importers.data_factory.account import Element, Place
from shared.importers.data_factory.drafts import Job, Timing
from shared.importers.data_factory.expressions.version_1 import resolved
from shared.importers.data_factory.other_activities import report_no_number, set_aside
from shared.importers.data_factory.policies import leave_policy
from shared.importers.data_factory.reading.shapes import DATASET
from shared.importers.data_factory.secrets import is_secret
from shared.importers.data_factory.values import written
from shared.importers.data_factory.version_1 import availability, periods
from shared.importers.data_factory.version_1.availability import Cadence
from shared.importers.data_factory.version_1.datasets import unfilled
from shared.importers.data_factory.version_1.factory import SCORING, Activity, Factory
from shared.importers.data_factory.version_1.policies import Policy, policy, report_policy
from shared.importers.data_factory.version_1.ports import TIMED, Ports

_DATABASE: Final = "azuresqltable"
#: The parameters that version 1 fills in for a job of the oldest form.
_OF_DATABASE: Final = (
    *("Database server name", "Database name"),
    *("Server user account name", "Server user account password"),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A job that was read, and what its updates need to know of it."""

    activity: Activity
    place: str  #: the pipeline in the pipelines file
    job: Job
    timing: Timing
    cadence: Cadence | None
    policy: Policy
    #: The output that a dataset is for, by the place of the dataset.
    ports: dict[Place, str]


def job(factory: Factory, activity: Activity) -> Made | None:
    """Return the job that an activity starts; None, after a report, where it cannot be run.

    Args:
        factory: all activities.
        activity: one that starts a job.
    """
    return _Reader(factory, activity).made()


class _Reader:
    """Reads one activity."""

    def __init__(self, factory: Factory, activity: Activity) -> None:
        self._factory, self._activity = factory, activity
        self._element = activity.element
        self._place = factory.place(activity)
        self._policy = policy(self._element)
        self._wanting: list[str] = []  #: what is to be filled in before the first run

    def made(self) -> Made | None:
        """Return the job; None, after a report, where it cannot be run."""
        service = self._factory.service(self._activity)
        if service is None:
            self._leave_rest()
            return None
        cadence = self._cadence()
        ports = Ports(self._factory, self._activity, cadence)
        inputs, single = ports.inputs()
        made = Job(
            self._activity.name,
            service,
            inputs,
            single,
            ports.outputs(),
            self._parameters(),
            self._policy.attempts,
            self._policy.pause,
            self._policy.longest,
            self._element,
        )
        if ports.missing or (cadence is None and _uses_windows(made)):
            why = ports.missing or ["its paths or parameters hold times, without an availability"]
            advice = "correct the definitions, and import them again"
            self._element.left("activity", self._activity.name, "; ".join(why), advice)
            self._leave_rest()
            return None
        self._report_cadence(cadence)
        ports.report_rest()
        set_aside(self._element, "description")
        report_policy(self._element, self._place, scheduled=cadence is not None)
        self._wanting = [*service.wanting, *ports.wanting, *self._wanting, *self._unread()]
        timing = self._timing(cadence, ports)
        self._report_activity(cadence)
        self._report_database(made)
        used = ports.of_outputs
        return Made(self._activity, self._place, made, timing, cadence, self._policy, used)

    def _leave_rest(self) -> None:
        """Report what belongs to the activity, where that is not carried over."""
        leave_policy(self._element, "its activity is not carried over")

    def _cadence(self) -> Cadence | None:
        """Return the schedule: the first availability of an output, otherwise `scheduler`."""
        return next(filter(None, map(availability.cadence, self._availabilities())), None)

    def _availabilities(self) -> list[Element]:
        """Return those of the output datasets, and the `scheduler` of the activity."""
        named = [self._factory.dataset(one.named) for one in self._activity.outputs]
        found = [one.properties.get("availability") for one in named if one is not None]
        return [*found, self._element.get("scheduler")]

    def _report_cadence(self, driver: Cadence | None) -> None:
        """Report each availability of the outputs, and the scheduler."""
        drives = True
        for said in self._availabilities():
            if drives:
                availability.report_driver(said, self._place)
            else:
                what = "the availability of the first output dataset counts"
                availability.report_other(said, driver, what)
            drives = drives and availability.cadence(said) is None

    def _parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in ("globalParameters", "webServiceParameters"):
            for name, element in self._element.get("typeProperties", key).items():
                value = parameter(element, name, self._place, self._factory.context.secrets)
                if value is not None:
                    found[name] = value
                text = "" if is_secret(name, element.value) else element.peek()
                if value is None or unfilled(text):
                    self._wanting.append(f"parameter `{name}` has no value")
        return found

    def _unread(self) -> list[str]:
        """Return the keys of the schedule that cannot be read: another value stands in place."""
        drivers = (one for one in self._availabilities() if availability.cadence(one) is not None)
        return [
            f"{key} of the availability cannot be read"
            for driver in list(drivers)[:1]
            for key in availability.unread(driver)
        ]

    def _timing(self, cadence: Cadence | None, ports: Ports) -> Timing:
        shared = Timing(
            when_busy=self._policy.when_busy,
            order=self._policy.order,
            max_parallel=self._policy.max_parallel,
            min_size=ports.waits.min_size,
            data=ports.data,
        )
        if cadence is None:
            return shared
        properties = self._activity.pipeline.properties
        context, wanting = self._factory.context, bool(self._wanting)
        periods.report_period(properties, self._place, context, wanting=wanting)
        schedule = cadence.schedule
        if self._policy.delay:
            schedule["delay"] = written(self._policy.delay)
        schedule |= periods.period(properties).schedule
        if wanting:
            schedule["paused"] = True
        periods.report_first(properties.get("start"), schedule, self._place, context)
        return replace(
            shared,
            schedule=schedule,
            wait_for_data=ports.waits.written,
            catch_up="all",
            catch_up_most=periods.MOST_CAUGHT_UP,
        )

    def _report_database(self, made: Job) -> None:
        """Report the parameters that the factory fills in from a database (data-factory §2.9)."""
        if self._activity.kind != SCORING:
            return
        named = self._factory.definitions.named
        references = (*self._activity.inputs, *self._activity.outputs)
        found = (named(DATASET, one.name, one.element.file) for one in references)
        tables = [one for one in found if one is not None and one.type.casefold() == _DATABASE]
        given = {name.strip().casefold() for name in made.parameters}
        missing = [name for name in _OF_DATABASE if name.casefold() not in given]
        if tables and missing:
            text = f"the factory fills in {', '.join(missing)} from the linked service of dataset "
            text += f"`{tables[0].name}`, where the service has such parameters"
            advice = (
                f"write them under training.parameters of {self._place}, the password as ${{NAME}}"
            )
            name = self._activity.name
            self._element.approximated("activity", name, text, advice, whole=False)

    def _report_activity(self, cadence: Cadence | None) -> None:
        element, name = self._element, self._activity.name
        text = f"{self._place}: training: the job of {self._activity.type}"
        element.mapped("activity", name, text)
        if not element.get("policy", "timeout"):
            text = f"no timeout, so that training.timeout is the longest, {self._policy.longest}"
            element.approximated("activity", name, text)
        if self._wanting:
            text, advice = "; ".join(self._wanting), "provide what is missing"
            if cadence is not None:
                text += "; schedule.paused: true"
                advice += ", and remove schedule.paused"
            element.approximated("activity", name, text, advice)
        if cadence is None:
            text = "no output dataset with an availability: there is no schedule"
            advice = "write schedule in pipelines.yaml, or ask for manual runs"
            element.approximated("activity", name, text, advice)


def parameter(element: Element, name: str, place: str, secrets: Any) -> Any:
    """Return a parameter of a job as the pipelines file has it; None, after a report: left out.

    Args:
        element: its value.
        name: as the service knows it.
        place: the pipeline in the pipelines file.
        secrets: collects the names of app settings.
    """
    value = element.value
    where = f"under training.parameters of {place}"
    if not name.strip() or isinstance(value, dict | list) or value is None:
        what = "a parameter has a name, and a text, a number, true or false as its value"
        element.left("key", name, what, f"write it {where} if the job needs it")
        return None
    if is_secret(name, value):
        return secrets.setting(element, place, name)
    if not isinstance(value, str):
        return element.take()
    report_no_number(element, name, place)
    found = resolved(value, {})
    if found.text is None:
        element.left("key", name, f"`{found.verbatim}`: {found.why}", f"write its value {where}")
        return None
    if unfilled(value):
        text = f"{place}: training.parameters: {name}: still holds `{value}`"
        element.approximated("key", name, text, f"write its value {where}")
    elif not found.exact:
        text = f"{place}: training.parameters: {found.text}: {found.why}"
        element.approximated("key", name, text, "compare the values")
    elif found.text != value:
        element.mapped("key", name, f"{place}: training.parameters: {found.text}")
    element.take()
    return found.parameter


def _uses_windows(made: Job) -> bool:
    paths = [*made.inputs.values(), *([made.single_input] if made.single_input else [])]
    texts = [path.name for path in paths] + [str(value) for value in made.parameters.values()]
    return any(TIMED.search(text) for text in texts)
