"""A service that repeats every secret, in every spelling, in each part of an answer."""

from collections.abc import Iterator

from proofs.hostile.findings import NO_SECRETS, Findings
from proofs.outcomes import Effort
from shared.core.counting import counted
from tests.fakes.echoes import EchoSite
from tests.functions.echo_lives import KINDS, life, sites_of

#: Of about 1,900 sites in all, for each hundred of the effort.
_EACH = 20


def echoes(effort: Effort, findings: Findings) -> None:
    """Run a world with such a service for each site, and search everything for secrets."""
    for kind, site in _sites(effort):
        with findings.trial(NO_SECRETS, f"hostile echo in world {kind}: {site}"):
            seen = life(kind, site)
            if leaked := seen.leaks():
                findings.broken(
                    NO_SECRETS, f"{len(leaked)} of {counted(len(seen.http.secrets), 'secret')}"
                )
            if seen.unexpected:
                findings.broken(NO_SECRETS, seen.unexpected[0][-200:])


def _sites(effort: Effort) -> Iterator[tuple[str, EchoSite]]:
    for kind in KINDS:
        sites = sites_of(life(kind, None))
        wanted = max(1, min(len(sites), effort.size * _EACH // 100))
        step = max(1, len(sites) // wanted)
        yield from ((kind, site) for site in sites[effort.seed % step :: step])
