"""Preview, batches, promotion and history agree on one order of data versions."""

from shared.operations.preview import Preview
from tests.unit.core.test_versions import MICROSECOND
from tests.unit.worlds import Observed

# In a world


def content(number: int) -> bytes:
    return b"a,b,label\n" + b"%d,2,0\n3,4,1\n" % number


def arrive(world: Observed, names: list[str], reported: list[str]) -> None:
    """Write all of `names` within one second, then deliver an event for each in another order."""
    for number, name in enumerate(names):
        world.upload(name, content(number))
    for name in reported:
        world.host.by += MICROSECOND
        world.deliver(name)


def preview(world: Observed) -> Preview:
    return world.app.pipelines.preview("sample", None)
