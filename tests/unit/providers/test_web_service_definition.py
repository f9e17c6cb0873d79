"""The definition of a New web service: its trained models, one exchanged (studio-classic §4)."""

from copy import deepcopy
from typing import Any

import pytest

from shared.errors import PermanentError
from shared.providers.studio.web_service_definition import (
    Definition,
    chosen_model,
    member,
    trained_models,
    with_model,
)
from tests.unit.vectors import vector

NAME = "Retrain Sample [trained model]"
URI = "https://account.blob.core.windows.net/experimentoutput/first.ilearner"
NEW = "https://account.blob.core.windows.net/models/new.ilearner"


def documented() -> Definition:
    found: Definition = deepcopy(vector("arm_definition")["body"])
    return found


def asset(name: str = NAME, uri: str = URI, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "Resource", "locationInfo": {"uri": uri}, **more}


def holding(**assets: Any) -> Definition:
    return {"properties": {"assets": assets}}


def in_case(value: Any, change: Any) -> Any:
    """Return the JSON with every member name changed, and every value as it is."""
    if isinstance(value, dict):
        return {change(name): in_case(one, change) for name, one in value.items()}
    return [in_case(one, change) for one in value] if isinstance(value, list) else value


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return the paths at which two pieces of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert list(one) == list(other), path
        return [at for name in one for at in differences(one[name], other[name], f"{path}/{name}")]
    return [] if one == other and type(one) is type(other) else [path]


def test_the_one_trained_model_of_the_documented_definition_is_found() -> None:
    assert trained_models(documented()) == {NAME: URI}
    assert chosen_model(documented(), None) == (NAME, URI)
    assert chosen_model(documented(), NAME) == (NAME, URI)


def test_nothing_but_the_models_uri_is_changed_and_the_original_is_left() -> None:
    before = documented()
    changed = with_model(before, NAME, NEW)
    assert before == documented()
    assert differences(before, changed) == ["/properties/assets/asset3/locationInfo/uri"]
    assert changed["properties"]["assets"]["asset3"]["locationInfo"]["uri"] == NEW


@pytest.mark.parametrize("change", [str.upper, str.lower, str.capitalize, str.swapcase])
def test_the_case_of_member_names_does_not_matter_and_is_kept(change: Any) -> None:
    before = in_case(documented(), change)
    assert chosen_model(before, NAME) == (NAME, URI)
    changed = with_model(before, NAME, NEW)
    (path,) = differences(before, changed)
    assert path.lower() == "/properties/assets/asset3/locationinfo/uri"
    assert chosen_model(changed, NAME) == (NAME, NEW)


@pytest.mark.parametrize("key", ["asset1", "x", "", "Trained Model", "uri"])
def test_the_key_of_an_asset_says_nothing(key: str) -> None:
    definition = holding(**{key: asset(), "asset3": asset("Module", type="Module")})
    assert chosen_model(definition, None) == (NAME, URI)
    assert differences(definition, with_model(definition, NAME, NEW)) == [
        f"/properties/assets/{key}/locationInfo/uri"
    ]


@pytest.mark.parametrize(
    "found",
    [
        asset("[trained model]"),
        asset("Census [Trained Model]", "https://h/no-suffix"),
        asset("Census [trained model] "),
        asset("Census [trained model]", ""),
        asset("no words", "https://h/c/x.ILEARNER"),
        asset("no words", "https://h/c/x.ilearner?sv=2021&sig=x"),
        asset(type="resource"),
        asset(type="RESOURCE"),
        {"name": NAME, "type": "Resource"},
        {"name": NAME, "type": "Resource", "locationInfo": None},
        {"Name": NAME, "Type": "Resource", "LocationInfo": {"Uri": URI}},
    ],
)
def test_a_trained_model_is_known_by_its_type_and_name_or_suffix(found: dict[str, Any]) -> None:
    assert len(trained_models(holding(a=found))) == 1


