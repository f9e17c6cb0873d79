"""Makes the body of a job: of a registered component, of a job file, or as a copy of a job.

Pure functions; forms: azure-machine-learning-v2 §2.1, §2.2. Only members that the stable version
knows are sent, and never an answer as it is.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.core.config.azureml_names import SERVERLESS, Asset, Workspace, compute_id
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.types import Scalar
from shared.errors import PermanentError
from shared.providers.azureml.call import Body, mapping_of, properties_of, without_none

_FOLDER: Final = "uri_folder"
_MODES: Final = {
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "mount": "ReadWriteMount",
    "download": "Download",
    "upload": "Upload",
    "direct": "Direct",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
_TYPES: Final = {
    one.replace("_", ""): one
    for one in (
        "uri_file",
        _FOLDER,
        "mltable",
        "custom_model",
        "mlflow_model",
        "triton_model",
        "literal",
    )
}
_MOUNTED: Final = frozenset({"uri_file", _FOLDER})
_LITERAL: Final = frozenset({"string", "number", "integer", "boolean", "enum", "literal"})
#: Kinds of components that can be run.
_RUN: Final = ("pipeline", "command")
IDENTITIES: Final = {
    "aml_token": "AMLToken",
    "managed": "Managed",
    "managed_identity": "Managed",
    "user_identity": "UserIdentity",
}
#: Members whose values are of a fixed set.
_FIXED: Final = frozenset(
    {"mode", "jobInputType", "jobOutputType", "identityType", "jobLimitsType", "jobTier"}
    | {"distributionType"}
)
_SPELLINGS: Final = {
    **{one.lower(): one for one in _MODES.values()},
    **{one.lower(): one for one in IDENTITIES.values()},
    **{one.lower(): one for one in ("Command", "Mpi", "PyTorch", "TensorFlow")},
    **{one.lower(): one for one in ("Spot", "Basic", "Standard", "Premium")},
    **_TYPES,
}
#: Whose PUT carries a second token (azure-machine-learning-v2 §1).
_PIPELINE: Final = "Pipeline"
_PICK: Final = "name another component as training.component"


@dataclass(frozen=True, slots=True)
class PlacedInput:
    """An input that is data: where it is."""

    uri: str
    type: str | None = None  #: None: what the component says
    mode: str | None = None  #: in the words of YAML
    blob: bool = False  #: whether it is one blob among others
    folder: str | None = None  #: the folder that holds only this blob, where there is one
    usual: str = "uri_file"  #: its type where nothing says one

    def shown(self, name: str, known: str | None = None) -> Body:
        """Return it as a request has it.

        Args:
            name: of the input.
            known: the type that the component, file or job says.

        Raises:
            PermanentError: a folder is wanted, and it is one blob among others.
        """
        kind = self.type or (known if known not in (None, "", *_LITERAL) else None) or self.usual
        uri = self.uri
        if kind == _FOLDER and self.blob:
            if self.folder is None:
                advice = (
                    f"make it a uri_file, or write `pin: copy` under data, or "
                    f"{{data.mltable}} under training.inputs.{name}"
                )
                what = f"the input {name!r} is a folder, and is given one blob of many"
                raise PermanentError(f"{what}: {advice}", advice=advice)
            uri = self.folder
        mode = _MODES.get(self.mode or "", "ReadOnlyMount" if kind in _MOUNTED else None)
        return without_none({"jobInputType": kind, "mode": mode, "uri": uri})


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What one attempt is given, wherever its job comes from."""

    title: str
    experiment: str
    tags: Mapping[str, str]
    data: Mapping[str, PlacedInput]
    literals: Mapping[str, str]
    output_uri: Callable[[str, str], str]  #: of an output and its type
    left_out: tuple[str, ...] = ()  #: inputs for a model that does not exist, as of a first run

    def inputs(self, types: Mapping[str, str | None]) -> Body:
        """Return the inputs as a request has them; `types` are those that the job says."""
        data = {name: one.shown(name, types.get(name)) for name, one in self.data.items()}
        return {**data, **{name: literal(value) for name, value in self.literals.items()}}

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that are given."""
        return (*self.data, *self.literals)


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """What a registered component says of itself; truth and numbers come as text."""

    kind: str
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)  #: output -> its type
    required: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: object) -> "ComponentSpec":
        """Read `componentSpec` of an answer.

        Raises:
            ValueError: it is none.
        """
        known = mapping_of(spec)
        if not known:
            raise ValueError("the answer does not say what the component is")
        inputs = _described(known, "inputs")
        outputs = {
            name: type_of(one.get("type") or _FOLDER)
            for name, one in _described(known, "outputs").items()
        }
        required = tuple(
            name
            for name, one in inputs.items()
            if str(one.get("optional", "False")).lower() != "true" and one.get("default") is None
        )
        return cls(str(known.get("type") or "").lower(), inputs, outputs, required)

    @property
    def runs(self) -> bool:
        """Whether it is of a kind that can be run."""
        return self.kind in _RUN


def type_of(text: object) -> str:
    """Return a type of an input or output as requests have it: answers spell it several ways."""
    plain = str(text or "").lower().replace("_", "")
    return _TYPES.get(plain, str(text or ""))


def literal(value: str) -> Body:
    """Return a literal input as a request has it."""
    return {"jobInputType": "literal", "value": value}


def literal_text(value: Scalar) -> str:
    """Return a literal as text, as the service's own client writes it; empty: leave it out."""
    return str(value)


