from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core import names

PARTS = st.lists(st.text(), max_size=4)


def test_the_same_event_always_gives_the_same_id() -> None:
    # Stored ids outlive a release: these must never change.
    assert names.run_id("census", "data", "v1") == "census-" + names.digest("census", "data", "v1")
    assert names.digest("a", "b") == names.digest("a", "b")
    assert names.digest("blob", "census", "data", "x.csv") == "0f437b6c5bce5c741b31"


def test_what_is_stored_is_found_under_the_same_name_in_every_release() -> None:
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert names.run_id("census", "data", "v1") == "census-a6e7f9731ce2a627e21a"
    assert names.delivery_run_id("census", "census-1", "a", 2) == "census-22d86a8efd0221c739ed"
    assert (
        names.version_id("census", "data", "x.csv", "0x1")
        == "0f437b6c5bce5c741b31-8c81acc043d839302666"
    )
    assert names.run_queue_id("census", ("a", "b")) == "run_queues/census/bf0f526be1a6a6c84a61"
    assert names.shared_queue_id("service", "x") == "shared_queues/f06f734fb57e14cc5c21"
    assert names.inbox_prefix("census", ("a", "b")) == "inbox/census/bf0f526be1a6a6c84a61/"
    assert names.index_name(at, "census-1") == "index/08227633600000000-census-1"
    assert names.manifest_path("census", "census-1") == "runs/census/census-1/manifest.csv"
    assert names.output_path("census", "census-1", 3, "a") == "runs/census/census-1/3/a"


def test_runs_are_listed_the_newest_first() -> None:
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    times = [at + timedelta(microseconds=1), at, datetime(1990, 1, 1, tzinfo=UTC)]
    listed = [names.index_name(time, "census-1") for time in times]
    assert listed == sorted(listed)
    assert len({len(name) for name in listed}) == 1


def test_a_run_belongs_to_the_pipeline_that_its_id_begins_with() -> None:
    assert names.pipeline_of(names.run_id("census-2026", "data")) == "census-2026"


@pytest.mark.parametrize(
    ("text", "can_be"),
    [
        ("census-1", True),
        ("1", True),
        ("a" * 100, True),
        ("a" * 101, False),
        ("", False),
        ("-a", False),
        ("a_", False),
        ("A", False),
        ("a/b", False),
        ("..", False),
        ("a\n", False),
    ],
)
def test_the_id_of_a_run_is_a_plain_word_of_a_url(text: str, *, can_be: bool) -> None:
    assert names.is_run_id(text) is can_be


@given(PARTS, PARTS)
def test_different_parts_give_different_digests(one: list[str], other: list[str]) -> None:
    assert (names.digest(*one) == names.digest(*other)) is (one == other)


@given(st.text(), st.text(), st.text())
def test_every_id_is_safe_in_a_blob_name(pipe: str, blob: str, tag: str) -> None:
    made = names.version_id(pipe, "data", blob, tag)
    assert set(made) <= set("0123456789abcdef-")


def test_versions_of_one_blob_share_its_prefix_and_nothing_else_does() -> None:
    prefix = names.blob_id("census", "data", "x.csv") + "-"
    first = names.version_id("census", "data", "x.csv", "0x1")
    second = names.version_id("census", "data", "x.csv", "0x2")
    assert first != second
    assert first.startswith(prefix)
    assert second.startswith(prefix)
    for other in (("other", "data", "x.csv"), ("census", "d", "x.csv"), ("census", "data", "y")):
        assert not names.version_id(*other, "0x1").startswith(prefix)


def test_an_etag_counts_the_same_with_and_without_quotes() -> None:
    plain = names.version_id("census", "data", "x.csv", "0x1")
    assert names.version_id("census", "data", "x.csv", '"0x1"') == plain


def test_each_cause_opens_a_run_of_its_own() -> None:
    causes = [("data", "v1"), ("data", "v2"), ("schedule", "v1"), ("manual", "v1"), ("datav1",)]
    assert len({names.run_id("census", *cause) for cause in causes}) == len(causes)


def test_the_owner_of_an_output_is_read_back_from_its_path() -> None:
    path = names.output_path("census", "census-1", 3, "model.ilearner")
    assert names.owner_of_output(path) == ("census-1", 3)


def test_an_output_may_be_a_folder() -> None:
    for file in ("model/MLmodel", "model/data/model.pkl"):
        path = names.output_path("census", "census-1", 2, file)
        assert names.owner_of_output(path) == ("census-1", 2)


def test_whose_output_it_is_does_not_hang_on_how_its_pipeline_is_called() -> None:
    path = names.output_path("Census_2026", "census-1", 0, "model.ilearner")
    assert names.owner_of_output(path) == ("census-1", 0)


@pytest.mark.parametrize(
    "path",
    [
        "runs/census/census-1/model.ilearner",
        "runs/census/census-1/one/model.ilearner",
        "runs/census/census-1/-1/model.ilearner",
        "other/census/census-1/1/model.ilearner",
        "/runs/census/census-1/1/model.ilearner",
        "runs/census/../1/model.ilearner",
        "runs/census/CENSUS/1/model.ilearner",
        "model.ilearner",
        "",
    ],
)
def test_other_paths_have_no_owner(path: str) -> None:
    assert names.owner_of_output(path) is None


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("promote/census/better.ilearner", ("census", ())),
        ("promote/census/acme/better.ilearner", ("census", ("acme",))),
        ("promote/census/acme/2026/better.ilearner", ("census", ("acme", "2026"))),
        ("promote/census", None),
        ("promote/better.ilearner", None),
        ("runs/census/better.ilearner", None),
    ],
)
def test_an_operators_model_names_its_pipeline_and_its_key(
    path: str, owner: tuple[str, tuple[str, ...]] | None
) -> None:
    assert names.owner_of_upload(path) == owner
