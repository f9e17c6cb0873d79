"""Route templates become Werkzeug rules."""

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map

from local.host.config import RefusedError
from local.host.routes import CONVERTERS, rules_for


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("a/b", "/a/b", {}),
        ("a/{b}", "/a/x.y", {"b": "x.y"}),
        ("a/{b}/c/{d}", "/a/1/c/2", {"b": "1", "d": "2"}),
        ("a/{b:alpha}", "/a/x", {"b": "x"}),
        ("a/{b:int}", "/a/-01", {"b": "-01"}),
        ("a/{b:int:min(1)?}", "/a", {}),
        ("a/{b=c}", "/a", {"b": "c"}),
        ("a/{name}.{ext}", "/a/x.csv", {"name": "x", "ext": "csv"}),
        ("{*rest}", "/", {}),
        ("{*rest}", "/x/y/", {"rest": "x/y/"}),
        ("a/{**rest}", "/a/x", {"rest": "x"}),
    ],
)
def test_matches(template: str, path: str, expected: dict[str, str]) -> None:
    assert _match(template, path) == expected


@pytest.mark.parametrize(
    ("template", "path"), [("a/{b}", "/a"), ("a/{b}", "/a/x/y"), ("a/{b:int}", "/a/x")]
)
def test_does_not_match(template: str, path: str) -> None:
    with pytest.raises(NotFound):
        _match(template, path)


@pytest.mark.parametrize("template", ["a/{b", "a/b}", "a/{}", "a/<b>", "a/{b:regex(^x{{2}}$)}"])
def test_refused(template: str) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        rules_for(template, print, None)


def _match(template: str, path: str) -> dict[str, str]:
    rules = Map(rules_for(template, print, None), converters=CONVERTERS, strict_slashes=False)
    _, found = rules.bind("h").match(path)
    return dict(found)
