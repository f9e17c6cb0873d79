"""`max_error_increase` in the pipelines file: the fields that it needs, and the expected times."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_endpoint_parts import Traffic
from shared.core.decisions.sequential import Assumed, minutes_needed
from shared.core.run.data_notes import notes_on_pipeline
from shared.core.serving.traffic_rules import TrafficRules
from tests.unit.core.config.test_azureml_endpoint import ENDPOINT, endpoint, pipeline, traffic
from tests.unit.core.config.test_azureml_training import training


def test_the_rule_is_a_percentage_and_waits_for_a_hundred_requests() -> None:
    made = traffic(max_error_increase="20%", steps=[10, 50, 100])
    assert made.rules == TrafficRules(min_requests=100, max_error_increase=20.0, compared_steps=2)
    assert traffic(max_error_increase="0%", min_requests=7).rules.min_requests == 7
    assert traffic(max_error_increase="0%", mirror=20, bake="10m").rules.compared_steps == 3
    assert Traffic.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"max_error_increase": 20}, "is not a percentage: write it like 1%"),
        ({"max_error_increase": "-1%"}, "is not a percentage"),
        (
            {"max_error_increase": "20%", "steps": [100]},
            "max_error_increase: compares with the other deployments, and at 100 they",
        ),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(written: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        traffic(**written)
    assert says in str(caught.value)


def test_without_it_the_configuration_is_stored_as_before() -> None:
    assert "max_error_increase" not in traffic(max_error_rate="1%").model_dump()
    assert (traffic().form, traffic(max_error_increase="0%").form) == (1, 2)
    plain, ruled = ({**ENDPOINT, "traffic": rules} for rules in ({}, {"max_error_increase": "5%"}))
    assert (pipeline(plain).form, pipeline(ruled).form) == (1, 2)
    assert (endpoint().form, endpoint(traffic={"max_error_increase": "5%"}).form) == (1, 2)


SAID = (
    "with 100 requests a minute in all, 5 % of errors instead of 1 % show after about 60 minutes "
    "at 10 %, 51 minutes at 50 %"
)


def test_a_preview_says_how_long_the_steps_have_to_last() -> None:
    ruled = {**ENDPOINT, "traffic": {"max_error_increase": "20%"}}
    assert f"endpoint production: {SAID}" in notes_on_pipeline(pipeline(ruled))
    assert not [one for one in notes_on_pipeline(pipeline(ENDPOINT)) if "production" in one]
    assert traffic(max_error_increase="900%").said_times == ""


def test_a_hint_says_that_a_step_may_pass_before_more_errors_would_show() -> None:
    rules = {"max_error_increase": "20%", "bake": "10m"}
    (hint,) = endpoint(traffic=rules).hints(training())
    assert str(hint) == (
        f"traffic.bake: a step may pass before more errors show: {SAID}: a bake of 1h is enough"
    )
    assert list(endpoint(traffic={**rules, "bake": "60m"}).hints(training())) == []
    (late,) = endpoint(traffic={**rules, "bake": "5m"}).hints(training())
    assert "until 100 requests were measured" in str(late)


#: Error rates of the others and of the candidate, in the order of the documented columns.
RATES = ((0.01, 0.05), (0.01, 0.02), (0.001, 0.005))


def test_the_documented_times_are_those_of_the_rule() -> None:
    page = (Path(__file__).parents[4] / "docs" / "azureml.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([\d |]+) \|$", page, re.MULTILINE)
    assert [int(requests) for requests, _ in rows] == [20, 100, 1000, 10000]
    for requests, written in rows:
        for column, documented in enumerate(written.split(" | ")):
            part, (usual, worse) = (0.1, 0.5)[column // 3], RATES[column % 3]
            mine = int(requests) * part
            assumed = Assumed(mine, worse, int(requests) - mine, usual)
            assert minutes_needed(assumed, 1.2, 40) == int(documented), (requests, column)
