"""One pipeline of pipelines.yaml: which data, which training service, which endpoint.

The same model is stored inside each run, so that a run is always finished by the
configuration it was opened with. Secrets appear only as `${NAME}` of an app setting.
"""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from shared.core.durations import Duration, parse_duration
from shared.core.names import MODEL_SUFFIX
from shared.core.pattern import checked_pattern, tokens_of
from shared.core.references import is_reference
from shared.core.schedule import checked_schedule
from shared.core.urls import jobs_url, require_https, score_url, update_url

PIPELINE_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
_OUTPUT_SUFFIXES: Final = (MODEL_SUFFIX, ".csv", ".tsv", ".arff")
_MAX_PROBE_ROWS: Final = 100
_SIZES: Final = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


def _checked_reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError(
            "name the app setting that holds the key, as ${NAME}; "
            "a key itself does not belong in this file"
        )
    return text


def _allowed(url: str, info: ValidationInfo) -> str:
    # Without a context a stored record is being read: its URLs were checked at load.
    if info.context is None:
        return url
    return require_https(url, development=bool(info.context.get("development")))


def _checked_size(value: object) -> int:
    found = re.fullmatch(r"(\d+)\s*(B|KB|MB|GB)?", str(value).strip(), re.IGNORECASE)
    if isinstance(value, bool) or found is None:
        raise ValueError("not a size: write it like 1KB or 10MB")
    return int(found[1]) * _SIZES[(found[2] or "").upper()]


def _checked_file(name: str) -> str:
    if "/" in name or not name.endswith(_OUTPUT_SUFFIXES) or name.startswith("."):
        raise ValueError(
            f"not an output file name: the service writes {', '.join(_OUTPUT_SUFFIXES)} "
            "and the folder is chosen by the app"
        )
    return name


def _checked_span(value: object) -> object:
    span = parse_duration(value)
    if not span:
        raise ValueError("must be longer than 0s")
    return span


SecretReference = Annotated[str, AfterValidator(_checked_reference)]
JobsUrl = Annotated[str, AfterValidator(jobs_url), AfterValidator(_allowed)]
ScoreUrl = Annotated[str, AfterValidator(score_url), AfterValidator(_allowed)]
UpdateUrl = Annotated[str, AfterValidator(update_url), AfterValidator(_allowed)]
Size = Annotated[
    int, BeforeValidator(_checked_size, json_schema_input_type=int | str), Field(examples=["1KB"])
]
Span = Annotated[Duration, BeforeValidator(_checked_span)]
OutputFile = Annotated[str, AfterValidator(_checked_file)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Scalar = bool | int | FiniteFloat | str


class Strict(BaseModel):
    """A frozen part of the configuration that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


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
        default_factory=lambda: {"input1": "{data}"},
        description="Input names of the service; {data} is the newest blob of the run.",
    )
    outputs: dict[Name, OutputFile] = Field(
        description="Output names of the service, and the file each is written to.",
        examples=[{"output1": "model.ilearner", "output2": "evaluation.csv"}],
    )
    parameters: dict[Name, Scalar] = Field(
        default_factory=dict, description="GlobalParameters; may use {tokens} and ${NAME}."
    )
    timeout: Span = Field(
        default_factory=lambda: parse_duration("2h"),
        description="How long one attempt may take, queueing included.",
    )
    attempts: int = Field(default=1, ge=1, le=10, description="Jobs to try before giving up.")

    @model_validator(mode="after")
    def _within_what_a_signature_allows(self) -> Self:
        if self.timeout > parse_duration("6d22h"):
            raise ValueError("timeout: at most 6d22h, because a signed URL lives 7 days at most")
        if len(set(self.outputs.values())) != len(self.outputs):
            raise ValueError("outputs: two outputs cannot be written to one file")
        return self


class Gate(Strict):
    """When a trained model may be promoted."""

    first_model: Literal["allow"] | None = Field(
        default=None, description="allow: promote even where no way back is known yet."
    )


class Verify(Strict):
    """The proof that a new model really serves: fixed rows, scored before and after."""

    score: ScoreUrl = Field(description="Request-response URL of the same endpoint.")
    rows: Annotated[
        dict[str, Any],
        WithJsonSchema({"type": "string", "examples": ["probes/census.json"]}),
    ] = Field(description="File with the request body to score, relative to this one.")
    within: Span = Field(
        default_factory=lambda: parse_duration("3m"),
        description="How long the endpoint may take to switch.",
    )
    api_key: SecretReference | None = Field(
        default=None, description="Only where scoring needs another key than the update."
    )

    @model_validator(mode="after")
    def _a_request(self) -> Self:
        if probe_rows(self.rows) is None:
            raise ValueError(
                'rows: not a scoring request: {"Inputs": {"input1": {"ColumnNames": […], '
                f'"Values": [[…]]}}}}}} with 1 to {_MAX_PROBE_ROWS} rows'
            )
        return self


class Endpoint(Strict):
    """A scoring endpoint that gets the new model."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$")]
    kind: Literal["classic"] = "classic"
    update: UpdateUrl = Field(description="Management URL of the endpoint; takes the PATCH.")
    api_key: SecretReference = Field(description="App setting with the key, as ${NAME}.")
    resource: Name = Field(description="The updatable resource: … [trained model].")
    model: Name | None = Field(
        default=None, description="Which output is the model, where there are several."
    )
    verify: Verify | None = None


