"""Makes the request for an attempt's job: of a component, a job file, or a copy of a job.

What it names is read first, so that a refusal comes before anything is sent: the versions that
`@latest` stands for, the component's inputs and outputs, the compute and the datastores.
"""

from collections.abc import Mapping
from typing import Any

from shared.core.config.azureml_names import Asset, asset_of
from shared.core.service import service
from shared.ports.training import FinishedJob, JobRequest
from shared.providers.azureml.bodies import ComponentSpec, JobPlan, of_component
from shared.providers.azureml.call import Body, mapping_of
from shared.providers.azureml.copies import of_copy
from shared.providers.azureml.job_bodies import of_file
from shared.providers.azureml.job_planner import JobPlanner


@service
class JobRequests:
    """Makes the bodies of the jobs of one configuration.

    Args:
        planner: says where inputs and outputs are.
    """

    planner: JobPlanner

    def body(self, request: JobRequest, *, shown: bool = False) -> tuple[Body, str | None]:
        """Return the body of a request's job, and which version `@latest` stands for.

        Args:
            request: the attempt.
            shown: whether it is for people: app settings stay named.

        Raises TransientError, PermanentError, ConfigError.
        """
        training, assets = self.planner.training, self.planner.assets
        assets.require_compute(training.compute)
        plan = self.planner.plan(request, shown=shown)
        if training.component is not None:
            return self._of_component(plan, asset_of(training.component))
        if training.job is not None:
            return of_file(plan, training, assets.fixed_file(training.job)), None
        return of_copy(plan, training, assets.job(str(training.like))), None

    def _of_component(self, plan: JobPlan, asset: Asset) -> tuple[Body, str | None]:
        fixed = self.planner.assets.fixed(asset)
        spec = self.planner.assets.component(fixed)
        body = of_component(plan, self.planner.training, fixed, spec)
        return body, f"component {fixed} ({asset} then)" if asset.newest else None

    def spec_of(self, job: FinishedJob) -> ComponentSpec | None:
        """Return what the component of a job says, in the version that the job ran."""
        if self.planner.training.component is None:
            return None
        asset = asset_of(self.planner.training.component)
        if asset.newest:
            ran = _component_in(self.planner.assets.known_job(job.handle) or {})
            asset = ran or self.planner.assets.fixed(asset)
        return self.planner.assets.component(asset)

    def note_of(self, known: Mapping[str, Any]) -> str:
        """Return which version `@latest` stood for, as the job itself says."""
        configured = self.planner.training.component
        if configured is None or not asset_of(configured).newest:
            return ""
        fixed = _component_in(known)
        return f"component {fixed} ({configured} then)" if fixed else ""


def _component_in(known: Mapping[str, Any]) -> Asset | None:
    """Return the component that a job runs, as its one step or as the whole of it."""
    for holder in (known, *map(mapping_of, mapping_of(known.get("jobs")).values())):
        text = holder.get("componentId")
        if isinstance(text, str) and text:
            try:
                return asset_of(text)
            except ValueError:
                continue
    return None