def needs_second_token(body: Mapping[str, Any]) -> bool:
    """Whether the PUT of a body carries `x-azureml-token` as well."""
    known = properties_of(body)
    identity = mapping_of(known.get("identity")).get("identityType")
    return known.get("jobType") == _PIPELINE or identity == IDENTITIES["user_identity"]


def of_component(
    plan: JobPlan, training: AzureMlTraining, asset: Asset, spec: ComponentSpec
) -> Body:
    """Return the body of a pipeline job that runs a registered component.

    A pipeline component is the whole job; a command component is its one step.

    Args:
        plan: what the attempt is given.
        training: the configuration.
        asset: the component, in a fixed version.
        spec: what it says of itself.

    Raises:
        PermanentError: it is of another kind, or its inputs and outputs are not those given.
    """
    check_names(plan, training, spec, str(asset))
    here = training.workspace_parts
    component = f"{here.id}/components/{asset.name}/versions/{asset.version}"
    types = {name: type_of(one.get("type")) for name, one in spec.inputs.items()}
    properties = {
        **common_of(plan, training, _PIPELINE),
        "inputs": plan.inputs(types),
        "outputs": {name: output_of(plan, name, kind) for name, kind in spec.outputs.items()},
    }
    if spec.kind == "pipeline":
        own: Body = {"componentId": component, "jobs": {}}
        source = "REMOTE.WORKSPACE.JOB"
    elif spec.kind == "command":
        node = "".join(c if c.isalnum() else "_" for c in asset.name.lower())
        own, source = {"jobs": {node: _step(plan, training, spec, node, component)}}, "YAML.JOB"
    else:
        what = f"{asset} is a component of type {spec.kind or 'unknown'}"
        raise PermanentError(f"{what}, and only pipeline and command can be run", advice=_PICK)
    settings = _settings(training, here, source)
    return {"properties": {**properties, **own, "settings": settings}}


def require_known(
    where: str, kind: str, given: Collection[str], known: Mapping[str, object]
) -> None:
    """Make sure that what is given an input or output exists.

    Args:
        where: whose inputs and outputs are known, for messages.
        kind: `input` or `output`.
        given: names of the configuration.
        known: by their names.

    Raises:
        PermanentError: one does not exist.
    """
    for name in given:
        if name not in known:
            advice, there = f"correct training.{kind}s", ", ".join(known) or "none"
            text = f"{where} has no {kind} {name!r}; it has {there}"
            raise PermanentError(f"{text}: {advice}", advice=advice)


