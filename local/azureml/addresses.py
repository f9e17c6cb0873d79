"""Maps addresses to calls of the workspace (azure-machine-learning-v2 §1)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from local.azureml.answers import Answer, RequestBody
from local.azureml.bodies import Wanted
from local.azureml.service import AzureMl

_KINDS: Final = ("components", "environments", "codes", "data")


@dataclass(frozen=True)
class Asked:
    """A request taken apart."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)  #: names in lower case
    content: bytes = field(repr=False)

    @property
    def api(self) -> str:
        """Return the api-version."""
        return self.query.get("api-version", "")

    def body(self) -> RequestBody:
        """Return the body as JSON; an empty one has no members.

        Raises:
            ValueError: it is not a JSON object.
        """
        value = json.loads(self.content) if self.content.strip() else {}
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")  # noqa: TRY004 - one kind for both
        return value


#: What answers an address: the request, and the names in the path.
Handle = Callable[..., Answer]


#: A method, a path whose names are `{}`, and what answers.
Route = tuple[str, str, Handle]


def resource_manager(service: AzureMl) -> list[Route]:
    """Return the addresses below the workspace at Resource Manager."""
    call, stores, assets = service.call, service.datastores, service.assets
    return [
        ("GET", "", lambda _: service.get_workspace()),
        *_jobs(service),
        ("GET", "datastores", lambda a: call("GET datastores", "", lambda: stores.page(a.query))),
        ("GET", "datastores/{}", lambda _, n: call("GET datastore", n, lambda: stores.get(n))),
        (
            "POST",
            "datastores/{}/listSecrets",
            lambda a, n: call("POST listSecrets", n, lambda: stores.secrets(n, a.body())),
        ),
        ("GET", "computes/{}", lambda _, n: call("GET compute", n, lambda: assets.compute(n))),
        *(route for kind in _KINDS for route in _assets(service, kind)),
        (
            "POST",
            "codes/{}/versions/{}/startPendingUpload",
            lambda _, n, v: call(
                "POST startPendingUpload", f"{n}/{v}", lambda: assets.pending_upload(n, v)
            ),
        ),
        *_models(service),
        *_endpoints(service),
    ]


def _jobs(service: AzureMl) -> list[Route]:
    call, jobs = service.call, service.jobs
    return [
        ("GET", "jobs", lambda a: call("GET jobs", "", lambda: jobs.page(a.query))),
        ("PUT", "jobs/{}", lambda a, n: service.put_job(n, a.body(), a.api)),
        ("GET", "jobs/{}", lambda _, n: service.get_job(n)),
        ("DELETE", "jobs/{}", lambda _, n: call("DELETE job", n, lambda: jobs.delete(n))),
        ("POST", "jobs/{}/cancel", lambda _, n: service.cancel_job(n)),
    ]


def _assets(service: AzureMl, kind: str) -> list[Route]:
    call, assets = service.call, service.assets
    one = kind if kind == "data" else kind[:-1]
    return [
        (
            "GET",
            f"{kind}/{{}}",
            lambda _, n: call(f"GET {kind}", n, lambda: assets.container(kind, n)),
        ),
        (
            "GET",
            f"{kind}/{{}}/versions",
            lambda a, n: call(f"GET {kind}", n, lambda: assets.page(kind, n, a.query)),
        ),
        (
            "GET",
            f"{kind}/{{}}/versions/{{}}",
            lambda _, n, v: call(f"GET {one}", f"{n}/{v}", lambda: assets.get(kind, n, v)),
        ),
        (
            "GET",
            f"{kind}/{{}}/labels/{{}}",
            lambda _, n, v: call(f"GET {one}", f"{n}@{v}", lambda: assets.label(kind, n, v)),
        ),
        (
            "PUT",
            f"{kind}/{{}}/versions/{{}}",
            lambda a, n, v: call(
                f"PUT {one}", f"{n}/{v}", lambda: assets.put(kind, n, v, a.body(), a.api)
            ),
        ),
    ]


