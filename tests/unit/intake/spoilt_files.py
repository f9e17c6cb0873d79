"""Errors for a pipelines file: in one pipeline, or in the whole file."""

from collections.abc import Callable

from shared.core.run.record import Origin, Run
from tests.unit.filed import Filed

NAMES = ("sample", "other")


def typo(world: Filed) -> None:
    """`sample` has a key that nobody knows; `other` is changed on purpose."""
    world.tree["pipelines"]["sample"]["endpoints"][0]["resorce"] = "x"
    world.tree["pipelines"]["other"]["training"]["attempts"] = 3
    world.write()


def no_setting(world: Filed) -> None:
    world.tree["pipelines"]["sample"]["training"]["parameters"] = {"x": "${NOT_SET}"}
    world.write()


def no_probe(world: Filed) -> None:
    world.tree["pipelines"]["sample"]["endpoints"][0]["verify"]["rows"] = "gone.json"
    world.write()


def twice(world: Filed) -> None:
    text = world.path.read_text()
    again = text.partition("\n")[2].partition("  other:")[0]
    world.write(text + again)


def a_tag(world: Filed) -> None:
    world.write(world.path.read_text().replace("when_busy: parallel", "when_busy: !x parallel", 1))


def no_yaml(world: Filed) -> None:
    world.write("pipelines: {")


def empty(world: Filed) -> None:
    world.write("# nothing yet\n")


def gone(world: Filed) -> None:
    world.path.unlink()
    world.restart()
    world.app.activations.refresh()


def too_large(world: Filed) -> None:
    world.write("#" * 600_000)


ALONE = (typo, no_setting, no_probe, twice, a_tag)
ALL = (no_yaml, empty, gone, too_large)
Spoil = Callable[[Filed], None]


def by_pipeline(world: Filed, pipeline: str, origin: Origin) -> list[Run]:
    return [run for run in world.runs() if run.pipeline == pipeline and run.origin is origin]
