"""A backfill takes older data once, up to its bound, part by part."""

from datetime import timedelta

import pytest

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.run.data_version import DataVersion
from shared.errors import ConflictError, CorruptRecordError, TransientError
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Backfill
from shared.ledger.schedules import Activation
from tests.unit.samples import NOW, blob, pipeline
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Old:
    """A pipeline that is younger than the blobs of a test, and what is taken of them."""

    def __init__(self, backfill: str = "newest", count: int = 3) -> None:
        self.world = Observed()
        self.context = self.world.context
        self.ledger = self.context.ledger
        data = {"blob": "{name}.csv", "backfill": backfill}
        self.pipelines = {name: pipeline(name=name, data=data) for name in ("p", "q")}
        for name in self.pipelines:
            self.ledger.activations.activate(name, NOW)
        self.blobs = [blob(f"{n:03}.csv", modified=NOW - HOUR) for n in range(count)]
        self.taken: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.backfill = Backfill(
            self.context,
            Catalogue(self.pipelines),
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
        )

    def newest_data(self, one: Pipeline) -> list[BlobVersion]:
        return self.blobs if one.name == "p" else []

    def keep(self, version: DataVersion) -> None:
        old = version.blob
        assert version.pipeline.name == "p"
        self.taken.append(old.name)
        self.world.clock.move(SECOND)
        if error := self.errors.get(old.name):
            raise error

    def newest(self, span: timedelta = MINUTE) -> None:
        self.backfill.newest(self.world.clock.now() + span)

    def known(self, name: str = "p") -> Activation:
        stored = self.ledger.activations.read(name)
        assert stored is not None
        return stored.record


def test_the_newest_old_blobs_are_taken_once_in_the_order_of_their_names() -> None:
    old = Old()
    old.blobs = [
        *reversed(old.blobs),
        blob("new.csv", modified=NOW),
        blob("x.csv", modified=NOW - SECOND),
    ]
    old.newest()
    assert old.taken == ["000.csv", "001.csv", "002.csv", "x.csv"]
    assert old.known().backfilled_at == NOW + 4 * SECOND
    assert old.known("q").backfilled_at is not None
    assert old.backfill.is_done(old.pipelines["p"])
    old.newest()
    assert len(old.taken) == 4


def test_a_call_without_time_is_continued_with_behind_the_last_blob() -> None:
    old = Old()
    old.newest(timedelta())
    assert old.taken == []
    old.newest(2 * SECOND)
    assert old.taken == ["000.csv", "001.csv"]
    assert (old.known().backfilled_to, old.known().backfilled_at) == ("001.csv", None)
    assert old.known("q").backfilled_at is None
    assert not old.backfill.is_done(old.pipelines["p"])
    old.newest()
    assert old.taken == ["000.csv", "001.csv", "002.csv"]
    assert old.known().backfilled_at is not None


def test_how_far_it_is_is_kept_after_each_fifty_blobs() -> None:
    old = Old(count=51)
    old.errors = {"050.csv": TransientError("busy")}
    old.newest()
    assert old.known().backfilled_to == "049.csv"
    assert old.known("q").backfilled_at is not None  # it is kept from no other


def test_one_damaged_record_keeps_none_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    old = Old()
    old.errors = {"001.csv": CorruptRecordError("versions/x is odd")}
    old.newest()
    assert len(old.taken) == 3
    assert "pipeline p: versions/x is odd" in caplog.text
    assert old.known().backfilled_at is not None


@pytest.mark.parametrize(
    ("backfill", "wanted"), [("all", True), ("newest", False), ("none", False)]
)
def test_everything_is_looked_through_where_that_is_wanted(backfill: str, *, wanted: bool) -> None:
    old = Old(backfill)
    assert old.backfill.wanted() is wanted
    old.newest()
    assert bool(old.taken) is (backfill == "newest")
    old.backfill.done(NOW - SECOND)  # that search began before the pipeline was known
    assert old.backfill.wanted() is wanted
    old.backfill.done(NOW)
    assert not old.backfill.wanted()
    if wanted:
        assert old.known().backfilled_at == old.world.clock.now()


def test_a_pipeline_whose_record_cannot_be_read_keeps_no_other_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = Old()
    old.world.damage("pipelines/q")
    old.newest()
    assert len(old.taken) == 3
    assert "older data is not searched for: ledger record pipelines/q" in caplog.text
    del old.world.documents.rows["pipelines/p"]
    assert not old.backfill.is_done(old.pipelines["p"])
    old.newest()
    assert len(old.taken) == 3


def test_of_two_workers_the_later_one_notes_how_far_it_is_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = Old()
    old.pipelines.pop("q")

    def late(*_: object) -> None:
        monkeypatch.undo()
        raise ConflictError("pipelines/p")

    monkeypatch.setattr(old.ledger.activations, "put", late)
    old.newest()
    assert old.known().backfilled_at is not None
    monkeypatch.setattr(old.ledger.activations, "read", lambda _: None)
    old.backfill._mark(old.pipelines["p"], {})