@pytest.mark.parametrize(
    "other",
    [
        asset(type="Module"),
        asset(type=None),
        asset("Census", "https://h/c/x.csv"),
        asset("Census", "https://h/c/x.csv?file=x.ilearner"),
        asset("[trained model] of the census", "https://h/c/x"),
        asset("Census", "aml://module/m-1"),
        {"name": NAME, "locationInfo": {"uri": URI}},
        {},
        None,
        "text",
        [asset()],
    ],
)
def test_nothing_else_is_taken_for_one(other: object) -> None:
    assert trained_models(holding(a=other)) == {}


@pytest.mark.parametrize(
    "definition",
    [{}, {"properties": None}, {"properties": {"assets": None}}, {"properties": {"assets": []}}],
)
def test_a_service_without_trained_models_is_said_not_to_be_a_predictive_one(
    definition: Definition,
) -> None:
    with pytest.raises(PermanentError, match=r"0 trained models \(none\).*not a predictive one"):
        chosen_model(definition, None)


def test_a_uri_that_is_none_is_no_reason_to_stop() -> None:
    broken = asset(uri="https://[half.an.address/x.ilearner")
    assert chosen_model(holding(a=broken), NAME)[0] == NAME


def test_of_several_trained_models_one_must_be_named_and_all_are_listed() -> None:
    definition = holding(a=asset("A [trained model]"), b=asset("B [trained model]"))
    with pytest.raises(PermanentError) as caught:
        chosen_model(definition, None)
    assert "'A [trained model]', 'B [trained model]'" in str(caught.value)
    assert "`resource`" in str(caught.value)
    changed = with_model(definition, "B [trained model]", NEW)
    assert differences(definition, changed) == ["/properties/assets/b/locationInfo/uri"]


@pytest.mark.parametrize(
    "resource", ["retrain sample [trained model]", f"{NAME} ", "asset3", "Retrain Sample", ""]
)
def test_a_resource_is_meant_to_the_letter(resource: str) -> None:
    with pytest.raises(PermanentError) as caught:
        chosen_model(documented(), resource)
    assert repr(resource) in str(caught.value)
    assert repr(NAME) in str(caught.value)


@pytest.mark.parametrize("resource", [None, NAME])
@pytest.mark.parametrize("assets", [{}, {"assets": None}, {"assets": {}}])
def test_a_definition_kept_in_blob_storage_is_said_to_be_out_of_reach(
    resource: str | None, assets: dict[str, Any]
) -> None:
    definition = {"properties": {"payloadsInBlobStorage": True, **assets}}
    with pytest.raises(PermanentError, match="definition in blob storage"):
        chosen_model(definition, resource)


def test_a_definition_in_blob_storage_that_shows_its_assets_is_as_good_as_any() -> None:
    definition = documented()
    definition["properties"]["payloadsInBlobStorage"] = True
    assert chosen_model(definition, None) == (NAME, URI)


def test_a_model_without_a_location_gets_one() -> None:
    for bare in (
        {"name": NAME, "type": "Resource"},
        asset(locationInfo=None),
        asset(locationInfo={}),
    ):
        changed = with_model(holding(a=bare), NAME, NEW)
        assert chosen_model(changed, None) == (NAME, NEW)


def test_credentials_beside_the_uri_are_kept() -> None:
    definition = holding(a=asset(locationInfo={"uri": URI, "credentials": "encrypted"}))
    changed = with_model(definition, NAME, NEW)
    assert changed["properties"]["assets"]["a"]["locationInfo"] == {
        "uri": NEW,
        "credentials": "encrypted",
    }


def test_an_exact_member_comes_before_one_in_another_case() -> None:
    assert member({"Uri": "other", "uri": "exact"}, "uri") == "exact"
    assert member({"a": {"B": {"c": 1}}}, "A", "b", "C") == 1


@pytest.mark.parametrize("holder", [None, [], "text", 1, {"a": None}, {"a": []}])
def test_a_member_of_nothing_is_nothing(holder: object) -> None:
    assert member(holder, "a", "b") is None
