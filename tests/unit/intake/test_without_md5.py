"""Data without Content-MD5: a new ETag counts as new data, though the bytes may be the same."""

from datetime import timedelta
from typing import Any

import pytest

from functions.api_models.runs import RunShown
from shared.core.blobs import BlobVersion
from shared.core.run.record import Phase, Run
from tests.fakes.world import CSV, DATA
from tests.unit.samples import HOUR, NOW, blob
from tests.unit.worlds import Observed

OTHER = CSV.replace(b"1,2", b"7,8")  # as many bytes
MINUTE = timedelta(minutes=1)


def world_of(without_md5: str, **pipeline: Any) -> Observed:
    data = {"blob": "{name}.csv", "without_md5": without_md5}
    return Observed(config={"pipeline": {"data": data, **pipeline}})


def put(world: Observed, content: bytes = CSV) -> None:
    world.blobs.put_blocks(DATA, "a.csv", content)


def trained(world: Observed) -> list[Run]:
    """Let time pass, and return the runs that trained."""
    for _ in range(40):
        world.tick()
    return [run for run in world.runs() if run.job]


WAYS = [
    {"when_busy": "parallel"},
    {"when_busy": "newest"},
    {"when_busy": "queue"},
]
POLICIES = [("train", 2), ("ignore", 1)]


@pytest.mark.parametrize("later", [timedelta(), HOUR], ids=["within the second", "later"])
@pytest.mark.parametrize(("without_md5", "runs"), POLICIES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way["when_busy"])
def test_a_metadata_only_update_trains_again_unless_it_is_to_be_ignored(
    way: dict[str, Any], without_md5: str, runs: int, later: timedelta
) -> None:
    world = world_of(without_md5, **way)
    put(world)
    world.deliver("a.csv")
    trained(world)
    world.clock.move(later)
    if not later:
        world.blobs.facts[f"https://account.blob.core.windows.net/{DATA}/a.csv"].etag = "0xtouch"
    else:
        world.blobs.update_metadata(DATA, "a.csv")
    world.deliver("a.csv")
    assert len(trained(world)) == runs


@pytest.mark.parametrize(("without_md5", "runs"), POLICIES)
def test_an_event_and_a_search_judge_a_metadata_only_update_alike(
    without_md5: str, runs: int
) -> None:
    world = world_of(without_md5)
    put(world)
    world.deliver("a.csv")
    trained(world)
    world.clock.move(HOUR)
    world.blobs.update_metadata(DATA, "a.csv")
    world.clock.move(HOUR)
    world.app.search.run_until(world.clock.now() + MINUTE)
    assert len(trained(world)) == runs


@pytest.mark.parametrize("way", WAYS[1:], ids=lambda way: way["when_busy"])
def test_of_a_write_and_its_metadata_write_that_wait_together_one_run_is_made(
    way: dict[str, Any],
) -> None:
    world = world_of("ignore", **way)
    world.upload("first.csv")
    world.deliver("first.csv")  # it is at work: the others wait
    world.clock.move(MINUTE / 60)
    put(world)
    world.deliver("a.csv")
    world.clock.move(MINUTE / 60)
    world.blobs.update_metadata(DATA, "a.csv")
    world.deliver("a.csv")
    of_a = [run for run in trained(world) if run.newest and run.newest.name == "a.csv"]
    assert len(of_a) == 1
    assert len(of_a[0].manifest) == 1


@pytest.mark.parametrize("without_md5", ["train", "ignore"])
def test_other_bytes_train_wherever_that_can_be_known(without_md5: str) -> None:
    world = world_of(without_md5)
    put(world)
    world.deliver("a.csv")
    trained(world)
    for content in (CSV + b"5,6,1\n", CSV):  # another size; then with an MD5
        world.clock.move(HOUR)
        if content == CSV:
            world.upload("a.csv", content)
        else:
            put(world, content)
        world.deliver("a.csv")
        trained(world)
    assert len(world.starts) == 3


@pytest.mark.parametrize(("without_md5", "runs"), POLICIES)
def test_as_many_other_bytes_in_blocks_are_missed_where_that_was_chosen(
    without_md5: str, runs: int
) -> None:
    world = world_of(without_md5)
    put(world)
    world.deliver("a.csv")
    trained(world)
    world.clock.move(HOUR)
    put(world, OTHER)
    world.deliver("a.csv")
    assert len(trained(world)) == runs


def test_a_metadata_only_update_under_a_job_takes_nothing_from_its_run() -> None:
    world = world_of("ignore")
    put(world)
    world.deliver("a.csv")
    world.clock.move(MINUTE / 60)
    world.blobs.update_metadata(DATA, "a.csv")
    world.deliver("a.csv")
    (run,) = trained(world)
    assert run.phase is Phase.PROMOTED


@pytest.mark.parametrize(("without_md5", "runs"), POLICIES)
def test_a_due_time_without_new_data_is_skipped_by_the_same_rule(
    without_md5: str, runs: int
) -> None:
    data = {"blob": "{name}.csv", "without_md5": without_md5, "opens_runs": False}
    config = {"schedule": "0 0 * * * *", "skip_if_no_new_data": True, "data": data}
    world = Observed(config={"pipeline": config})
    put(world)
    world.poll.start_scheduled()
    for _ in range(2):
        for _ in range(6):
            world.clock.move(10 * MINUTE)
            world.poll.start_scheduled()
        world.blobs.update_metadata(DATA, "a.csv")
    assert len(world.runs()) == runs


def preview(world: Observed) -> str:
    seen = world.app.pipelines.preview("sample", None)
    return "\n".join((*seen.notes, *(match.state for match in seen.matches)))


def test_preview_and_run_say_what_cannot_be_known() -> None:
    for without_md5, words in (
        ("train", "also where only metadata changed (data.without_md5: train)"),
        ("ignore", "as many other bytes is missed (data.without_md5: ignore)"),
    ):
        world = world_of(without_md5)
        put(world)
        world.deliver("a.csv")
        (run,) = trained(world)
        for said in (preview(world), "\n".join(RunShown.of(run, None).notes)):
            assert "training-data/a.csv has no Content-MD5" in said
            assert words in said
        world.clock.move(HOUR)
        world.blobs.update_metadata(DATA, "a.csv")
        world.deliver("a.csv")
        if without_md5 == "ignore":
            assert "so that other bytes cannot be distinguished" in preview(world)


def test_nothing_is_said_of_data_that_has_an_md5() -> None:
    world = world_of("train")
    world.upload("a.csv")
    world.deliver("a.csv")
    (run,) = trained(world)
    assert "Content-MD5" not in preview(world)
    assert RunShown.of(run, None).notes == ()


BARE = blob(content_md5=None)


@pytest.mark.parametrize(
    ("other", "sure", "trusted"),
    [
        (blob(content_md5=None, etag="0x2", modified=NOW + HOUR), False, True),
        (blob(content_md5=None, etag="0x2", size=1), False, False),
        (blob(content_md5=None, etag="0x2", created=NOW + HOUR), False, False),
        (blob(etag="0x2"), False, False),
        (blob(content_md5=None), True, True),
    ],
    ids=["metadata", "size", "made anew", "with an MD5 now", "the same ETag"],
)
def test_without_an_md5_size_and_creation_time_count_only_where_they_are_trusted(
    other: BlobVersion, *, sure: bool, trusted: bool
) -> None:
    for one, two in ((BARE, other), (other, BARE)):
        assert one.same_bytes_as(two) is sure
        assert one.same_bytes_as(two, trust_size=True) is trusted
