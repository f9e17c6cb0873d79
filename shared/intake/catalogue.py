"""The pipelines as they are configured now; one with an error as it was configured last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_models import manually_promoted
from shared.core.run.record import Run
from shared.errors import ConfigError
from shared.execution.run_factory import captured
from shared.telemetry import log


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The pipelines by name; nothing in it asks the outer world."""

    pipelines: Mapping[str, Pipeline]
    missing: Callable[[str], None] = lambda _: None  #: raises why one with an error is not there

    def wanting(self, name: str) -> list[Pipeline]:
        """Return the pipelines for whose runs a blob of this name is."""
        return [one for one in self._matching(name) if one.data and one.data.opens_runs]

    def only_reading(self, name: str) -> list[str]:
        """Return the pipelines that read a blob of this name, but open no run when it lands."""
        return [one.name for one in self._matching(name) if one.data and not one.data.opens_runs]

    def _matching(self, name: str) -> list[Pipeline]:
        return [one for one in self.pipelines.values() if captured(one, name) is not None]

    def for_manual_model(self, name: str) -> Pipeline | None:
        """Return the pipeline to whose endpoint a person's model of this name is to go.

        Raises as `pipeline` does.
        """
        manual_model = manually_promoted(name)
        pipeline = self.pipeline(manual_model[0]) if manual_model else None
        if manual_model is None or pipeline is None or not pipeline.endpoints:
            return None
        return pipeline if len(manual_model[1]) == len(pipeline.key_tokens) else None

    def configured_for(self, run: Run) -> Pipeline | None:
        """Return what is configured now for the pipeline, and customer, of `run`, or None.

        A run that delivers to one endpoint of several sees that endpoint alone; one that is
        not in the file any more stays as the run knows it.

        Raises:
            TransientError: the pipeline has an error, and what it goes on by is not known now.
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
        if run.parent is None and not run.origin.repeats:
            return chosen
        mine = {endpoint.name for endpoint in run.config.endpoints}
        same = [endpoint for endpoint in chosen.endpoints if endpoint.name in mine]
        endpoints = tuple(same[:1]) or run.config.endpoints
        return chosen.evolve(endpoints=endpoints, key=chosen.key_tokens)

    def endpoints_of(self, run: Run) -> tuple[Endpoint, ...]:
        """Return the endpoints that are configured now for the pipeline, and customer, of `run`.

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
            TransientError: it has an error, and what it goes on by cannot be read now.
            PipelineConfigError: it has an error, and there is nothing to go on by.
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
