"""The checks of a workspace: it is read, what jobs name is there, and what endpoints need.

Nothing is sent but requests without an effect (azure-machine-learning-v2 §1, §2, §14.1).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from shared.core.config.azureml_names import asset_of
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.findings import Finding, not_checked, ok, wrong
from shared.core.serving.traffic_rules import Measure, TrafficQuery
from shared.ports.checks import Check
from shared.providers.azureml.call import AzureMlCall, Memory, text_of
from shared.providers.azureml.datastores import Datastores
from shared.providers.azureml.endpoint_calls import EndpointCalls
from shared.providers.azureml.history import RunHistory
from shared.providers.azureml.job_planner import JobPlanner
from shared.providers.azureml.jobs import AzureMlJobs
from shared.providers.azureml.registered import RegisteredAssets
from shared.providers.azureml.traffic_metrics import measured_requests

_SERVICES: Final = "services"
_ENDPOINTS: Final = "endpoints"
#: A job that no run has: its name is none that a run could derive.
_NO_JOB: Final = "relearn-doctor"
_SPAN: Final = timedelta(minutes=5)
_MADE_LATER: Final = not_checked("there is none yet: the first promotion makes it")
_ADVICE: Final = (
    "correct the workspace in pipelines.yaml; if it is right, open the way from the app to {host} "
    "(a firewall, a private endpoint, its DNS zone)"
)


def training_checks(jobs: AzureMlJobs) -> Iterator[Check]:
    """Yield the checks of a workspace that trains; each asks anew, without caches."""
    call, training = jobs.call, jobs.training
    assets = RegisteredAssets(call, Memory())
    stores = Datastores(call, Memory())
    planner = JobPlanner(training, jobs.storage, stores, assets, jobs.secrets)
    read, check = partial(_workspace, call, training), partial(_check, call, _SERVICES)
    yield replace(check("read", read), gives=call.workspace.url, needs=())
    if training.compute is not None:
        yield check(
            f"compute {training.compute}",
            partial(_done, partial(assets.require_compute, training.compute), "it can be used"),
        )
    yield check(*_of_job(assets, training))
    where = f"{jobs.storage.models.account}/{jobs.storage.container}"
    store = partial(_named, lambda: planner.models_store().name)
    found = check(f"datastore of {where}", store)
    yield replace(found, needs=(*found.needs, "MODELS_CONTAINER"))
    if training.data_datastore is not None:
        named = training.data_datastore
        yield check(f"datastore {named}", partial(_data_store, stores, named))
    history = RunHistory(call, Memory())
    answers = "the run history answers, and takes the token"
    yield check("data plane", partial(_done, partial(history.children, _NO_JOB), answers))


def serving_checks(calls: EndpointCalls) -> Iterator[Check]:
    """Yield the checks of an online endpoint's dependencies."""
    check = partial(_check, calls.call, _ENDPOINTS)
    yield check(f"endpoint {calls.name}, deployments", partial(_deployments, calls))
    if calls.endpoint.traffic is not None:
        yield check(f"endpoint {calls.name}, metrics", partial(_metrics, calls))


def _check(call: AzureMlCall, part: str, name: str, run: Callable[[], Finding]) -> Check:
    host = urlsplit(call.workspace.host).hostname or ""
    return Check(
        part,
        f"workspace {call.workspace.name}: {name}",
        call.workspace.url,
        run,
        advice=_ADVICE.format(host=host),
        needs=(call.workspace.url,),
    )


def _workspace(call: AzureMlCall, training: AzureMlTraining) -> Finding:
    found = call.read(call.url("", training.api_versions.workspaces), "GET workspace")
    if not found.get("id"):
        return wrong(
            "what answers there is no workspace", "correct the workspace in pipelines.yaml"
        )
    region = text_of(found.get("location"))
    return ok(f"it is there{f', in {region}' if region else ''}, and may be read")


def _of_job(
    assets: RegisteredAssets, training: AzureMlTraining
) -> tuple[str, Callable[[], Finding]]:
    """Return the name and the check of the component, job file or job."""
    if training.component is not None:
        asset = asset_of(training.component)
        return f"component {asset}", partial(
            _named, lambda: str(assets.fixed(asset)), lambda: assets.component(assets.fixed(asset))
        )
    if training.job is not None:
        file = training.job
        found = "everything that it names by its newest version is there"
        return f"job file{_parts_of(file)}", partial(_done, partial(assets.fixed_file, file), found)
    job = str(training.like)
    return f"job {job}", partial(_done, partial(assets.job, job), "it is there, to be copied")


def _parts_of(file: Mapping[str, Any]) -> str:
    """Return which components a job file names: by them one file is distinguished from another."""
    steps = file.get("jobs")
    steps = steps.values() if isinstance(steps, Mapping) else ()
    named = sorted({str(one.get("component")) for one in steps if isinstance(one, Mapping)})
    return f" of {', '.join(named)}" if named else ""


def _data_store(stores: Datastores, name: str) -> Finding:
    found = stores.located(f"azureml://datastores/{name}/paths/{_NO_JOB}")
    if found is None:
        advice = "correct training.data_datastore, or leave it out"
        return wrong(f"the workspace has no datastore {name} that holds blobs", advice)
    return ok(f"it is of {found[0]}{found[1]}")


def _metrics(calls: EndpointCalls) -> Finding:
    if _is_made_later(calls):
        return _MADE_LATER
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    names = tuple(one.name for one in calls.deployments().values()) or ("none",)
    measured_requests(calls, TrafficQuery(Measure.REQUESTS, names[:1], now - _SPAN, now))
    return ok("the metrics may be read, which the rules of traffic need")


def _is_made_later(calls: EndpointCalls) -> bool:
    return bool(calls.endpoint.create) and calls.find() is None


def _deployments(calls: EndpointCalls) -> Finding:
    if _is_made_later(calls):
        return _MADE_LATER
    endpoint, deployments = calls.read(), calls.deployments()
    shares = {name.lower(): share for name, share in calls.traffic_of(endpoint).shares.items()}
    shown = [
        f"{one.name} {one.state}{f' {shares[name]} %' if name in shares else ''}"
        for name, one in sorted(deployments.items())
    ]
    text = f"{endpoint.state}; {', '.join(shown) or 'no deployment'}"
    failed = [one.name for name, one in sorted(deployments.items()) if one.is_failed]
    if endpoint.is_failed or any(name.lower() in shares for name in failed):
        which = failed[0] if failed else "<deployment>"
        advice = (
            f"see `az ml online-deployment get-logs --endpoint-name {calls.name} --name {which}`, "
            "and roll back by POST /api/endpoints/{pipeline}/{endpoint}/rollback"
        )
        return wrong(text, advice)
    return ok(text)


def _done(do: Callable[[], object], text: str) -> Finding:
    do()
    return ok(text)


def _named(name: Callable[[], str], more: Callable[[], object] = lambda: None) -> Finding:
    found = name()
    more()
    return ok(f"it is {found}")
