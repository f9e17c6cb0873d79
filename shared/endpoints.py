"""What serves at an endpoint, and a person's hand on it: roll back, and resume.

A rollback holds the endpoint at once, so that no run promotes over it, and is carried out by
a run of its own, with the proof that every update has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.context import Context
from shared.core.blobs import BlobVersion
from shared.core.endpoint import Endpoint
from shared.core.head import Head, Held, Resource, head_id, held
from shared.core.names import run_id
from shared.core.pipeline import Pipeline
from shared.core.run import Entry, Origin, Phase, Run
from shared.driver import Driver
from shared.errors import PermanentError
from shared.intake import Intake
from shared.ledger import Stored

BASELINE: Final = "baseline"


class NoSuchEndpoint(PermanentError):  # noqa: N818 -- it names what was met
    """There is no such endpoint, or not for this key."""


class NoSuchModel(PermanentError):  # noqa: N818 -- it names what was met
    """There is no such model to go back to."""


@dataclass(frozen=True, slots=True)
class Command:
    """Who wants what, and why; kept with the endpoint."""

    by: str
    reason: str = ""


class Endpoints:
    """The endpoints of the configured pipelines."""

    def __init__(self, context: Context, intake: Intake) -> None:
        self._context = context
        self._intake = intake
        self._driver: Driver = intake.driver

    def show(self, pipeline: str, endpoint: str, key: Sequence[str]) -> dict[str, Any]:
        """Return what is known of an endpoint: what serves, what served before, who may change it.

        Raises:
            NoSuchEndpoint: no such pipeline, endpoint or key.
        """
        _, config, found = self._find(pipeline, endpoint, key)
        stored = self._context.ledger.head(head_id(found.update))
        head = stored.record if stored else Head(update=found.update)
        known = head.resource(found.place)
        shown: dict[str, Any] = {
            "pipeline": config.name,
            "endpoint": found.name,
            "key": list(key),
            "kind": found.kind,
            "update": found.update,
            "resource": found.resource,
            "generation": head.generation,
            **known.model_dump(mode="json", exclude_none=True),
        }
        if head.reservation is not None:
            shown["being_updated_by"] = head.reservation.run_id
        return shown

    def rollback(
        self,
        pipeline: str,
        endpoint: str,
        key: Sequence[str],
        to: str | None,
        command: Command,
    ) -> Run:
        """Go back to the model of run `to`, or to the one from before, and hold the endpoint.

        Safe to repeat: while the endpoint is held for the same wish, its run is returned.

        Raises:
            NoSuchEndpoint, NoSuchModel: there is nothing to go back to.
            Conflict: the endpoint changed this moment; look and decide again.
        """
        tokens, config, found = self._find(pipeline, endpoint, key)
        stored = self._context.ledger.head(head_id(found.update))
        if stored is None:
            raise NoSuchModel(f"nothing was ever promoted at {endpoint}: there is no way back")
        known = stored.record.resource(found.place)
        hold = known.held
        if hold is None or (to is not None and to != hold.to):
            hold = self._hold(stored, config.only(found), _target(known, to), command)
        elif self._failed(hold):
            hold = self._hold(stored, config.only(found), (hold.to, hold.model), command)
        run = self._run_of(hold, known, config.only(found), tokens)
        if (open_already := self._driver.advance(hold.run_id)) is not None:
            return open_already
        self._context.ledger.mark_open(hold.run_id, {"phase": run.phase})
        return self._driver.begin(run, fresh=True)

    def resume(self, pipeline: str, endpoint: str, key: Sequence[str]) -> bool:
        """Let new models be promoted again; tell whether the endpoint was held.

        Raises:
            NoSuchEndpoint: no such pipeline, endpoint or key.
            Conflict: the endpoint changed this moment; look and decide again.
        """
        _, _, found = self._find(pipeline, endpoint, key)
        stored = self._context.ledger.head(head_id(found.update))
        if stored is None or stored.record.resource(found.place).held is None:
            return False
        free = held(stored.record, found.place, None)
        self._context.ledger.put_head(head_id(found.update), free, stored.etag)
        return True

    def _find(
        self, pipeline: str, endpoint: str, key: Sequence[str]
    ) -> tuple[dict[str, str], Pipeline, Endpoint]:
        config = self._intake.pipeline(pipeline)
        if config is None:
            raise NoSuchEndpoint(f"{pipeline!r} is not in the pipelines file")
        if len(key) != len(config.key_tokens):
            wanted = "/".join(f"{{{token}}}" for token in config.key_tokens) or "none"
            raise NoSuchEndpoint(f"the key of {pipeline} is {wanted}; {len(key)} values were given")
        tokens = dict(zip(config.key_tokens, key, strict=True))
        try:
            chosen = config.chosen_by(tokens)
        except ValueError as exc:
            raise NoSuchEndpoint(f"{pipeline} has no such endpoint: {exc}") from None
        found = next((one for one in chosen.endpoints if one.name == endpoint), None)
        if found is None:
            names = ", ".join(one.name for one in chosen.endpoints) or "none"
            raise NoSuchEndpoint(f"{pipeline} has no endpoint {endpoint!r}; it has {names}")
        return tokens, chosen, found

    def _failed(self, hold: Held) -> bool:
        run = self._context.ledger.run(hold.run_id)
        ended = run is not None and run.record.phase.ended
        return ended and run is not None and run.record.phase is not Phase.PROMOTED

    def _hold(
        self,
        stored: Stored[Head],
        config: Pipeline,
        target: tuple[str, BlobVersion | None],
        command: Command,
    ) -> Held:
        endpoint, pipeline = config.endpoints[0], config.name
        known = stored.record.resource(endpoint.place)
        to, model = target
        since = known.held.run_id if known.held else ""
        generation = str(stored.record.generation)
        place = (head_id(endpoint.update), endpoint.place)
        hold = Held(
            run_id=run_id(pipeline, "rollback", *place, to, generation, since),
            to=to,
            model=model,
            by=command.by,
            at=self._context.clock.now(),
            reason=command.reason,
        )
        head = held(stored.record, endpoint.place, hold)
        self._context.ledger.put_head(head_id(endpoint.update), head, stored.etag)
        return hold

    def _run_of(self, hold: Held, known: Resource, config: Pipeline, tokens: dict[str, str]) -> Run:
        served = next((one for one in known.kept if one.run_id == hold.to), None)
        cause = f"{hold.by} goes back to {hold.to}" + (f": {hold.reason}" if hold.reason else "")
        entry = Entry(at=hold.at, phase=Phase.PROMOTING, note=cause)
        return Run(
            run_id=hold.run_id,
            pipeline=config.name,
            origin=Origin.ROLLBACK,
            cause=cause,
            config=config,
            manifest=served.manifest if served else (),
            parameters={},
            tokens=tokens,
            phase=Phase.PROMOTING,
            model=hold.model,
            opened_at=hold.at,
            history=(entry,),
        )


def _target(known: Resource, to: str | None) -> tuple[str, BlobVersion | None]:
    """Return what to go back to: by name, else what served before the present model."""
    ways = [(served.run_id, served.model) for served in known.previous]
    if known.baseline is not None:
        ways.append((BASELINE, known.baseline.model))
    if to is None and ways:
        return ways[0]
    everything = [(one.run_id, one.model) for one in known.kept] + ways
    for name, model in everything:
        if name == to:
            return name, model
    names = ", ".join(dict.fromkeys(name for name, _ in ways)) or "nothing"
    wanted = f"the model of {to}" if to else "an earlier model"
    raise NoSuchModel(f"{wanted} is not kept; there is {names}")
