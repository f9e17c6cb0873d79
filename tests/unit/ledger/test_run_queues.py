"""Run queues, and the pauses of a pipeline."""

import pytest

from shared.core.run.concurrency import Pause, Pauses, RunQueue
from shared.errors import ConflictError
from shared.ledger.ledger import Ledger
from tests.unit.ledger.contested import Contested
from tests.unit.samples import HOUR, NOW


def test_slots_are_listed_for_their_own_pipeline(ledger: Ledger) -> None:
    for name in ("run_queues/sample/a", "run_queues/sample/b", "run_queues/sample2/a"):
        ledger.run_queues.put(name, RunQueue(pipeline="sample"), None)
    page = ledger.run_queues.page("sample", 1, None)
    assert [item.name for item in page.items] == ["run_queues/sample/a"]
    assert [item.name for item in ledger.run_queues.listed("sample")] == [
        "run_queues/sample/a",
        "run_queues/sample/b",
    ]


def test_a_pause_by_failures_does_not_replace_that_of_an_operator(
    ledger: Ledger,
) -> None:
    assert ledger.pauses.read("sample").etag is None
    assert ledger.pauses.of("sample") is None
    by_failures, operator = Pause(by="relearn", at=NOW), Pause(by="ada", at=NOW)
    ledger.pauses.pause_by_failures("sample", by_failures)
    known = ledger.pauses.read("sample")
    assert known.record == Pauses(by_failures=by_failures)
    ledger.pauses.put("sample", Pauses(pause=operator), known.etag)
    ledger.pauses.pause_by_failures("sample", by_failures)
    assert ledger.pauses.read("sample").record == Pauses(pause=operator)
    assert ledger.pauses.of("sample") == operator
    with pytest.raises(ConflictError):
        ledger.pauses.put("sample", Pauses(), None)


def test_a_pause_that_is_not_understood_says_so_and_can_be_replaced(
    documents: Contested, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    documents.create("pauses/sample", b"{not json")
    documents.clock.move(HOUR)
    known = ledger.pauses.read("sample")
    assert known.record.pause is not None
    assert known.record.pause.reason == "pauses/sample"
    assert (known.age, known.record.pause.at.year) == (HOUR, 1970)
    assert "pauses/sample is not understood" in caplog.text
    ledger.pauses.put("sample", Pauses(), known.etag)
    assert ledger.pauses.read("sample").record == Pauses()
    documents.clock.move(HOUR)
    assert ledger.pauses.read("sample").age == HOUR
