"""Which model a candidate is compared with: the one that serves, by Relearn's doing or not."""

import pytest

from shared.core.decisions.comparison import OfNoRun, whose
from shared.core.run.live_model import live_model, model_of_others
from shared.core.run.record import Phase, Run
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.core.serving.state import Resource, ServedModel
from shared.core.serving.traffic import TrafficMap
from tests.unit.samples import NOW, run


def model(name: str) -> ModelRef:
    return ModelRef(provider="azureml", name=name, digest=f"digest of {name}", reference={})


def served(number: int, *, candidate: bool = True) -> ServedModel:
    name = f"m-{number}"
    state = ServingState(model=model(name), traffic=TrafficMap(shares={name: 100}))
    return ServedModel(
        model=state.model,
        state=state,
        candidate=name if candidate else "",
        run_id=f"sample-{number}",
        since=NOW,
        verification="it answers",
        manifest=(),
    )


def now(largest: str = "", **shares: int) -> ServingState:
    """Return what serves; the model of the largest deployment is its own unless named."""
    traffic = TrafficMap(shares={name.replace("_", "-"): share for name, share in shares.items()})
    return ServingState(model=model(largest or traffic.largest), traffic=traffic)


def candidate(name: str) -> Run:
    own = Candidate(name=name, state=ServingState(model=model(name)))
    return run(Phase.JUDGED, run_id="sample-9", candidate=own)


KNOWN = Resource(serving=served(2), previous=(served(1),))


@pytest.mark.parametrize(
    ("serves", "live"),
    [
        (now(m_2=100), "sample-2"),
        (now(m_1=100), "sample-1"),
        (now(m_2=60, blue=40), "sample-2"),
        (now(m_2=50, zebra=50), "sample-2"),  # ours, however the others are called
        (now(m_9=40, m_2=60), "sample-2"),
        (now(m_9=80, m_2=20), "sample-2"),  # the run's own candidate is not what it is compared to
        (now(m_9=100), "sample-2"),
        (now(m_2=40, blue=60), "deployment blue of model blue"),
        (now(blue=100), "deployment blue of model blue"),
        (now("census/2", m_2=100), "deployment m-2 of model census/2"),
        (now(m_3=100), "deployment m-3 of model m-3"),  # of a run that is known no more
        (now(m_9=60, blue=40), "deployment blue"),
        (ServingState(traffic=TrafficMap(shares={"blue": 100})), "deployment blue"),
        (now(), "sample-2"),
        (None, "sample-2"),
        (ServingState(model=model("x")), "sample-2"),  # an endpoint without a traffic map
    ],
)
def test_the_model_with_the_most_requests_is_live(serves: ServingState | None, live: str) -> None:
    found = live_model(candidate("m-9"), KNOWN, serves, NOW)
    assert found is not None
    assert found.run_id == live
    assert whose(found.run_id) == (live if " " in live else f"run {live}")
    assert live.startswith("sample") or found.candidate == live.split(" ")[1]


@pytest.mark.parametrize("serves", [None, now()])
def test_before_the_first_promotion_no_model_is_live_without_requests(
    serves: ServingState | None,
) -> None:
    assert live_model(candidate("m-9"), Resource(), serves, NOW) is None


def test_a_model_that_was_rolled_back_to_is_known_by_its_traffic() -> None:
    known = Resource(serving=served(2, candidate=False))
    for serves in (now(m_2=100), now()):
        found = live_model(candidate("m-9"), known, serves, NOW)
        assert found is not None
        assert (found.run_id, found.candidate) == ("sample-2", "m-2")


def test_a_model_of_others_is_made_again_of_what_a_comparison_has() -> None:
    found = live_model(candidate("m-9"), KNOWN, now(blue=100), NOW)
    assert found is not None
    other = OfNoRun.named(found.run_id)
    assert other is not None
    again = model_of_others(other, NOW)
    assert (again.run_id, again.target_model.name) == (found.run_id, found.target_model.name)


@pytest.mark.parametrize("other", [OfNoRun("blue"), OfNoRun("blue", "census/2")])
def test_a_model_of_no_run_is_distinguished_from_the_id_of_a_run(other: OfNoRun) -> None:
    assert OfNoRun.named(str(other)) == other
    assert OfNoRun.named("sample-blue") is None
    assert (whose(str(other)), whose("sample-1")) == (str(other), "run sample-1")
