"""The location of a blob that a service names, and the signature for it."""

import pytest

from shared.core.blob_locations import escaped, own_path_in, signature_in, source_of
from shared.core.config.studio_types import is_model_path

BASE = "https://account.blob.core.windows.net/"
EMULATED = "http://127.0.0.1:10000/devstoreaccount1/"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{BASE}c/a b.ilearner", "c/a b.ilearner"),
        (f"{BASE}c/a%20b.ilearner?sig=x", "c/a b.ilearner"),
        (f"{BASE}c/%2e%2e/d/x", ""),
        (f"{BASE}c/../d/x", ""),
        (f"{BASE}/c/x", ""),
        (f"{BASE}c", ""),
        (f"{BASE}c/", ""),
        (BASE, ""),
        ("HTTPS://Account.Blob.Core.Windows.Net:443/c/x", "c/x"),
        ("https://account.blob.core.windows.net./c/x", "c/x"),
        ("https://account-secondary.blob.core.windows.net/c/x", "c/x"),
        ("https://account.privatelink.blob.core.windows.net/c/x", "c/x"),
        ("https://account.dfs.core.windows.net/c/x", "c/x"),
        ("https://account2.blob.core.windows.net/c/x", None),
        ("https://other.blob.core.windows.net/account/c/x", None),
        ("https://account.blob.core.windows.net@evil.example/c/x", None),
        ("https://u:p@account.blob.core.windows.net/c/x", "c/x"),
        ("http://127.0.0.1:10000/devstoreaccount1/c/x", None),
    ],
)
def test_every_name_of_our_account_is_ours_and_no_other(url: str, expected: str | None) -> None:
    assert own_path_in(url, "account", BASE) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{EMULATED}c/x", "c/x"),
        ("http://localhost:10000/devstoreaccount1/c/x", "c/x"),
        ("http://localhost:10000/%64evstoreaccount1/c/x", "c/x"),
        ("http://127.0.0.1:10000/other/c/x", None),
        ("http://127.0.0.1:10000//devstoreaccount1/c/x", ""),
        ("http://127.0.0.1:10000/./devstoreaccount1/c/x", ""),
        ("http://devstoreaccount1.blob.localhost:10000/c/x", ""),
        ("https://other.blob.core.windows.net/devstoreaccount1/c/x", None),
    ],
)
def test_the_storage_for_development_has_its_account_in_the_path(
    url: str, expected: str | None
) -> None:
    assert own_path_in(url, "devstoreaccount1", EMULATED) == expected


@pytest.mark.parametrize("query", ["sv=1&sr=b&sig=x%3D", "?sig=x", "sig=x&skoid=1&sktid=2&ske=3"])
def test_a_signature_is_taken_as_it_is(query: str) -> None:
    assert signature_in(query) == query.lstrip("?")


MEMBERS = (
    "sv sr st se sp sip spr si rscc rscd rsce rscl rsct sdd ses ss srt skoid sktid skt ske sks skv "
    "saoid suoid scid skdutid sduoid"
)


@pytest.mark.parametrize("member", MEMBERS.split())
def test_each_documented_member_of_a_signature_may_be_in_it(member: str) -> None:
    assert signature_in(f"{member}=1&sig=x") == f"{member}=1&sig=x"
    assert signature_in(f"{member}=&sig=x") == f"{member}=&sig=x"
    assert signature_in(f"{member}_=1&sig=x") is None


def test_all_members_of_a_signature_may_be_in_it_at_once() -> None:
    query = "&".join([*(f"{member}=1" for member in MEMBERS.split()), "sig=x"])
    assert signature_in(query) == query


@pytest.mark.parametrize(
    "query",
    [
        *("", "?", "sig=", "sv=1", "sig=x&comp=list", "restype=container&sig=x", "sig=x&sig=y"),
        *("sig=x&snapshot=1", "sig=x&versionid=1", "sig=x&", "sig", "SIG=x", "comp=&sig=x"),
    ],
)
def test_anything_else_in_a_query_is_no_signature(query: str) -> None:
    assert signature_in(query) is None


def test_what_is_no_url_or_has_no_signature_is_no_source() -> None:
    for url in ("https://[/c/x?sig=x", f"{BASE}c/x", f"{BASE}c/../x?sig=x", "", "/c/x?sig=x#"):
        found = source_of(url, "account", BASE)
        assert found is None or found.own_path is None
    own = source_of("https://account-secondary.example/c/a%20b?sig=x", "account", BASE)
    assert own is not None
    assert (own.url, own.own_path) == (f"{BASE}c/a%20b?sig=x", "c/a b")
    assert "sig" not in repr(own)


def test_a_location_is_escaped_once() -> None:
    assert escaped("/c/a b%20%.x") == "c/a%20b%20%25.x"
    assert escaped("c/%2Fa%ff%fg%2") == "c/%2Fa%ff%25fg%252"


def test_an_account_with_a_domain_of_its_own_is_known_by_that() -> None:
    base = "https://blobs.example/below/"
    assert own_path_in("https://Blobs.example./below/c/x", "account", base) == "c/x"
    assert own_path_in("https://blobs.example/c/x", "account", base) == ""
    assert own_path_in("https://other.example/below/c/x", "account", base) is None
    own = source_of("https://blobs.example/below/c/a%20b?sig=x", "account", base)
    assert own is not None
    assert (own.url, own.own_path) == ("https://blobs.example/below/c/a%20b?sig=x", "c/a b")


def test_a_blob_elsewhere_is_copied_with_the_signature_that_came_with_it() -> None:
    url = "https://other.blob.core.windows.net/c/a%20b?sv=1&sig=x"
    found = source_of(url, "account", BASE)
    assert found is not None
    assert (found.url, found.signature, found.own_path) == (url, "sv=1&sig=x", None)
    assert source_of(f"{BASE}c?sig=x", "account", BASE) is None
    assert source_of(f"{url}&comp=list", "account", BASE) is None


@pytest.mark.parametrize("folder", ["runs", "promote", "baselines"])
def test_only_models_of_three_folders_are_for_a_service_to_read(folder: str) -> None:
    assert is_model_path(f"{folder}/x.ilearner")
    for other in (folder, f"{folder}/", f"/{folder}/x", f"{folder}x/y", f"{folder.upper()}/x"):
        assert not is_model_path(other)
    for folded in (f"{folder}/../x", f"{folder}/./x", f"./{folder}/x", f"../{folder}/x"):
        assert not is_model_path(folded)