def check_names(plan: JobPlan, training: AzureMlTraining, spec: ComponentSpec, name: str) -> None:
    """Make sure that a component has the inputs and outputs that are given.

    Args:
        plan: what the attempt is given.
        training: the configuration.
        spec: what the component says of itself.
        name: of the component, for messages.

    Raises:
        PermanentError: an input or output does not exist, or an input is missing.
    """
    require_known(name, "input", plan.names, spec.inputs)
    require_known(name, "output", (*training.outputs, *training.register_as), spec.outputs)
    for one in spec.required:
        if one not in plan.names:
            advice = f"give it under training.inputs ({spec.inputs[one].get('type')})"
            if one in plan.left_out:
                advice = (
                    "make it optional in the component: no such model serves, or is pinned, yet"
                )
            raise PermanentError(f"{name} needs the input {one!r}: {advice}", advice=advice)


def mode_of(word: object) -> str | None:
    """Return a mode as a request has it, from the words of YAML; None for an unknown one."""
    return _MODES.get(str(word))


def spelled(name: str, value: Any) -> Any:
    """Return a value of an answer as requests have it: its letter case may differ.

    Args:
        name: of the member.
        value: a text of a fixed set, or anything else, which stays as it is.
    """
    if name not in _FIXED or not isinstance(value, str):
        return value
    return _SPELLINGS.get(value.lower().replace("_", ""), value)


def common_of(plan: JobPlan, training: AzureMlTraining, kind: str) -> Body:
    """Return what every job has.

    Args:
        plan: what the attempt is given.
        training: the configuration.
        kind: `Pipeline` or `Command`.
    """
    known: Body = {
        "jobType": kind,
        "displayName": plan.title,
        "experimentName": plan.experiment,
        "isArchived": False,
        "tags": dict(plan.tags),
        "properties": {},
    }
    if training.run_as is not None:
        known["identity"] = {"identityType": IDENTITIES[training.run_as]}
    return known


def _settings(training: AzureMlTraining, here: Workspace, source: str) -> Body:
    given = training.settings
    store = given.default_datastore
    return without_none(
        {
            "default_compute": _default_compute(training, here),
            "default_datastore": f"{here.id}/datastores/{store}" if store else None,
            "continue_on_step_failure": given.continue_on_step_failure,
            "continue_on_failed_optional_input": given.continue_on_failed_optional_input,
            # Else a step may take the result of an older run (azure-machine-learning-v2 §2.3).
            "force_rerun": True,
            "_source": source,
        }
    )


def _default_compute(training: AzureMlTraining, here: Workspace) -> str | None:
    if training.compute is None:
        return None
    return compute_id(training.compute, here) or SERVERLESS


def _step(
    plan: JobPlan, training: AzureMlTraining, spec: ComponentSpec, node: str, component: str
) -> Body:
    compute = compute_id(training.compute, training.workspace_parts) if training.compute else None
    tier = (training.job_tier or "standard").capitalize()
    serverless = training.compute is not None and compute is None
    step = {
        "name": node,
        "type": "command",
        "computeId": compute,
        "queue_settings": {"job_tier": tier} if serverless else None,
        "inputs": {
            name: {"job_input_type": "literal", "value": f"${{{{parent.inputs.{name}}}}}"}
            for name in plan.names
        },
        "outputs": {
            name: {"type": "literal", "value": f"${{{{parent.outputs.{name}}}}}"}
            for name in spec.outputs
        },
        "_source": "REMOTE.WORKSPACE.COMPONENT",
        "componentId": component,
    }
    return without_none(step)


def output_of(plan: JobPlan, name: str, kind: str, mode: str | None = "upload") -> Body:
    """Return an output as a request has it.

    Args:
        plan: what the attempt is given.
        name: of the output.
        kind: its type.
        mode: in the words of YAML; None: the service's own.
    """
    shown = {"jobOutputType": kind, "uri": plan.output_uri(name, kind)}
    known = _MODES.get(mode or "")
    return {**shown, "mode": known} if known else shown


def _is_described(one: object) -> bool:
    return isinstance(one, Mapping) and isinstance(one.get("type"), str | None)


def _described(spec: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    found = spec.get(name)
    known = {} if found is None else found
    if not isinstance(known, Mapping) or not all(map(_is_described, known.values())):
        raise ValueError(f"the answer does not say which {name} the component has")
    return known
