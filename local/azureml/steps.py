"""The steps of a job: its nodes with their components, and the data that they give each other.

See azure-machine-learning-v2 §2.1 and §2.3: bindings, and the reuse of a step.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.azureml.answers import Body
from local.azureml.assets import Asset, Assets
from local.azureml.places import DEFAULT
from local.azureml.training import LITERAL, Given, Work

_PARENT: Final = re.compile(r"\$\{\{\s*parent\.(inputs|outputs)\.([\w.]+?)\s*\}\}")
_OTHER: Final = re.compile(r"\$\{\{\s*parent\.jobs\.(\w+)\.outputs\.(\w+)\s*\}\}")
_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class BadPipelineError(Exception):
    """The job cannot be one; the message says what does not fit."""


@dataclass(frozen=True)
class Group:
    """A node that is a pipeline itself: its run has no work, its children have."""

    run_id: str
    node: str
    parent: str | None  #: run id of the group that it is in


@dataclass
class Step:
    """One node of a pipeline job."""

    work: Work
    component: str | None
    deterministic: bool
    bound: Mapping[str, str]  #: the job's own outputs that it writes, by its output
    reused: "Step | None" = None
    group: str | None = None  #: run id of the group that it is in

    @property
    def key(self) -> object:
        """Return what has to be the same for its result to be taken again."""
        inputs = sorted((name, one.kind, one.value) for name, one in self.work.inputs.items())
        return (self.component, self.work.command, tuple(inputs))

    @property
    def writer(self) -> "Step":
        """Return the step that has written the outputs."""
        return self.reused.writer if self.reused else self


def run_id_of(job: str, node: str) -> str:
    """Return the id of a node's run: a GUID of the service's.

    Args:
        job: the name of the job.
        node: the name of the node.

    Returns:
        The id.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job}/{node}"))


def folder_of(run_id: str, output: str) -> str:
    """Return where an output goes for which nobody says where.

    Args:
        run_id: of the step.
        output: of the step.

    Returns:
        The URI.
    """
    return f"azureml://datastores/{DEFAULT}/paths/azureml/{run_id}/{output}/"


@dataclass
class Planner:
    """Makes the steps of one job."""

    assets: Assets
    job: str
    honoured: bool  #: whether the URIs of outputs that the caller gave are used
    steps: list[Step] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    def plan(self, own: Mapping[str, Any]) -> list[Step]:
        """Return the steps of a job, in an order in which each finds its inputs.

        Args:
            own: the properties of the job.

        Returns:
            One step for a command job, which has the name of the job.

        Raises:
            BadPipelineError: inputs, outputs or components do not fit.
        """
        inputs = {name: _given(one) for name, one in (own.get("inputs") or {}).items()}
        outputs = {
            name: Given(str(one["jobOutputType"]).lower(), one.get("uri") or "")
            for name, one in (own.get("outputs") or {}).items()
        }
        if own["jobType"] == "Command":
            self.steps = [
                Step(self._command(own, inputs, outputs), None, deterministic=False, bound={})
            ]
            return self.steps
        if not self.honoured:
            outputs = {name: Given(one.kind, "") for name, one in outputs.items()}
        spec, jobs = None, own.get("jobs") or {}
        if own.get("componentId"):
            spec = self._component(own["componentId"])
            if spec is None:  # nothing is registered: it may be anything
                step = self._opaque(own["componentId"], inputs, outputs)
                return [step]
            if spec.properties["componentSpec"]["type"] != "pipeline":
                raise BadPipelineError("A job is a pipeline component, not a command component.")
            declared = spec.properties["componentSpec"]
            inputs = _checked(declared, inputs)
            outputs = _all_outputs(declared, outputs)
            jobs = declared.get("jobs") or {}
        self._expand(jobs, inputs, outputs, None)
        return self.steps

    def _command(
        self, own: Mapping[str, Any], inputs: dict[str, Given], outputs: dict[str, Given]
    ) -> Work:
        placed = {
            name: Given(one.kind, one.value or folder_of(self.job, name))
            for name, one in outputs.items()
        }
        limit = (own.get("limits") or {}).get("timeout")
        return Work(
            self.job,
            self.job,
            own["command"],
            self._code(own.get("codeId")),
            inputs,
            placed,
            dict(own.get("environmentVariables") or {}),
            _seconds(limit) if limit else None,
        )

    def _opaque(self, component: str, inputs: dict[str, Given], outputs: dict[str, Given]) -> Step:
        run_id = run_id_of(self.job, "train")
        placed = {
            name: Given(one.kind, one.value or folder_of(run_id, name))
            for name, one in outputs.items()
        }
        work = Work(run_id, "train", "", None, inputs, placed)
        return Step(work, component, deterministic=True, bound={name: name for name in outputs})

    def _expand(
        self,
        jobs: Mapping[str, Any],
        inputs: Mapping[str, Given],
        outputs: Mapping[str, Given],
        group: Group | None,
    ) -> None:
        prefix = f"{group.node}/" if group else ""
        done: dict[str, dict[str, Given]] = {}
        for name in _ordered(jobs):
            node = jobs[name]
            component = self._component(node.get("componentId") or "")
            if component is None:
                raise BadPipelineError(f"Node {name} has no component that is registered.")
            spec = component.properties["componentSpec"]
            given = {}
            for key, one in (node.get("inputs") or {}).items():
                if (flows := _flow(one, inputs, done)) is not None:
                    given[key] = flows
            given = _checked(spec, given)
            run_id = run_id_of(self.job, f"{prefix}{name}")
            placed, bound = _placed(spec, node.get("outputs") or {}, outputs, run_id)
            if spec["type"] == "pipeline":
                done[name], before = dict(placed), len(self.steps)
                inner_group = Group(run_id, f"{prefix}{name}", group.run_id if group else None)
                self.groups.append(inner_group)
                self._expand(spec.get("jobs") or {}, given, placed, inner_group)
                for inner in self.steps[before:]:
                    inner.bound = {k: bound[o] for k, o in inner.bound.items() if o in bound}
                continue
            work = Work(
                run_id,
                f"{prefix}{name}",
                spec["command"],
                self._code(spec.get("code")),
                given,
                placed,
                {**(spec.get("environment_variables") or {})},
            )
            same = str(spec.get("is_deterministic", True)).lower() == "true"
            one_step = Step(work, node["componentId"], deterministic=same, bound=bound)
            one_step.group = group.run_id if group else None
            self.steps.append(one_step)
            done[name] = placed

    def _component(self, reference: str) -> Asset | None:
        found = self.assets.find("components", reference)
        if found is None and self.assets.all.get("components"):
            raise BadPipelineError(f"Component {reference} is not registered.")
        return found

    def _code(self, reference: str | None) -> str | None:
        if not reference:
            return None
        found = self.assets.find("codes", reference)
        if found is None:
            raise BadPipelineError(f"Code {reference} is not registered.")
        return str(found.properties["codeUri"])