def _models(service: AzureMl) -> list[Route]:
    call, models = service.call, service.models
    return [
        ("GET", "models", lambda _: call("GET models", "", models.containers)),
        ("GET", "models/{}", lambda _, n: call("GET models", n, lambda: models.container(n))),
        (
            "GET",
            "models/{}/versions",
            lambda a, n: call("GET models", n, lambda: models.page(n, a.query)),
        ),
        ("GET", "models/{}/versions/{}", lambda _, n, v: service.get_model(n, v)),
        ("PUT", "models/{}/versions/{}", lambda a, n, v: service.put_model(n, v, a.body(), a.api)),
    ]


def _endpoints(service: AzureMl) -> list[Route]:
    one = "onlineEndpoints/{}"
    deployment = f"{one}/deployments/{{}}"
    return [
        ("GET", one, lambda _, e: service.get_endpoint(e)),
        ("PUT", one, lambda a, e: service.put_endpoint(e, a.body())),
        ("PATCH", one, lambda a, e: service.patch_endpoint(e, a.body())),
        ("POST", f"{one}/listKeys", lambda _, e: service.list_keys(e)),
        ("GET", "onlineEndpoints", lambda _: service.list_endpoints()),
        ("DELETE", one, lambda _, e: service.delete_endpoint(e)),
        ("POST", f"{one}/regenerateKeys", lambda a, e: service.regenerate_keys(e, a.body())),
        ("POST", f"{one}/token", lambda _, e: service.get_token(e)),
        (
            "GET",
            f"{one}/providers/Microsoft.Insights/metrics",
            lambda a, e: service.get_platform_metrics(e, a.query),
        ),
        ("GET", f"{one}/deployments", lambda _, e: service.list_deployments(e)),
        ("GET", deployment, lambda _, e, d: service.get_deployment(e, d)),
        ("PUT", deployment, lambda a, e, d: service.put_deployment(e, d, a.body())),
        ("PATCH", deployment, lambda a, e, d: service.patch_deployment(e, d, a.body())),
        ("DELETE", deployment, lambda _, e, d: service.delete_deployment(e, d)),
        ("POST", f"{deployment}/getLogs", lambda a, e, d: service.get_logs(e, d, a.body())),
    ]


def data_plane(service: AzureMl) -> list[Route]:
    """Return the addresses of the data plane: the first part, then what follows the workspace."""
    call, history, metrics = service.call, service.history, service.metrics

    def resolve(asked: Asked, *, models: bool) -> Answer:
        ids = Wanted.model_validate(asked.body()).values or []
        return call("POST resolve", ",".join(ids), lambda: history.resolve(ids, models=models))

    def mlflow(what: str) -> str:
        return f"mlflow/api/2.0/mlflow/{what}"

    def run_of(asked: Asked) -> str:
        return asked.query.get("run_id") or asked.query.get("run_uuid") or ""

    return [
        ("POST", "history/rundata", lambda a: service.get_run_data(str(a.body().get("runId")))),
        (
            "GET",
            "history/runs/{}/children",
            lambda a, n: call("GET children", n, lambda: history.children(n, a.query)),
        ),
        (
            "GET",
            "history/runs/{}/details",
            lambda _, n: call("GET details", n, lambda: history.details(n)),
        ),
        (
            "PATCH",
            "history/experiments/{}/runs/{}",
            lambda a, _, n: call("PATCH run", n, lambda: history.patch(n, a.body())),
        ),
        ("POST", "data/dataversion/batchGetResolvedUris", lambda a: resolve(a, models=False)),
        ("POST", "modelregistry/models/batchGetResolvedUris", lambda a: resolve(a, models=True)),
        (
            "GET",
            mlflow("runs/get"),
            lambda a: call("GET metrics", run_of(a), lambda: metrics.run(run_of(a))),
        ),
        (
            "GET",
            mlflow("metrics/get-history"),
            lambda a: call(
                "GET metrics",
                run_of(a),
                lambda: metrics.values(run_of(a), a.query.get("metric_key", "")),
            ),
        ),
        (
            "POST",
            mlflow("runs/search"),
            lambda a: call("POST search", "", lambda: metrics.search(a.body())),
        ),
        *(
            (
                "POST",
                mlflow(f"runs/log-{what}"),
                lambda a: call("POST log-metric", "", lambda: metrics.take(a.body())),
            )
            for what in ("metric", "batch")
        ),
    ]
