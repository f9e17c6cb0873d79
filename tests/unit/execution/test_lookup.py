"""Many blobs are looked up with about one call each, for any other content of the container."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.run.record import Phase
from shared.execution.inputs import JobInputs
from tests.fakes.documents import page_of
from tests.fakes.world import DATA, LIMITS
from tests.unit.intake.test_batches import arrive
from tests.unit.worlds import Observed


def put(world: Observed, *names: str) -> list[BlobVersion]:
    return [world.blobs.put(DATA, name, name.encode()) for name in names]


def calls(world: Observed, blobs: list[BlobVersion], at_once: int = 1) -> tuple[int, int]:
    """Look the blobs up; returns how many pages were listed and how many HEADs were sent."""
    context = replace(world.context, limits=replace(LIMITS, at_once=at_once))
    endpoint_states, pages = world.blobs.head_calls, world.blobs.pages
    found = list(JobInputs(context).now(blobs))
    assert [blob for blob, _ in found] == blobs
    for blob, now in found:
        assert now == world.blobs._version(f"{world.blobs.account_url}{DATA}/{blob.name}")
    return world.blobs.pages - pages, world.blobs.head_calls - endpoint_states


def in_pages_of(world: Observed, size: int) -> None:
    listing = world.blobs.listing

    def page(container: str, cursor: str | None, prefix: str = "") -> Any:
        world.blobs.pages += 1
        return page_of(list(listing(container, prefix)), size, cursor, lambda one: one.name)

    world.blobs.page = page  # type: ignore[method-assign]


@pytest.mark.parametrize("size", [30, 300, 3000])
def test_blobs_of_one_folder_are_listed(size: int) -> None:
    world = Observed()
    put(world, *[f"other/{n}.csv" for n in range(100)])
    blobs = put(world, *[f"acme/2026/{n:05}.csv" for n in range(size)])
    assert calls(world, blobs) == (1, 0)


@pytest.mark.parametrize("size", [30, 300])
@pytest.mark.parametrize("at_once", [1, 16])
def test_blobs_of_many_folders_are_asked_for_one_by_one(size: int, at_once: int) -> None:
    world = Observed()
    blobs = put(world, *[f"{n}/acme.csv" for n in range(size)])
    pages, endpoint_states = calls(world, blobs, at_once)
    assert pages == 0
    assert endpoint_states <= size


def test_what_changed_and_what_is_gone_is_distinguished_from_a_listing_as_well() -> None:
    world = Observed()
    blobs = put(world, *[f"acme/{n:02}.csv" for n in range(40)])
    world.blobs.put(DATA, "acme/03.csv", b"changed")
    world.blobs.remove(DATA, "acme/07.csv")
    assert calls(world, blobs) == (1, 0)
    now = {blob.name: found for blob, found in JobInputs(world.context).now(blobs)}
    changed, gone = now["acme/03.csv"], now["acme/07.csv"]
    assert changed is not None
    assert changed.etag != blobs[3].etag
    assert gone is None


def test_a_folder_full_of_other_blobs_is_not_listed_to_its_end() -> None:
    """However many pages there are before the wanted blobs."""
    world = Observed()
    blobs = put(world, *[f"all/9{n:06}.csv" for n in range(60)])
    numbers = count()

    def listing(container: str, cursor: str | None, prefix: str = "") -> Any:
        del container, cursor, prefix
        world.blobs.pages += 1
        item = replace_name(blobs[0], f"all/{next(numbers):07}-foreign.csv")
        return page_of([item, item], 1, None, lambda one: one.name)

    world.blobs.page = listing  # type: ignore[method-assign]
    pages, endpoint_states = calls(world, blobs)
    assert pages <= 60 // 20
    assert endpoint_states <= 60


def replace_name(blob: BlobVersion, name: str) -> BlobVersion:
    return blob.model_copy(update={"name": name})


def test_a_listing_goes_no_further_than_the_last_blob() -> None:
    world = Observed()
    put(world, *[f"all/z{n:03}.csv" for n in range(500)])
    blobs = put(world, *[f"all/a{n:02}.csv" for n in range(40)])
    in_pages_of(world, 50)
    assert calls(world, blobs) == (1, 0)


@pytest.mark.parametrize(("size", "most"), [(40, 50), (400, 420)])
def test_a_manifest_with_a_token_first_lists_no_more_than_its_own_folders(
    size: int, most: int
) -> None:
    data = {"blob": "{customer}/{name}.csv", "settle": "1m", "settle_at_most": "1h"}
    training = {"inputs": {"input1": "{data.manifest}"}}
    config = {"pipeline": {"when_busy": "newest", "data": data, "key": [], "endpoints": []}}
    world = Observed(config={**config, "training": training})
    put(world, *[f"elsewhere{n}/x.txt" for n in range(2000)])
    arrive(world, *[f"c{n % 50}/{n}.csv" for n in range(size)])
    listed: list[str] = []
    listing = world.blobs.listing

    def counted(container: str, prefix: str) -> Any:
        listed.append(prefix)
        return listing(container, prefix)

    endpoint_states, pages = world.blobs.head_calls, world.blobs.pages
    world.blobs.listing = counted  # type: ignore[method-assign]
    for _ in range(10):
        world.tick(60)
    assert [run.phase for run in world.runs()] == [Phase.FINISHED]
    assert "" not in listed  # the container as a whole is never listed
    assert world.blobs.head_calls - endpoint_states + world.blobs.pages - pages <= 2 * most