def _given(one: Mapping[str, Any]) -> Given:
    kind = str(one.get("jobInputType") or one.get("job_input_type") or LITERAL).lower()
    return Given(kind, str(one.get("value" if kind == LITERAL else "uri")))


def _flow(
    one: Any, inputs: Mapping[str, Given], done: Mapping[str, Mapping[str, Given]]
) -> Given | None:
    """Return what flows into an input of a node; None where an optional input is left out."""
    given = _given(one if isinstance(one, dict) else {"value": one})
    if given.kind != LITERAL:
        return given
    if (parent := _PARENT.fullmatch(given.value)) is not None:
        return inputs.get(parent[2])
    if (other := _OTHER.fullmatch(given.value)) is not None:
        if other[2] not in done.get(other[1], {}):
            raise BadPipelineError(f"{given.value} is bound to nothing.")
        return done[other[1]][other[2]]

    def value(found: re.Match[str]) -> str:
        if found[2] not in inputs:
            raise BadPipelineError(f"{found[0]} is bound to nothing.")
        return inputs[found[2]].value

    return Given(LITERAL, _PARENT.sub(value, given.value))


def _placed(
    spec: Body, said: Mapping[str, Any], outputs: Mapping[str, Given], run_id: str
) -> tuple[dict[str, Given], dict[str, str]]:
    placed, bound = {}, {}
    for name, declared in (spec.get("outputs") or {}).items():
        one = said.get(name) or {}
        uri = one.get("uri") or ""
        if (parent := _PARENT.fullmatch(str(one.get("value") or ""))) is not None:
            if parent[2] not in outputs:
                raise BadPipelineError(f"Output {name} is bound to {parent[2]}, which is none.")
            bound[name], uri = parent[2], outputs[parent[2]].value
        placed[name] = Given(declared["type"], uri or folder_of(run_id, name))
    return placed, bound


def _checked(spec: Body, given: dict[str, Given]) -> dict[str, Given]:
    """Return the inputs with the defaults of a component; refuse what does not fit."""
    declared = spec.get("inputs") or {}
    for name in given:
        if name not in declared:
            raise BadPipelineError(f"Unknown input '{name}'. Known: {', '.join(declared)}.")
    full = dict(given)
    for name, one in declared.items():
        if name in given:
            continue
        if one.get("default") is not None:
            full[name] = Given(LITERAL, str(one["default"]))
        elif str(one.get("optional", False)).lower() != "true":
            raise BadPipelineError(f"Required input '{name}' is not given.")
    return full


def _all_outputs(spec: Body, given: dict[str, Given]) -> dict[str, Given]:
    declared = spec.get("outputs") or {}
    for name in given:
        if name not in declared:
            raise BadPipelineError(f"Unknown output '{name}'. Known: {', '.join(declared)}.")
    return {name: given.get(name, Given(one["type"], "")) for name, one in declared.items()}


def _ordered(jobs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the nodes, each after those whose outputs it takes."""
    left = dict(jobs)
    while left:
        ready = [
            name
            for name, node in left.items()
            if not {found[0] for found in _OTHER.findall(str(node.get("inputs")))} & left.keys()
        ]
        if not ready:
            raise BadPipelineError("The nodes wait for each other.")
        for name in ready:
            del left[name]
            yield name


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise BadPipelineError(f"{text} is not a duration.")
    days, hours, minutes, seconds = (float(one or 0) for one in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
