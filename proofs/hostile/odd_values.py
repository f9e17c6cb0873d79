"""Odd values, such as a broken or malicious service may send."""

import random
from typing import Any, Final

_WORDS: Final = (
    "StatusCode",
    "Results",
    "Details",
    "error",
    "code",
    "message",
    "details",
    "target",
    "Name",
    "Resources",
    "Location",
    "BaseLocation",
    "RelativeLocation",
    "SasBlobToken",
    "ApiLocation",
    "PrimaryKey",
    "properties",
    "assets",
    "type",
    "swaggerLocation",
    "provisioningState",
    "errorInfo",
    "locationInfo",
    "uri",
    "value",
    "ColumnNames",
    "Values",
    "primary",
    "Id",
    "output1",
    "output2",
    "storageAccount",
    "name",
    "readOnly",
    "PreventUpdate",
    "MaxConcurrentCalls",
    "asset3",
)
TEXTS: Final = (
    "",
    " ",
    "Finished",
    "Running",
    "4",
    "Succeeded",
    "Failed",
    "Resource",
    "Sample [trained model]",
    "models/x.ilearner",
    "../../x.ilearner",
    "https://169.254.169.254/latest",
    "http://studio.example/",
    "https://[::1",
    "https://a:b@studio.example/x/swagger.json",
    "//x",
    "\ud800",
    "\x00\x1f\r\nX-Forged: 1",
    "é\u202eltr\u2028line",
    "9" * 5000,
    "x" * 70_000,
    "?sv=1&sig=SECRET",
    "ModuleExecutionFailed",
    "CannotStartJob",
    "Bearer abcdefgh",
)
_SCALARS: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    4,
    1e308,
    10**300,
    float("nan"),
    float("inf"),
    [],
    {},
)


def odd(chance: random.Random, secrets: tuple[str, ...], depth: int) -> Any:
    """Return anything that JSON can hold, nested at most so deep."""
    form = chance.randrange(4) if depth else 0
    if form == 1:
        return [odd(chance, secrets, depth - 1) for _ in range(chance.randrange(4))]
    if form >= 2:  # noqa: PLR2004 -- objects are what services answer mostly
        names = chance.sample(_WORDS, chance.randrange(6))
        return {name: odd(chance, secrets, depth - 1) for name in names}
    return chance.choice((*_SCALARS, *TEXTS, *secrets))


def changed(tree: Any, chance: random.Random, secrets: tuple[str, ...]) -> Any:
    """Return the tree with one to three of its nodes replaced, in a random depth."""
    for _ in range(chance.randint(1, 3)):
        path = a_path(tree, chance, deeper=0.8)
        if not path:
            return odd(chance, secrets, 2)
        holder, key = path[-1]
        holder[key] = odd(chance, secrets, 2)
    return tree


def a_path(tree: Any, chance: random.Random, *, deeper: float) -> list[tuple[Any, Any]]:
    """Return the way to some node: holders, each with the key of the next; none in a scalar.

    Args:
        tree: what JSON can hold.
        chance: where the choice comes from.
        deeper: how likely a node has children.
    """
    node: Any = tree
    path: list[tuple[Any, Any]] = []
    while isinstance(node, dict | list) and node and (not path or chance.random() < deeper):
        key = chance.choice(list(node) if isinstance(node, dict) else list(range(len(node))))
        path.append((node, key))
        node = node[key]
    return path
