"""One pipeline of pipelines.yaml: which data, which training service, which endpoints.

The same model is stored inside each run, so that a run is always finished by the
configuration it was opened with. Secrets appear only as `${NAME}` of an app setting.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from shared.core.config_types import (
    JobsUrl,
    Name,
    OutputFile,
    Scalar,
    SecretReference,
    Size,
    Span,
    Strict,
)
from shared.core.durations import Duration, parse_duration
from shared.core.endpoint import Endpoint
from shared.core.names import MODEL_SUFFIX
from shared.core.pattern import checked_pattern, tokens_of
from shared.core.schedule import checked_schedule

PIPELINE_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
#: The name of the one input of a service that takes `Input` (contract studio-classic §1.2).
SINGLE_INPUT: Final = ""
_DATA: Final = "{data}"


class Data(Strict):
    """Which blobs of the training data container are news to a pipeline."""

    blob: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(
        description="Pattern inside TRAINING_DATA_CONTAINER; {tokens} are captured.",
        examples=["census/{date}/{name}.csv"],
    )
    settle: Duration = Field(default_factory=lambda: parse_duration("0s"), validate_default=True)
    min_size: Size = Field(default=1, description="Smaller blobs open no run.")
    backfill: Literal["none"] = Field(
        default="none", description="Blobs older than the pipeline's first activation: not news."
    )

    @model_validator(mode="after")
    def _from_the_container_root(self) -> Self:
        checked_pattern(self.blob)
        if self.blob.startswith("/"):
            raise ValueError("blob: start below the container, without a leading slash")
        return self


class Training(Strict):
    """The batch execution service that trains, and what one job is given."""

    service: JobsUrl = Field(description="Batch execution URL, ending in /jobs.")
    api_key: SecretReference = Field(description="App setting with the key, as ${NAME}.")
    inputs: dict[Name, Annotated[str, Field(pattern=r"^\{data\}$")]] = Field(
        default_factory=lambda: {"input1": _DATA},
        description="Input names of the service; {data} is the newest blob of the run.",
    )
    input: Annotated[str, Field(pattern=r"^\{data\}$")] | None = Field(
        default=None, description="In place of `inputs`, for a service that takes one `Input`."
    )
    outputs: dict[Name, OutputFile] = Field(
        default_factory=dict,
        description="Output names of the service, and the file each is written to. Outputs not "
        "named are left to the service's own storage and copied from there.",
        examples=[{"output1": "model.ilearner", "output2": "evaluation.csv"}],
    )
    parameters: dict[Name, Scalar] = Field(
        default_factory=dict, description="GlobalParameters; may use {tokens} and ${NAME}."
    )
    connection_string: SecretReference | None = Field(
        default=None,
        description="App setting with the storage connection string, as ${NAME}: only for a "
        "service that takes no signed URLs.",
    )
    azure_batch_pool_id: Annotated[str, Field(pattern=r"^[0-9A-Fa-f-]+$")] | None = Field(
        default=None, description="AzureBatchPoolId of a dedicated pool."
    )
    timeout: Span = Field(
        default_factory=lambda: parse_duration("2h"),
        description="How long one attempt may take, queueing included.",
    )
    attempts: int = Field(default=1, ge=1, le=10, description="Jobs to try before giving up.")

    @model_validator(mode="before")
    @classmethod
    def _one_input_form(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("input") is not None:
            if given.get("inputs"):
                raise ValueError("input and inputs: a job is given one of the two, remove one")
            return {**given, "inputs": {}}
        return given

    @model_validator(mode="after")
    def _within_what_a_signature_allows(self) -> Self:
        if self.timeout > parse_duration("6d22h"):
            raise ValueError("timeout: at most 6d22h, because a signed URL lives 7 days at most")
        if len(set(self.outputs.values())) != len(self.outputs):
            raise ValueError("outputs: two outputs cannot be written to one file")
        return self

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs that get the data; `SINGLE_INPUT` for the one that has no name."""
        return (SINGLE_INPUT,) if self.input else tuple(self.inputs)


class Gate(Strict):
    """When a trained model may be promoted."""

    first_model: Literal["allow"] | None = Field(
        default=None, description="allow: promote even where no way back is known yet."
    )


class RollOut(Strict):
    """How many endpoints get a new model at once."""

    first: Annotated[int, Field(ge=1, le=200)] = Field(
        default=1, description="This many endpoints first, and no others until they are proved."
    )
    then: Annotated[int, Field(ge=1, le=200)] = Field(
        default=1, description="Afterwards this many at a time."
    )


