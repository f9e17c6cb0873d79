"""A service that repeats every secret, in every spelling, in each part of an answer."""

from collections.abc import Iterator

from proofs.hostile.findings import NO_SECRETS, Findings
from proofs.outcomes import Effort
from shared.core.counting import counted
from tests.fakes.echoes import Place
from tests.functions.echo_lives import KINDS, life, ways

#: Of about 1,900 places in all, for each hundred of the effort.
_EACH = 20


def echoes(effort: Effort, findings: Findings) -> None:
    """Run a world with such a service for each place, and search everything for secrets."""
    for kind, place in _places(effort):
        with findings.trial(NO_SECRETS, f"hostile echo in world {kind}: {place}"):
            seen = life(kind, place)
            if leaked := seen.leaks():
                findings.broken(
                    NO_SECRETS, f"{len(leaked)} of {counted(len(seen.http.secrets), 'secret')}"
                )
            if seen.unexpected:
                findings.broken(NO_SECRETS, seen.unexpected[0][-200:])


def _places(effort: Effort) -> Iterator[tuple[str, Place]]:
    for kind in KINDS:
        places = ways(kind)
        wanted = max(1, min(len(places), effort.size * _EACH // 100))
        step = max(1, len(places) // wanted)
        yield from ((kind, place) for place in places[effort.seed % step :: step])