class Pipeline(Strict):
    """New data, a training service, and the endpoint that serves the result."""

    name: Annotated[str, StringConstraints(pattern=PIPELINE_NAME)]
    data: Data
    schedule: Annotated[str, AfterValidator(checked_schedule)] | None = Field(
        default=None, description="NCRONTAB, UTC: also train on the newest blob at these times."
    )
    when_busy: Literal["parallel"] = Field(description="What to do while a run is open.")
    training: Training
    gate: Gate = Field(default_factory=Gate)
    endpoints: Annotated[tuple[Endpoint, ...], Field(max_length=1)] = ()

    @model_validator(mode="after")
    def _one_clear_model(self) -> Self:
        models = [o for o, f in self.training.outputs.items() if f.endswith(MODEL_SUFFIX)]
        for endpoint in self.endpoints:
            if endpoint.model is None and len(models) != 1:
                raise ValueError(
                    f"endpoints: {endpoint.name} needs exactly one {MODEL_SUFFIX} output, "
                    f"or `model:` naming one; there are {len(models)}"
                )
            if endpoint.model is not None and endpoint.model not in models:
                raise ValueError(
                    f"endpoints: {endpoint.name}.model names no {MODEL_SUFFIX} output; "
                    f"there is {', '.join(models) or 'none'}"
                )
        return self

    @model_validator(mode="after")
    def _known_tokens(self) -> Self:
        known = set(tokens_of(self.data.blob)) | {"data"}
        texts = [str(value) for value in self.training.parameters.values()]
        if missing := {t for text in texts for t in tokens_of(text)} - known:
            raise ValueError(
                f"training.parameters: unknown token {{{min(missing)}}}; "
                f"data.blob captures {', '.join(sorted(known - {'data'})) or 'none'}"
            )
        return self

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint that gets the model, or None for a pipeline that only trains."""
        return self.endpoints[0] if self.endpoints else None

    @property
    def model_output(self) -> str | None:
        """The name of the output that is the model, or None when no output is one."""
        if self.endpoint and self.endpoint.model:
            return self.endpoint.model
        outputs = self.training.outputs.items()
        return next((output for output, file in outputs if file.endswith(MODEL_SUFFIX)), None)


def probe_rows(request: dict[str, Any]) -> int | None:
    """Return how many rows a scoring request holds, or None when it is none.

    Both documented forms count: columns and values, and a list of row objects
    (contract studio-classic §2).
    """
    inputs = request.get("Inputs")
    if not isinstance(inputs, dict) or not inputs:
        return None
    first = next(iter(inputs.values()))
    if isinstance(first, dict):
        rows, shaped = first.get("Values"), isinstance(first.get("ColumnNames"), list)
    else:
        rows = first
        shaped = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    if not shaped or not isinstance(rows, list) or not 1 <= len(rows) <= _MAX_PROBE_ROWS:
        return None
    return len(rows)