class Pipeline(Strict):
    """New data, a training service, and the endpoints that serve the result."""

    name: Annotated[str, StringConstraints(pattern=PIPELINE_NAME)]
    data: Data | None = Field(
        default=None, description="Left out: a service that finds its data itself."
    )
    key: tuple[Name, ...] | None = Field(
        default=None,
        description="Tokens that tell customers apart; by default those used under endpoints.",
    )
    schedule: Annotated[str, AfterValidator(checked_schedule)] | None = Field(
        default=None, description="NCRONTAB, UTC: also train on the newest blob at these times."
    )
    when_busy: Literal["parallel"] = Field(description="What to do while a run is open.")
    training: Training
    gate: Gate = Field(default_factory=Gate)
    roll_out: Literal["one_by_one"] | RollOut = Field(
        default="one_by_one",
        description="one_by_one, or {first: 1, then: 20}; a failure stops those not yet begun.",
    )
    endpoints: tuple[Endpoint, ...] = ()

    @field_validator("key", mode="before")
    @classmethod
    def _one_token_is_a_key(cls, given: Any) -> Any:
        tokens = [given] if isinstance(given, str) else given
        if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
            return tuple(token.strip("{}") for token in tokens)
        return given

    @model_validator(mode="after")
    def _one_clear_model(self) -> Self:
        outputs = self.training.outputs
        models = [output for output, file in outputs.items() if file.endswith(MODEL_SUFFIX)]
        for endpoint in self.endpoints:
            if endpoint.model is None and len(models) > 1:
                raise ValueError(
                    f"endpoints: {endpoint.name} needs `model:`, the name of one of the "
                    f"{MODEL_SUFFIX} outputs {', '.join(models)}"
                )
            if endpoint.model in outputs and endpoint.model not in models:
                raise ValueError(
                    f"endpoints: {endpoint.name}.model names no {MODEL_SUFFIX} output; "
                    f"there is {', '.join(models) or 'none'}"
                )
        return self

    @model_validator(mode="after")
    def _endpoints_apart(self) -> Self:
        for what in ("name", "update, resource"):
            seen: set[object] = set()
            for endpoint in self.endpoints:
                mine = endpoint.name if what == "name" else (endpoint.update, endpoint.place)
                if mine in seen:
                    raise ValueError(f"endpoints: {endpoint.name} is there twice (same {what})")
                seen.add(mine)
        return self

    @model_validator(mode="after")
    def _data_where_it_is_used(self) -> Self:
        if self.data is None and self.training.input_names:
            raise ValueError(
                "data is missing: name the blobs to train on, or write `inputs: {}` under "
                "training for a service that finds its data itself"
            )
        return self

    @model_validator(mode="after")
    def _known_tokens(self) -> Self:
        captured = set(self.captured)
        texts = [str(value) for value in self.training.parameters.values()]
        used = {
            "training.parameters": {t for text in texts for t in tokens_of(text)} - {"data"},
            "endpoints": {t for endpoint in self.endpoints for t in endpoint.tokens},
            "key": set(self.key or ()),
        }
        for where, tokens in used.items():
            if missing := tokens - captured:
                raise ValueError(
                    f"{where}: unknown token {{{min(missing)}}}; "
                    f"data.blob captures {', '.join(sorted(captured)) or 'none'}"
                )
        if self.key is not None and (missing := used["endpoints"] - set(self.key)):
            raise ValueError(f"key: must hold {min(missing)}, because an endpoint is chosen by it")
        return self

    @property
    def captured(self) -> tuple[str, ...]:
        """The tokens that the path of the data captures, in order."""
        return tokens_of(self.data.blob) if self.data else ()

    @property
    def key_tokens(self) -> tuple[str, ...]:
        """The tokens that tell customers apart, in the order of the data's path."""
        if self.key is not None:
            return self.key
        used = {token for endpoint in self.endpoints for token in endpoint.tokens}
        return tuple(token for token in self.captured if token in used)

    @property
    def rolls(self) -> RollOut:
        """How many endpoints get a new model at once."""
        return RollOut() if self.roll_out == "one_by_one" else self.roll_out

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint of a pipeline that has one; None where there is none, or several."""
        return self.endpoints[0] if len(self.endpoints) == 1 else None

    def chosen_by(self, tokens: Mapping[str, str]) -> "Pipeline":
        """Return the pipeline with the endpoints that `tokens` choose.

        Raises:
            ValueError: a value cannot be part of an endpoint's URL; the message says why.
        """
        endpoints = tuple(endpoint.chosen_by(tokens) for endpoint in self.endpoints)
        if len({(e.update, e.place) for e in endpoints}) != len(endpoints):
            raise ValueError("two of the endpoints would be the same one")
        return self.model_copy(update={"endpoints": endpoints, "key": self.key_tokens})

    def only(self, endpoint: Endpoint) -> "Pipeline":
        """Return the pipeline as one of its endpoints sees it."""
        return self.model_copy(update={"endpoints": (endpoint,), "key": self.key_tokens})

    def file_of(self, output: str) -> str:
        """Return the file name that a model output is kept under."""
        return self.training.outputs.get(output, f"{output}{MODEL_SUFFIX}")
