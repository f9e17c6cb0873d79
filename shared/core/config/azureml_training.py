"""The Azure Machine Learning workspace that trains, and the inputs and outputs of its jobs."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from shared.core.config.azureml_job_file import (
    input_names,
    local_inputs,
    mistakes_in,
    output_names,
)
from shared.core.config.azureml_models import AZUREML
from shared.core.config.azureml_names import (
    SERVERLESS,
    ComponentName,
    ComputeName,
    PlainName,
    Workspace,
    WorkspaceId,
    workspace_of,
)
from shared.core.config.azureml_parts import (
    ALL_DATA,
    ApiVersions,
    AzureMlInput,
    Folder,
    InputValue,
    PipelineSettings,
    Registered,
    is_given,
    is_literal,
)
from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake
from shared.core.config.training import DATA, MANIFEST, OTHER_MODELS, TrainingConfig
from shared.core.config.types import Name, OutputName, Span, parse_duration
from shared.core.config.windows import Window, filled

#: The content of the file that `job` names, which the loader puts in its place.
JobFile = Annotated[
    dict[str, Any], WithJsonSchema({"type": "string", "examples": ["train.job.yml"]})
]
#: The output that is the model, where nothing else says which one is.
MODEL_OUTPUT: Final = "model"
_FORMS: Final = ("component", "job", "like")
#: What others write here, and what to do; each is refused by its name.
_LATER: Final = {
    "batch_endpoint": "name the component of its deployment as `component`",
    "deployment": "name its component as `component`",
    "kubernetes": "name a compute cluster, or serverless, as `compute`",
}


class AzureMlTraining(TrainingConfig):
    """The workspace that trains, and what a job is given."""

    endpoint_kinds = (AZUREML,)
    takes_copies = True
    logs_metrics = True

    kind: Literal["azureml"] = Field(description="azureml: a job of Azure Machine Learning.")
    workspace: WorkspaceId = Field(
        description="The workspace: its id in Resource Manager, a whole URL (another cloud), or "
        "{subscription, resource_group, name}."
    )
    component: ComponentName | None = Field(
        default=None,
        description="A registered pipeline or command component: azureml:name:version, or "
        "azureml:name@latest, which is looked up once for each job.",
    )
    job: JobFile | None = Field(
        default=None,
        description="A file that `az ml job create -f` takes, relative to this one; its code and "
        "environment are registered.",
    )
    like: PlainName | None = Field(default=None, description="A job that ran once: a copy of it.")
    inputs: dict[Name, InputValue] = Field(
        default_factory=dict,
        description="What each input is given: {data}, the newest blob of the run; "
        "{data.manifest}, a CSV that lists all its blobs; {data.mltable}, a folder with an MLTable "
        "file that lists them; {live.model} or {anchor.model}, the model that serves or is pinned "
        "when the job is made, for an optional input, which is left out where there is none; a "
        "path in TRAINING_DATA_CONTAINER with {tokens} and times of the "
        "window, as {start:yyyy/MM/dd}; a URI. Numbers, true, false and texts without a slash are "
        "literals, as under parameters.",
    )
    orphan_after: Span = Field(
        default_factory=lambda: parse_duration("15m"),
        description="How long a job may stay NotStarted, without a step; then another one takes "
        "its place, which counts as the same attempt.",
    )
    outputs: dict[OutputName, Folder] = Field(
        default_factory=dict,
        description="The folder (or file) below that of the attempt that each output is written "
        "to; by default its own name.",
        examples=[{"model": "model", "metrics": "evaluation"}],
    )
    register_as: dict[OutputName, Registered] = Field(
        default_factory=dict,
        description="How outputs that are models are registered: output: name, or {name, type, "
        "description, tags}. By default the output `model`, or the only one.",
    )
    compute: ComputeName | None = Field(
        default=None,
        description="A compute of the workspace, or serverless; by default that of the component, "
        "file or job.",
    )
    job_tier: Literal["spot", "basic", "standard", "premium"] | None = Field(
        default=None, description="With compute: serverless."
    )
    run_as: Literal["aml_token", "managed", "user_identity"] | None = Field(
        default=None, description="As whom the job runs."
    )
    settings: PipelineSettings = Field(
        default_factory=PipelineSettings, description="Settings of the pipeline job."
    )
    experiment: PlainName | None = Field(
        default=None, description="By default relearn-<pipeline>, or that of the file or job."
    )
    tags: dict[Name, str] = Field(default_factory=dict, description="Tags of the job.")
    datastore: PlainName | None = Field(
        default=None,
        description="The datastore of MODELS_CONTAINER; by default found in the list.",
    )
    data_datastore: PlainName | None = Field(
        default=None,
        description="The datastore of TRAINING_DATA_CONTAINER; by default found in the list, "
        "else jobs are given https URLs.",
    )
    api_versions: ApiVersions = Field(
        default_factory=ApiVersions, description="api-versions, where a cloud has others."
    )

    @model_validator(mode="before")
    @classmethod
    def _literals_apart(cls, given: Any) -> Any:
        """Move literals under `inputs` to `parameters`, where runs and requests expect them."""
        inputs = given.get("inputs") if isinstance(given, dict) else None
        known = given.get("parameters", {}) if isinstance(given, dict) else {}
        if not isinstance(inputs, dict) or not isinstance(known, dict):
            return given
        literals = {name: one for name, one in inputs.items() if is_literal(one)}
        if twice := literals.keys() & known.keys():
            raise ValueError(f"{min(twice)} is under inputs and under parameters: leave one out")
        left = {name: one for name, one in inputs.items() if name not in literals}
        return {**given, "inputs": left, "parameters": {**literals, **known}}

    @model_validator(mode="before")
    @classmethod
    def _not_yet(cls, given: Any) -> Any:
        for name, advice in _LATER.items():
            if isinstance(given, dict) and name in given:
                what = name.replace("_", " ").replace("kubernetes", "Kubernetes")
                raise ValueError(f"{name}: a {what} is not supported yet: {advice}")
        return given

    @together
    def _exactly_one_form(self) -> Iterator[Mistake]:
        given = [name for name in _FORMS if getattr(self, name) is not None]
        if len(given) != 1:
            there = f"there are {' and '.join(given)}" if given else "there is none"
            yield Mistake(f"a job is made of one of {', '.join(_FORMS)}; {there}", "write one")

    @together
    def _job_needs_no_disk(self) -> Iterator[Mistake]:
        if self.job is not None:
            yield from mistakes_in(self.job)
            given = (*self.inputs, *self.parameters)
            for name in local_inputs(self.job):
                if name not in given:
                    advice = f"give it under training.inputs, as {name}: '{DATA}'"
                    yield Mistake("local data is not uploaded", advice, ("job", "inputs", name))

    @together
    def _names_of_the_job(self) -> Iterator[Mistake]:
        if self.job is None:
            return
        inputs, outputs = input_names(self.job), output_names(self.job)
        for at, names, known in (
            ("inputs", (*self.inputs, *self.parameters), inputs),
            ("outputs", (*self.outputs, *self.register_as), outputs),
        ):
            for name in names:
                if name not in known:
                    what = f"the job file has no {at[:-1]} {name!r}"
                    yield Mistake(f"{what}; it has {', '.join(known) or 'none'}", at=(at,))

    @together
    def _one_value_each(self) -> Iterator[Mistake]:
        for name in sorted(self.inputs.keys() & self.parameters.keys()):
            what = f"{name} is under inputs and under parameters"
            yield Mistake(what, "leave one out", at=("parameters",))

    @together
    def _models_as_inputs(self) -> Iterator[Mistake]:
        for name in self.parameters.keys() & self.other_models.keys():
            what = "a parameter is a literal, and a model is an input"
            yield Mistake(what, "write it under inputs", ("parameters", name))

    @together
    def _one_folder_each(self) -> Iterator[Mistake]:
        if len({folder.casefold() for folder in self.outputs.values()}) != len(self.outputs):
            yield Mistake("two outputs cannot be written to one folder", at=("outputs",))

    @together
    def _tier_where_it_is_used(self) -> Iterator[Mistake]:
        if self.job_tier is not None and self.compute != SERVERLESS:
            yield Mistake("only serverless compute has tiers", "write compute: serverless")

    @together
    def _as_long_as_a_job_lives(self) -> Iterator[Mistake]:
        if self.timeout > parse_duration("21d"):
            yield Mistake("at most 21d, which is how long a job lives", at=("timeout",))

    @property
    def window_texts(self) -> dict[str, tuple[str, ...]]:
        """The texts that may hold times of a window, by the key that they are below."""
        return {"inputs": tuple(self.paths.values()), **super().window_texts}

    def in_window(self, window: Window) -> Self:
        """Return the training with the times of a window filled in. Raises ValueError."""
        inputs = {
            name: one.evolve(path=filled(one.path, window))
            if isinstance(one, AzureMlInput)
            else filled(one, window)
            for name, one in self.inputs.items()
        }
        return super().in_window(window).evolve(inputs=inputs)

    @property
    def workspace_parts(self) -> Workspace:
        """The workspace, as its calls name it."""
        return workspace_of(self.workspace)

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs and ids that the file says, by their keys."""
        return {"workspace": self.workspace}

    @property
    def address(self) -> str:
        """Where calls to the service go."""
        return self.workspace_parts.url

    @property
    def identity(self) -> str:
        """What the workspace is known by, however it is written."""
        return f"azureml {self.workspace_parts.identity}"

    @property
    def all_outputs(self) -> tuple[str, ...]:
        """Every output, if the job file says so; empty: a component has those that it has."""
        return tuple(output_names(self.job)) if self.job else ()

    @property
    def models(self) -> tuple[str, ...]:
        """The outputs that are known to be models; the component may have others."""
        if self.register_as:
            return tuple(self.register_as)
        named = dict(self.outputs) or (dict.fromkeys(output_names(self.job)) if self.job else {})
        if MODEL_OUTPUT in named:
            return (MODEL_OUTPUT,)
        return tuple(named) if len(named) == 1 else ()

    @property
    def sources(self) -> dict[str, str]:
        """Input name -> the data that it is given; URIs are passed on as they are."""
        return {
            name: MANIFEST if path in ALL_DATA else path
            for name, path in self.paths.items()
            if not is_given(path) and path not in OTHER_MODELS
        }

    @property
    def paths(self) -> dict[str, str]:
        """Input name -> its path, as it is written."""
        return {name: self.input(name).path for name in self.inputs}

    def input(self, name: str) -> AzureMlInput:
        """Return an input with its type and mode."""
        given = self.inputs[name]
        return given if isinstance(given, AzureMlInput) else AzureMlInput(path=given)
