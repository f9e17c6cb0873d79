"""A value that was not filled in is distinguished from a chosen one."""

import pytest

from shared.core.config.setting_references import is_example_id, not_filled_in


@pytest.mark.parametrize(
    "text",
    [
        *("<key>", " <your key> ", "[key]", "TODO", "changeme", "CHANGE_ME", "replace-me", "xxx"),
        *("...", "…", "the training service's API key", "the scoring endpoint's API key"),
        *("your-api-key", "YOUR_SECRET", "your token", "your account name"),
        *("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)",),
        *("@microsoft.keyvault(VaultName=v;SecretName=s)",),
    ],
)
def test_placeholders_are_recognised(text: str) -> None:
    said = not_filled_in(text)
    assert said is not None
    what, advice = said
    if text.lower().startswith("@microsoft"):
        assert what == "its Key Vault reference is not resolved"
        assert "Key Vault Secrets User" in advice
    else:
        assert what == "still holds a placeholder"
        assert advice == "replace it with your own value"


@pytest.mark.parametrize(
    "text",
    [
        *("c2VjcmV0c2VjcmV0", "the", "yourself", "a<b>c", "xx", "p4ss;word=In/Parameters?", "key"),
        *("AccountName=mine;AccountKey=a2V5", "https://mine.blob.core.windows.net", "x.y...z"),
    ],
)
def test_a_value_is_left_alone(text: str) -> None:
    assert not_filled_in(text) is None
    assert "<" in text or not_filled_in(text, anywhere=True) is None


def test_within_an_address_brackets_are_placeholders() -> None:
    for text in ("https://<account>.blob.core.windows.net", "AccountName={name};AccountKey=x"):
        assert not_filled_in(text) is None
        assert not_filled_in(text, anywhere=True) is not None


def test_an_id_of_one_digit_alone_is_that_of_an_example() -> None:
    example = "00000000000000000000000000000000"
    assert is_example_id(f"https://host/workspaces/{example}/services/x")
    assert is_example_id(f"/subscriptions/{'1' * 8}-1111-1111-1111-{'1' * 12}/x")
    assert not is_example_id("https://host/workspaces/00000000000000000000000000000001/services/x")
    assert not is_example_id("https://host/workspaces/w/services/e1")
