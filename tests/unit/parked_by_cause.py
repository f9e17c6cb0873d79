"""A parked run for each row of the runbook's table."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from local.studio import InstantTrainer
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from shared.providers.http.client import Answer
from tests.fakes.azureml_world import CENSUS, AzureMlWorld
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.execution.broken_endpoints import READ_BACK, REFRESH
from tests.unit.execution.lasting_steps import baked, baking
from tests.unit.execution.parked_runs import tightened
from tests.unit.execution.test_retry_by_changed_gate import park_verifying
from tests.unit.providers.test_web_services import NewService
from tests.unit.samples import state_of
from tests.unit.worlds import Observed, refused

ALLOW: Final = {"pipeline": {"gate": {"first_model": "allow"}}}
HOUR: Final = timedelta(hours=1)
Provoke = Callable[[], tuple[Observed, Run]]


def ended(world: Observed) -> tuple[Observed, Run]:
    return world, world.until_idle(world.start(), ticks=300)


def wrong_key() -> tuple[Observed, Run]:
    world = Observed()
    world.environment["TRAINING_KEY"] = "b2xkLWtleS1vZi1hbm90aGVyLWVuZHBvaW50"
    world.restart()
    return ended(world)


def wrong_input() -> tuple[Observed, Run]:
    return ended(Observed(config={"training": {"inputs": {"inptu1": "{data}"}}}))


def wrong_output() -> tuple[Observed, Run]:
    return ended(Observed(config={"training": {"outputs": {"Output1": "model.ilearner"}}}))


def wrong_resource() -> tuple[Observed, Run]:
    return ended(Observed(config={"endpoint": {"resource": "Nothing [trained model]"}}))


def other_region() -> tuple[Observed, Run]:
    world = Observed()
    world.script(
        "PATCH", "/production", refused(500, "GetWorkspaceFailed", "Internal error."), None
    )
    return ended(world)


def away() -> tuple[Observed, Run]:
    world = Observed()
    world.script("POST", "/jobs", Answer(503, {}, b"Service Unavailable"), None)
    return ended(world)


def held() -> tuple[Observed, Run]:
    world = Observed()
    for number in range(2):
        content = b"a,b,label\n5,6,%d\n7,8,0\n" % number
        world.until(world.next_run(f"{number}.csv", content), Phase.PROMOTED)
    endpoints = world.app.endpoints
    rollback = endpoints.rollback(
        EndpointAddress("sample", "production"), None, OperatorCommand(by="boss")
    )
    world.until(rollback, Phase.PROMOTED)
    return world, world.until_idle(world.next_run("3.csv", b"a,b,label\n9,9,1\n1,1,0\n"))


def other_storage(*, reported_late: bool) -> tuple[Observed, Run]:
    world = NewService()
    if not reported_late:
        world.service.definition["properties"]["storageAccount"] = {"name": "other"}
        return ended(world)
    words = "The StorageAccount cannot be changed. Currently configured name = 'other'."
    body = (
        '{"error": {"code": "BadRequest", "message": "The request is invalid.", "details": '
        f'[{{"code": "CannotChangeStorageAccount", "message": "{words}"}}]}}}}'
    )
    world.script(
        "PATCH", world.service.path.partition("?")[0], Answer(400, {}, body.encode()), None
    )
    return ended(world)


def no_rights() -> tuple[Observed, Run]:
    world = NewService()
    world.studio.switches.roles = False
    return ended(world)


def no_model_of_ours() -> tuple[Observed, Run]:
    world = Observed()
    world.until(world.start(), Phase.PROMOTED)
    first = InstantTrainer().train({"input1": b"a,b,label\n0,0,0\n"}, {}, label=None)
    other = world.blobs.put("azure-webjobs-secrets", "host.json", first.model)
    known = (
        world.endpoint_state().resource(RESOURCE).model_copy(update={"baseline": state_of(other)})
    )
    endpoint_state = world.endpoint_state().model_copy(update={"resources": {RESOURCE: known}})
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    world.damage(name, endpoint_state.model_dump_json().encode())
    endpoints = world.app.endpoints
    rollback = endpoints.rollback(
        EndpointAddress("sample", "production"), "baseline", OperatorCommand(by="boss")
    )
    return world, world.until_idle(rollback)


def no_rollback_target() -> tuple[Observed, Run]:
    world = Observed()
    for wire in (READ_BACK, REFRESH):
        world.script(*wire, refused(404, "NotFound", "x"), times=None)
    return ended(world)


def an_old_file() -> tuple[Observed, Run]:
    world = Observed()
    run = world.until(world.start(), Phase.TRAINING)
    world.clock.move(-HOUR)
    world.blobs.put(MODELS, f"runs/sample/{run.run_id}/1/model.ilearner", b"of an earlier job")
    world.clock.move(HOUR)
    finished = b'{"StatusCode": "Finished", "Results": {}}'
    world.script("GET", f"/jobs/{run.job}", Answer(200, {}, finished), None)
    world.idle(HOUR)  # the service has nothing more to write
    return world, world.now_of(run)


def never_restored() -> tuple[Observed, Run]:
    world = Observed()
    world.script("POST", "/refresh", refused(500, "InternalError", "Who knows."), times=None)
    world.upload(content=b"hello,label\n1,0\n2,1\n")
    return world, world.until_idle(world.deliver()[0], ticks=100)


def judged_by_another_gate() -> tuple[Observed, Run]:
    world = Observed(config=ALLOW)
    for wire in (READ_BACK, REFRESH):
        world.script(*wire, refused(404, "NotFound", "x"), times=None)
    run = park_verifying(world, world.start)
    tightened(world)
    world.run_operations.retry(run.run_id)
    return world, world.until_idle(run)


def no_key() -> tuple[Observed, Run]:
    world = Observed()
    del world.environment["TRAINING_KEY"]
    world.restart()
    return ended(world)


def wrong_request() -> tuple[Observed, Run]:
    world = Observed()
    world.upload()
    request = ManualRequest(None, {"Colour": "red"})
    return world, world.app.requests.requested(world.pipeline, "one", request)


def changed_by_others() -> tuple[Observed, Run]:
    world = baking()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 70, world.new: 30})
    return world, world.ended()


def too_few_requests() -> tuple[Observed, Run]:
    world = baking(requests=0)
    return world, world.ended()


def looks_worse() -> tuple[Observed, Run]:
    world = baking(requests=100, max_error_rate=None, max_error_increase="20%")
    world.fail_for_clients()
    for _ in range(7):
        world.tick()
    world.requests = 0
    return world, world.ended()


def no_metrics() -> tuple[Observed, Run]:
    world = baking()
    world.azureml.switches.metrics_refused = "no_role_403"
    return world, world.ended()


def no_minute() -> tuple[Observed, Run]:
    world = baking(requests=0, bake="1m", give_up_after="3m")
    return world, world.ended()


def drifted() -> tuple[Observed, Run]:
    world = baked()
    world.requests = 0
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 100})
    return world, world.when(
        lambda: next((run for run in world.runs() if run.origin is Origin.DRIFT), None)
    )


def two_of_others() -> tuple[Observed, Run]:
    world = AzureMlWorld()
    world.azureml.hooks.add_deployment(CENSUS, "green", "census/1")
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 50, "green": 50})
    return ended(world)


def no_quota() -> tuple[Observed, Run]:
    world = AzureMlWorld()
    run = world.start()

    def fail() -> None:
        (staged,) = world.endpoint_state().staged
        world.azureml.hooks.fail_next(
            f"{CENSUS}/{staged.candidate.name}", "OutOfQuota", "No cores."
        )

    world.azureml.calls.before("PUT deployment", fail)
    return world, world.until_idle(run, ticks=100)


PARKED: Final[dict[str, Provoke]] = {
    "Unauthorized": wrong_key,
    "InvalidInputNames": wrong_input,
    "InvalidOutputOverrideName": wrong_output,
    "has no updatable resource": wrong_resource,
    "GetWorkspaceFailed": other_region,
    "gave up after": away,
    "is held since": held,
    "CannotChangeStorageAccount": lambda: other_storage(reported_late=True),
    "not the service's own": lambda: other_storage(reported_late=False),
    "AuthorizationFailed": no_rights,
    "is not a model of this app": no_model_of_ours,
    "could be rolled back to": no_rollback_target,
    "there is no model of this job at": an_old_file,
    "the old model does not serve again": never_restored,
    "the configuration changed since this model was judged": judged_by_another_gate,
    "app setting": no_key,
    "of the request for this run cannot be used": wrong_request,
    "others changed": changed_by_others,
    "requests of the": too_few_requests,
    "it may be worse; there is not enough evidence yet": looks_worse,
    "no metrics": no_metrics,
    "has drifted": drifted,
    "no complete minute was measured yet": no_minute,
    "which are not of this app": two_of_others,
    "cannot be made ready": no_quota,
}
