"""Addresses that may not be called: loopback, link-local, and those of a cloud itself."""

import pytest

from shared.core.config.studio_urls import require_https
from shared.core.hosts import is_inner, is_loopback


@pytest.mark.parametrize(
    ("url", "development", "allowed"),
    [
        ("https://host/x", False, True),
        ("https://host/x", True, True),
        ("http://host/x", False, False),
        ("http://host/x", True, False),
        ("http://127.0.0.1:7071/x", True, True),
        ("http://127.0.0.1:7071/x", False, False),
        ("http://localhost/x", True, True),
        ("http://[::1]/x", True, True),
        ("http://localhost.evil.example/x", True, False),
        ("http://127.0.0.1.evil.example/x", True, False),
        ("http://10.0.0.1/x", True, False),
    ],
)
def test_plain_http_is_for_loopback_in_development_only(
    url: str, *, development: bool, allowed: bool
) -> None:
    if allowed:
        assert require_https(url, development=development) == url
        return
    with pytest.raises(ValueError, match="https is required"):
        require_https(url, development=development)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "localhost",
        "a.localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "[fe80::1%25eth0]",
        "224.0.0.1",
        "0.0.0.0",  # noqa: S104 -- an address to be refused
        "240.0.0.1",
        "168.63.129.16",
        "[fd00:ec2::254]",
    ],
)
def test_what_no_service_is_at_is_an_inner_address_however_it_is_written(host: str) -> None:
    assert is_inner(f"https://{host}/x")


@pytest.mark.parametrize("host", ["a.example", "10.0.0.1", "192.168.1.2", "[fd00::1]", "52.1.2.3"])
def test_a_name_and_a_private_address_are_no_inner_addresses(host: str) -> None:
    assert not is_inner(f"https://{host}/x")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.1",
        "127.0.0.0x1",
        "0177.0.0.1",
        "0x7f.1",
        "169.254.1",
        "0xa9.0376.0x0.1",
        "127.0.0.1.",
        "4026531841",  # 240.0.0.1
        "[::]",
        "[ff02::1]",
        "LOCALHOST",
        "LocalHost.",
        "a.localhost",
    ],
)
def test_an_inner_address_is_known_in_each_old_form_of_an_address(host: str) -> None:
    assert is_inner(f"https://{host}/x")


@pytest.mark.parametrize(
    "host",
    [
        "10.1",
        "0x0a000001",
        "012.0.0.1",
        "4294967296",  # more than an address has
        "127.0.0.0.1",
        "127.0.0_0.1",
        "127.0.0.1.example",
        "notlocalhost",
        "localhost.example",
        "09.0.0.1",
        "168.63.129.17",
        "",
    ],
)
def test_what_is_no_old_form_of_an_inner_address_is_none(host: str) -> None:
    assert not is_inner(f"https://{host}/x")


def test_an_address_of_a_machines_own_cloud_may_not_be_called() -> None:
    with pytest.raises(ValueError, match="belongs to the machine itself"):
        require_https("https://169.254.169.254/x", development=True)
    for login in ("user@", ":password@", "user:password@"):
        with pytest.raises(ValueError, match="user name or password"):
            require_https(f"https://{login}host/x", development=False)


def test_loopback_is_known_by_address_and_by_name() -> None:
    assert is_loopback("http://127.9.9.9/")
    assert not is_loopback("http:///nothing")
