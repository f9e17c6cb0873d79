"""Stored records keep their form: hosts of two releases read each other's records.

A member that a record leaves out means the same to each of them, and so does every word in it. No
record is changed in place, and a record with an unknown member is refused.
"""

import importlib
import pkgutil
from enum import StrEnum

import pytest
from pydantic import BaseModel

import shared.core
from shared.core.run.commands import Command
from shared.core.run.record import (
    Origin,
    Phase,
)
from shared.core.serving.drift import DriftKind
from shared.core.serving.probes import ProbeEvidence, ProbeOutcome, UpdateProgress
from tests.unit.ledger.stored_forms import LEFT_OUT


def models() -> list[type[BaseModel]]:
    """Return every class of records, and of parts of them, in the core."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(shared.core.__path__, "shared.core.")
    ]
    found = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    ours = [one for one in found if issubclass(one, BaseModel) and one is not BaseModel]
    return sorted(ours, key=lambda one: (one.__module__, one.__name__))


@pytest.mark.parametrize("model", models(), ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_no_record_is_changed_in_place_or_has_members_that_are_not_known(
    model: type[BaseModel],
) -> None:
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"


@pytest.mark.parametrize("model", LEFT_OUT, ids=lambda one: one.__name__)
def test_what_a_record_leaves_out_means_what_it_always_meant(model: type[BaseModel]) -> None:
    fields = model.model_fields.items()
    assert {
        name: field.get_default(call_default_factory=True)
        for name, field in fields
        if not field.is_required()
    } == LEFT_OUT[model]


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (
            Phase,
            (
                "waiting received created training trained staging judged awaiting_approval "
                "rolling_out promoting verifying rolling_back parked promoted unchanged finished "
                "rejected failed cancelled timed_out superseded rolled_back"
            ),
        ),
        (Origin, "data schedule manual model roll_out rollback drift"),
        (ProbeEvidence, "for against open bad silent pending"),
        (ProbeOutcome, "good no_answer broken refused"),
        (UpdateProgress, "not_reported pending done failed"),
        (DriftKind, "named traffic broken answers"),
    ],
)
def test_each_word_of_a_record_is_the_same_in_every_release(
    words: type[StrEnum], stored: str
) -> None:
    assert [one.value for one in words] == stored.split()
    assert [one.name for one in words] == stored.upper().split()


def test_each_step_has_the_name_that_the_log_and_the_documentation_give_it() -> None:
    assert {one.value for one in Command} == {one.name.lower().replace("_", " ") for one in Command}
