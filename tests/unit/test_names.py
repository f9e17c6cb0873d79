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


@given(PARTS, PARTS)
def test_different_parts_give_different_digests(one: list[str], other: list[str]) -> None:
    assert (names.digest(*one) == names.digest(*other)) is (one == other)


@given(st.text(), st.text(), st.text())
def test_an_id_is_safe_in_a_blob_name_whatever_it_stands_for(
    pipe: str, blob: str, tag: str
) -> None:
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


def test_whose_output_it_is_does_not_hang_on_how_its_pipeline_is_called() -> None:
    path = names.output_path("Census_2026", "census-1", 0, "model.ilearner")
    assert names.owner_of_output(path) == ("census-1", 0)


@pytest.mark.parametrize(
    "path",
    [
        "runs/census/census-1/model.ilearner",
        "runs/census/census-1/one/model.ilearner",
        "runs/census/census-1/-1/model.ilearner",
        "runs/census/census-1/1/deep/model.ilearner",
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
        ("promote/census/better.csv", None),
        ("promote/better.ilearner", None),
        ("runs/census/better.ilearner", None),
    ],
)
def test_a_model_put_by_hand_names_its_pipeline_and_its_key(
    path: str, owner: tuple[str, tuple[str, ...]] | None
) -> None:
    assert names.promoted_by_hand(path) == owner
