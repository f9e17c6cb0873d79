import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.pattern import checked_pattern, fill, literal_prefix, match, tokens_of

SEGMENT = st.text(st.characters(blacklist_characters="/", blacklist_categories=["Cs"]), min_size=1)
PLAIN = SEGMENT.filter(lambda text: not set(text) & set("{}") and text not in (".", ".."))


@given(PLAIN, SEGMENT, SEGMENT)
def test_filling_in_what_was_captured_gives_the_name_again(
    start: str, date: str, name: str
) -> None:
    pattern = start + "/{date}/{name}.csv"
    blob = f"{start}/{date}/{name}.csv"
    found = match(pattern, blob)
    assert found == {"date": date, "name": name}
    assert fill(pattern, found) == blob


@given(PLAIN)
def test_a_pattern_without_tokens_matches_itself_alone(name: str) -> None:
    assert match(name, name) == {}
    assert match(name, name + "x") is None


@pytest.mark.parametrize(
    ("pattern", "name", "tokens"),
    [
        ("census/{date}/{name}.csv", "census/2026/a.csv", {"date": "2026", "name": "a"}),
        ("census/{date}/{name}.csv", "census/2026/deep/a.csv", None),
        ("census/{date}/{name}.csv", "census//a.csv", None),
        ("census/{date}/{name}.csv", "CENSUS/2026/a.csv", None),
        ("census/{date}/{name}.csv", "x/census/2026/a.csv", None),
        ("census/{date}/{name}.csv", "census/2026/a.csv.tmp", None),
        ("census/{date}/{name}.csv", "census/2026/aXcsv", None),
        ("{day}/{day}.csv", "1/1.csv", {"day": "1"}),
        ("{day}/{day}.csv", "1/2.csv", None),
        ("{a}-{b}/{a}.csv", "acme-corp-2026/acme.csv", {"a": "acme", "b": "corp-2026"}),
        ("{a}-{b}-{c}", "1-2-3-4", {"a": "1-2", "b": "3", "c": "4"}),
        ("{a}{b}", "123", {"a": "12", "b": "3"}),
        ("{a}-{a}.csv", "x-x.csv", {"a": "x"}),
        ("{a}-{a}.csv", "x-y.csv", None),
        ("x{a}x", "xx", None),
        ("{a}-{b}", "ab", None),
        ("{a}-{b}", "-b", None),
        ("{a}--{b}", "a-b", None),
        ("{folder}/{name}.csv", "../a.csv", None),
        ("{a}/{b}/{name}.csv", "x/../a.csv", None),
        ("{name}", ".", None),
        ("{a}/{b}/{name}", ".relearn/scratch/1", None),
        ("{a}/{name}", ".relearned/1", {"a": ".relearned", "name": "1"}),
        ("a.b/(x)+.csv", "a.b/(x)+.csv", {}),
        ("{name}.csv", "two\nlines.csv", {"name": "two\nlines"}),
    ],
)
def test_a_token_stands_for_some_text_of_one_segment(
    pattern: str, name: str, tokens: dict[str, str] | None
) -> None:
    assert match(pattern, name) == tokens


@pytest.mark.parametrize("separator", ["_", "-", "__"])
def test_no_name_takes_long_with_any_content(separator: str) -> None:
    # Divided in every way, as an expression does, this takes hours.
    pattern = separator.join(f"{{{token}}}" for token in "abcdefgh")
    assert match(f"{pattern}.csv", "_-" * 500) is None
    assert match(f"{pattern}.csv", separator * (1000 // len(separator))) is None


@pytest.mark.parametrize(
    ("pattern", "name", "tokens"),
    [
        ("{c}/{n}-{c}.csv", "acme/f-acme.csv", {"c": "acme", "n": "f"}),
        ("{c}/{c}-{n}.csv", "acme/acme-f.csv", {"c": "acme", "n": "f"}),
        ("{c}/{n}{c}x{m}", "acme/facmexg", {"c": "acme", "n": "f", "m": "g"}),
        ("{c}/{n}-{c}.csv", "acme/f-other.csv", None),
    ],
)
def test_a_token_that_is_known_from_another_folder_divides_a_name(
    pattern: str, name: str, tokens: dict[str, str] | None
) -> None:
    assert match(pattern, name) == tokens


def test_an_app_setting_is_no_token() -> None:
    assert tokens_of("${NAME}-{date}-{date}-{x_1}") == ("date", "x_1")
    assert fill("${NAME} {NAME}", {"NAME": "v"}) == "${NAME} v"


def test_unknown_tokens_stay_as_they_are() -> None:
    assert fill("{a}-{b}", {"a": "1"}) == "1-{b}"


def test_a_captured_value_is_not_filled_in_again() -> None:
    assert fill("{a}", {"a": "{b}", "b": "2"}) == "{b}"


@pytest.mark.parametrize("pattern", ["{", "}", "{a", "a}", "{}", "{1}", "{a-b}", "{{a}}", "${A}"])
def test_a_brace_that_is_no_token_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="token"):
        checked_pattern(pattern)


@pytest.mark.parametrize("pattern", ["a.csv", "{a}/{b_2}.csv", "$/{a}"])
def test_a_pattern_of_tokens_is_kept_as_it_is(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


def test_listing_starts_with_what_every_match_starts_with() -> None:
    assert literal_prefix("census/{date}/a.csv") == "census/"
    assert literal_prefix("{name}.csv") == ""
    assert literal_prefix("census/a.csv") == "census/a.csv"
