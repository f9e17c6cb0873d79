"""The batch execution service that trains, and the inputs and outputs of its jobs."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.core.blobs import BlobVersion
from shared.core.config.cross_field import together
from shared.core.config.pattern import checked_pattern
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.studio_types import (
    MODEL_SUFFIX,
    JobsUrl,
    OutputFile,
    model_of,
    service_identity,
)
from shared.core.config.training import DATA, MANIFEST, TrainingConfig, named_model
from shared.core.config.types import GUID_DIGITS, Name, SecretReference, parse_duration
from shared.core.config.windows import Window, checked_path, filled
from shared.core.serving.references import ModelRef

#: The name of the one input of a service that takes `Input` (studio-classic §1.2).
SINGLE_INPUT: Final = ""


def _checked_input(text: str) -> str:
    return checked_path(text, _checked_filled)


def _checked_filled(text: str) -> str:
    if text in (DATA, MANIFEST):
        return text
    if named_model(text):
        raise WrongValueError(
            "a model is not an input of a batch job",
            f"write {text} under parameters, as the URL of a module Load Trained Model",
        )
    if DATA in text or MANIFEST in text:
        raise WrongValueError(
            "{data} and {data.manifest} must be the whole value", "a path is written with {tokens}"
        )
    if not text or text.startswith("/"):
        raise ValueError("a path starts below the container, without a leading slash")
    return checked_pattern(text)


InputTemplate = Annotated[str, AfterValidator(_checked_input)]


class StudioTraining(TrainingConfig):
    """The batch execution service that trains, and what a job is given."""

    model_suffix = MODEL_SUFFIX
    endpoint_kinds = ("classic", "webservice")

    kind: Literal["studio"] = Field(
        default="studio", description="studio: a batch execution service of Studio."
    )
    service: JobsUrl = Field(
        description="Batch execution URL of the training web service, ending in /jobs."
    )
    api_key: SecretReference = Field(description="App setting with the key, as ${NAME}.")
    inputs: dict[Name, InputTemplate] = Field(
        default_factory=lambda: {"input1": DATA},
        description="What each input of the service is given: {data}, the newest blob of the run; "
        "{data.manifest}, a CSV that lists all its blobs; or a path in TRAINING_DATA_CONTAINER "
        "with {tokens} and times of the window, as {start:yyyy/MM/dd}. Write {} for a service "
        "without inputs.",
    )
    input: InputTemplate | None = Field(
        default=None, description="Instead of inputs, for a service that takes one `Input`."
    )
    outputs: dict[Name, OutputFile] = Field(
        default_factory=dict,
        description="The file that each output of the service is written to. Outputs that are not "
        "named go to the service's own storage, and models are copied from there.",
        examples=[{"output1": "model.ilearner", "output2": "evaluation.csv"}],
    )
    connection_string: SecretReference | None = Field(
        default=None,
        description="App setting with the storage connection string, as ${NAME}: only for a "
        "service that takes no signed URLs.",
    )
    azure_batch_pool_id: Annotated[str, Field(pattern=GUID_DIGITS)] | None = Field(
        default=None,
        description="AzureBatchPoolId of a dedicated pool; by default the shared queue.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_input_form(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("input") is not None and "inputs" not in given:
            return {**given, "inputs": {}}
        return given

    @together
    def _one_of_the_two(self) -> Iterator[Mistake]:
        if self.input is not None and self.inputs:
            yield Mistake("input and inputs", "a job is given one of the two, remove one")

    @together
    def _within_what_a_signature_allows(self) -> Iterator[Mistake]:
        if self.timeout > parse_duration("6d22h"):
            what = "at most 6d22h, because a signed URL lives 7 days at most"
            yield Mistake(what, at=("timeout",))

    @together
    def _one_file_each(self) -> Iterator[Mistake]:
        if len(set(self.outputs.values())) != len(self.outputs):
            yield Mistake("two outputs cannot be written to one file", at=("outputs",))

    @property
    def window_texts(self) -> dict[str, tuple[str, ...]]:
        """The texts that may hold times of a window, by the key that they are below."""
        single = () if self.input is None else (self.input,)
        inputs = {"inputs": tuple(self.inputs.values()), "input": single}
        return {**inputs, **super().window_texts}

    def in_window(self, window: Window) -> Self:
        """Return the training with the times of a window filled in. Raises ValueError."""
        single = None if self.input is None else filled(self.input, window)
        inputs = {name: filled(text, window) for name, text in self.inputs.items()}
        return super().in_window(window).evolve(inputs=inputs, input=single)

    @property
    def written_urls(self) -> dict[str, str]:
        """The URLs that the file says, by their keys."""
        return {"service": self.service}

    @property
    def address(self) -> str:
        """Where calls to the service go."""
        return self.service

    @property
    def identity(self) -> str:
        """The identity of the service, for any host in its URL."""
        return service_identity(self.service)

    @classmethod
    def uploaded(cls, blob: BlobVersion) -> ModelRef:
        """Return the model that is a blob."""
        return model_of(blob)

    @property
    def models(self) -> tuple[str, ...]:
        """The outputs that are models."""
        outputs = self.outputs.items()
        return tuple(output for output, file in outputs if file.endswith(MODEL_SUFFIX))

    @property
    def sources(self) -> dict[str, str]:
        """Input name -> what it gets; `SINGLE_INPUT` for the one that has no name."""
        return {SINGLE_INPUT: self.input} if self.input else dict(self.inputs)
