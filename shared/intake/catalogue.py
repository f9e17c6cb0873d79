"""The pipelines in use: as configured now, or by their last good configuration."""

from collections.abc import Callable, Iterator, Mapping

from shared.core.blobs import BlobVersion
from shared.core.config.kinds import MODEL_SUFFIXES, Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.names import PROMOTE, owner_of_upload
from shared.core.run.data_version import DataVersion, reads
from shared.core.run.record import Origin, Run
from shared.core.service import service
from shared.errors import ConfigError
from shared.telemetry import log


class ConfiguredPipelines(Mapping[str, Pipeline]):
    """The pipelines that runs are opened for now. An iteration sees one state of them."""

    def __init__(self, pipelines: Mapping[str, Pipeline]) -> None:
        self._now = dict(pipelines)

    def __getitem__(self, name: str) -> Pipeline:
        return self._now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._now))

    def __len__(self) -> int:
        return len(self._now)

    def adopt(self, pipeline: Pipeline) -> None:
        """Use a pipeline as it was configured before."""
        self._now = {**self._now, pipeline.name: pipeline}

    def replace(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Use these pipelines from now on, and no others."""
        self._now = dict(pipelines)


@service
class Catalogue:
    """Finds pipelines by name; never calls a service or the storage."""

    pipelines: Mapping[str, Pipeline]
    missing: Callable[[str], None] = lambda _: None  #: raises the reason why one is not in use

    def wanting(self, blob: BlobVersion) -> list[DataVersion]:
        """Return a blob as data of each pipeline that opens a run for it."""
        opening = (one for one in self.pipelines.values() if one.data and one.data.opens_runs)
        versions = (DataVersion.of(pipeline, blob) for pipeline in opening)
        return [version for version in versions if version is not None]

    def only_reading(self, name: str) -> list[str]:
        """Return the pipelines that read a blob of this name, and open no run when it arrives."""
        silent = (one for one in self.pipelines.values() if one.data and not one.data.opens_runs)
        return [one.name for one in silent if reads(one, name)]

    def for_manual_model(self, name: str) -> Pipeline | None:
        """Return the pipeline that promotes an operator's model of this name.

        Raises as `pipeline` does.
        """
        owner = owner_of_upload(name) if name.endswith(MODEL_SUFFIXES) else None
        pipeline = self.pipeline(owner[0]) if owner else None
        if owner is None or pipeline is None or not pipeline.endpoints:
            return None
        training = pipeline.training
        if not training.takes_uploads or not name.endswith(training.model_suffix):
            return None
        return pipeline if len(owner[1]) == len(pipeline.key_tokens) else None

    def without_uploads(self, name: str) -> str | None:
        """Return the pipeline of a blob under `promote/`, where it takes no uploaded models."""
        folder, _, rest = name.partition("/")
        pipeline = self.pipelines.get(rest.partition("/")[0]) if folder == PROMOTE else None
        return None if pipeline is None or pipeline.training.takes_uploads else pipeline.name

    def configured_for(self, run: Run) -> Pipeline | None:
        """Return the present configuration for the pipeline and key of `run`, or None.

        A delivery gets its own endpoint only. An endpoint that is no longer in the file stays
        as the run recorded it.

        Raises:
            TransientError: the pipeline has an error, and its last good configuration is not
                known now.
        """
        try:
            pipeline = self.pipeline(run.pipeline)
        except ConfigError as exc:
            log.warning("run %s keeps its own configuration: %s", run.run_id, exc)
            return None
        if pipeline is None:
            return None
        try:
            chosen = pipeline.chosen_by(run.tokens)
        except ValueError as exc:
            log.warning("run %s: the present configuration does not fit it: %s", run.run_id, exc)
            return None
        trains = run.origin is not Origin.MODEL and not run.origin.repeats
        if chosen.uses_windows and trains:
            why = "its texts hold times of windows, and the run has no window"
            log.warning("run %s: the present configuration does not fit it: %s", run.run_id, why)
            return None
        if run.parent is None and not run.origin.repeats:
            return chosen
        mine = {endpoint.name for endpoint in run.config.endpoints}
        same = [endpoint for endpoint in chosen.endpoints if endpoint.name in mine]
        endpoints = tuple(same[:1]) or run.config.endpoints
        return chosen.evolve(endpoints=endpoints, key=chosen.key_tokens)

    def endpoints_of(self, run: Run) -> tuple[Endpoint, ...]:
        """Return the endpoints that are configured now for the pipeline and key of `run`.

        Raises as `pipeline` does.
        """
        pipeline = self.pipeline(run.pipeline)
        try:
            return pipeline.chosen_by(run.tokens).endpoints if pipeline else ()
        except ValueError:
            return ()

    def pipeline(self, name: str) -> Pipeline | None:
        """Return a pipeline as it is configured now; None where the file has no such pipeline.

        Raises:
            TransientError: it has an error, and its last good configuration cannot be read now.
            PipelineConfigError: it has an error, and no last good configuration.
        """
        if name not in self.pipelines:
            self.missing(name)
        return self.pipelines.get(name)

    def names(self) -> list[str]:
        """Return the names of the pipelines that runs are opened for."""
        return list(self.pipelines)

    def scheduled(self) -> list[Pipeline]:
        """Return the pipelines with a schedule."""
        return [pipeline for pipeline in self.pipelines.values() if pipeline.schedule]
