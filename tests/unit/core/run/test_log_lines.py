"""The ids of a log line are read back unchanged, for any name of a customer."""

import logging

import pytest

from shared.core.redaction import Redactor
from shared.core.run.log_lines import Subject, key_text, members, value_text
from shared.telemetry import Alert, log, report, use_redactor
from tests.unit.log_reader import key_of, member, parse

KEYS: list[tuple[str, ...]] = [
    (),
    ("acme",),
    ("acme", "eu"),
    ("acme/eu",),
    ("Contoso Ltd", 'a "b"'),
    ("a=b run=x",),
    ("a\nb",),
    ("x pipeline=other key=- phase=parked: done",),
    ("]: [RL1001 parked] run=-",),
    ("-",),
    ("-", "-"),
    ("%2D",),
    ("", "a"),
    ("a", ""),
    ("", ""),
    ("Müller & Söhne; 株式会社",),
    ("100%", "a:b"),
]


@pytest.mark.parametrize("key", KEYS)
def test_each_part_is_read_back(key: tuple[str, ...]) -> None:
    subject = Subject("sample-1", "data-access", key, "parked")
    read = parse(subject.beginning("RL1001", "parked") + "phase=x: why [RL1002 failed] run=y")
    assert read is not None
    assert key_of(read.pop("key")) == key
    assert read == {
        "id": "RL1001",
        "name": "parked",
        "run": "sample-1",
        "pipeline": "data-access",
        "phase": "parked",
        "text": "phase=x: why [RL1002 failed] run=y",
    }


def test_no_two_keys_and_no_two_values_look_alike() -> None:
    assert len({key_text(key) for key in KEYS}) == len(KEYS)
    values = ["-", "%2D", "a b", "a%20b", "a+b", "=", ""]
    assert len({value_text(value) for value in values}) == len(values)


def test_parts_that_do_not_apply_and_values_that_there_are_none_of_are_dashes() -> None:
    assert Subject().beginning("RL1010", "health") == (
        "[RL1010 health] run=- pipeline=- key=- phase=-: "
    )
    assert members({"from": None, "to": "a b"}) == "from=- to=a%20b"
    assert member("from=- to=a%20b", "from") is None
    assert member("from=- to=a%20b", "to") == "a%20b"


def test_an_alert_holds_no_secret_in_any_part_and_none_of_its_parts_is_taken_for_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = "s3cr3t of/the=settings"
    use_redactor(Redactor(secret))
    customer = "customer-0123456789abcdef"  # behind `access key=` it looks like a key
    for key in ((secret, customer), (customer,)):
        about = {"pipeline": "data-access", "run_id": "data-access-1", "phase": "parked"}
        report(Alert.PARKED, f"it says {secret}", key=key, **about, version=secret)
    hidden, plain = map(parse, caplog.messages)
    assert hidden
    assert plain
    assert key_of(hidden["key"]) == ("***", customer)
    assert key_of(plain["key"]) == (customer,)
    assert hidden["text"] == "it says ***"
    assert "s3cr3t" not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize("name", ["[RL1001 parked] run=x", "[RL1001 parked] run=- pipeline=-: y"])
def test_nothing_else_begins_like_an_alert(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relearn")
    log.info("%s was left alone", name)
    assert caplog.messages == [f" {name} was left alone"]
