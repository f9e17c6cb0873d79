"""The answers of an endpoint before an update, and its rollback target."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.studio_types import model_of
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion_events import EndpointLeased
from shared.core.run.record import StepFailure
from shared.core.serving.probes import LEAST_PROBES, ProbeAnswers
from shared.core.serving.references import ServingState
from shared.core.serving.state import Resource
from shared.errors import PermanentError, TransientError
from shared.execution.leased_endpoint import rollback_target_of
from shared.providers.studio.scoring import Current
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.execution.lease_steps import DAY, HOUR, OLD, Asking
from tests.unit.samples import BROKEN, NOW, REFUSED, SILENT

# What answers before the update


@pytest.mark.parametrize(
    ("probe", "error", "message"),
    [
        (SILENT, TransientError, "the endpoint does not answer the probe: busy"),
        (REFUSED, PermanentError, "the probe is refused: no such URL"),
        (BROKEN, TransientError, "the endpoint answers the probe with an error"),
    ],
)
def test_nothing_is_leased_while_the_endpoint_gives_no_good_answer(
    probe: ProbeAnswers, error: Any, message: str
) -> None:
    asking = Asking()
    asking.endpoint.probe_series = [asking.seen(probe)]
    with pytest.raises(error, match=message):
        asking.acquire_lease_()
    assert asking.ledger.endpoint_states.read("x") is None
    assert not [name for name in asking.world.documents.rows if name.startswith("endpoints/")]


@pytest.mark.parametrize(
    ("count", "patience", "taken"),
    [
        (LEAST_PROBES - 1, DAY, True),
        (LEAST_PROBES - 2, DAY, False),
        (LEAST_PROBES - 1, HOUR, False),
    ],
)
def test_errors_of_an_endpoint_are_believed_at_the_third_probe(
    count: int, patience: timedelta, *, taken: bool
) -> None:
    failed = StepFailure(
        since=NOW,
        cause_since=NOW,
        patience=patience,
        count=9,
        cause_count=count,
        reason="",
        next_check=NOW,
    )
    asking = Asking(step_failure=failed)
    asking.endpoint.probe_series = [asking.seen(BROKEN)]
    if taken:
        event = asking.acquire_lease_()
        assert isinstance(event, EndpointLeased)
        assert event.promotion.before == BROKEN
    else:
        with pytest.raises(TransientError) as raised:
            asking.acquire_lease_()
        assert raised.value.patience == DAY


def test_without_a_probe_nothing_is_known_of_the_answers() -> None:
    asking = Asking(endpoint={"verify": None})
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.before is None
    assert asking.endpoint.asked == []


# What can be rolled back to


def test_without_a_rollback_target_leave_is_needed() -> None:
    for gate, leased in (({}, False), ({"gate": {"first_model": "allow"}}, True)):
        asking = Asking(gate)
        asking.endpoint.current_ = Current(refreshable=False)
        event = asking.acquire_lease_()
        assert isinstance(event, EndpointLeased) is leased
        if isinstance(event, StepBlocked):
            assert "first_model: allow" in event.advice
            assert not [
                name for name in asking.world.documents.rows if name.startswith("endpoints/")
            ]


def test_the_rollback_is_the_newest_model_that_is_still_what_it_was() -> None:
    asking = Asking()
    names = [f"runs/sample/sample-{n}/1/model.ilearner" for n in range(5, 9)]
    models = [asking.model(name) for name in names]
    served = [asking.served(f"sample-{n}", model=models[n]) for n in range(4)]
    asking.serves(*served, baseline=ServingState())
    endpoint_state = asking.endpoint_state()
    assert rollback_target_of(asking.serving, endpoint_state, RESOURCE) == ServingState(
        model=models[0]
    )
    mine = asking.run.model_copy(update={"model": models[0]})
    assert rollback_target_of(
        asking.serving, endpoint_state, RESOURCE, instead_of=mine
    ) == ServingState(model=models[1])
    asking.world.blobs.put(MODELS, names[0], b"other")
    asking.world.blobs.remove(MODELS, names[1])
    assert rollback_target_of(asking.serving, endpoint_state, RESOURCE) == ServingState(
        model=models[2]
    )
    asking.world.blobs.remove(MODELS, names[2])
    asking.world.blobs.remove(MODELS, names[3])
    assert rollback_target_of(asking.serving, endpoint_state, RESOURCE) == ServingState()
    assert rollback_target_of(asking.serving, endpoint_state, "another") is None


def test_a_model_that_an_endpoint_serves_already_has_no_second_baseline() -> None:
    asking = Asking({"gate": {"first_model": "allow"}})
    asking.serves(asking.served(model=asking.model("runs/sample/sample-0/1/model.ilearner")))
    asking.acquire_lease_()
    assert asking.endpoint_state().resource(RESOURCE).baseline is None
    asking = Asking()
    known = ServingState(model=asking.model("baselines/x.ilearner"))
    asking.put_endpoint_state(resources={RESOURCE: Resource(baseline=known)})
    asking.acquire_lease_()
    assert asking.endpoint_state().resource(RESOURCE).baseline == known


@pytest.mark.parametrize(
    ("relative", "ours"),
    [
        ("/models/runs/sample/s/1/x.ilearner", True),
        ("models/runs/sample/s/1/x.ilearner", True),
        ("models%2Fruns%2Fsample%2Fs%2F1%2Fx.ilearner", True),
        ("models/secrets/x.ilearner", False),
        ("other/runs/sample/s/1/x.ilearner", False),
        ("_models/runs/sample/s/1/x.ilearner", False),
        ("models", False),
    ],
)
def test_only_what_may_be_a_model_of_ours_is_searched_for(relative: str, *, ours: bool) -> None:
    asking = Asking()
    assert asking.serving.baselines._names_a_model_of_ours(relative) is ours


def test_a_model_of_ours_is_rolled_back_as_it_is_named() -> None:
    asking = Asking()
    model = asking.model("runs/sample/sample-0/1/model.ilearner")
    asking.names(f"/{model.name}")
    asking.acquire_lease_()
    assert asking.endpoint_state().resource(RESOURCE).baseline == ServingState(model=model)


@pytest.mark.parametrize(
    ("base", "relative", "sas", "source"),
    [
        (
            "https://a.example/",
            "/x/y z.ilearner",
            "?sig=1",
            "https://a.example/x/y%20z.ilearner?sig=1",
        ),
        ("https://a.example", "x/y.ilearner", "sig=1", "https://a.example/x/y.ilearner?sig=1"),
        ("https://a.example/_", "x/y.ilearner", "", "https://a.example/_/x/y.ilearner"),
        ("https://a.example", "x/y.ilearner", "_sig=1", "https://a.example/x/y.ilearner?_sig=1"),
    ],
)
def test_what_lies_elsewhere_is_copied_from_where_the_service_says_for_this_run_alone(
    base: str, relative: str, sas: str, source: str
) -> None:
    asking = Asking({"gate": {"first_model": "allow"}})
    copied: list[tuple[str, str, str, Any]] = []

    def adopt(source: str, container: str, name: str, since: Any = None) -> None:
        copied.append((source, container, name, since))

    asking.world.blobs.adopt = adopt  # type: ignore[method-assign]
    names = []
    for run in (asking.run, asking.run.model_copy(update={"run_id": "sample-2"})):
        asking.run = run
        asking.names(relative, base, sas)
        asking.endpoint.probe_series = [asking.seen(OLD)]
        asking.steps.acquire_lease(run)
        asking.world.documents.rows.clear()
        names.append(copied[-1][2])
    assert copied[0][0] == source
    assert (copied[0][1], copied[0][3]) == (MODELS, asking.run.opened_at)
    assert all(name.startswith("baselines/") and name.endswith(".ilearner") for name in names)
    assert names[0] != names[1]


def test_what_cannot_be_copied_is_no_rollback_target_and_never_another_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asking = Asking({"gate": {"first_model": "allow"}})

    def adopt(*_: object, **__: object) -> None:
        raise PermanentError("it is too large")

    asking.world.blobs.adopt = adopt  # type: ignore[method-assign]
    asking.names("x/y.ilearner", "https://a.example")
    event = asking.acquire_lease_()
    assert isinstance(event, EndpointLeased)
    assert event.promotion.rollback_target is None
    assert "what serves now cannot be kept: it is too large" in caplog.text


def test_of_an_old_record_only_models_of_ours_are_given_to_a_classic_service() -> None:
    asking = Asking()
    foreign = asking.world.blobs.put("other", "x.ilearner", b"model")
    for resource_name in (foreign, asking.world.blobs.put(MODELS, "notes.txt", b"model")):
        asking.serves(asking.served(model=model_of(resource_name)))
        assert rollback_target_of(asking.serving, asking.endpoint_state(), RESOURCE) is None
