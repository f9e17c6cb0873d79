"""Proves again, every hour and after a takeover, that each endpoint serves what it should.

A difference that two looks running agree on is reported, and the head's model is set again
once, by a run of its own; after a second one that run waits for a person (rule 8).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.context import Context, log
from shared.core.endpoint import Endpoint
from shared.core.head import Head, Served, head_id
from shared.core.names import digest, run_id
from shared.core.pipeline import Pipeline
from shared.core.run import Entry, Origin, Phase, Run
from shared.core.watch import Sighting, Watch, confirmed, repairable, sighting
from shared.errors import Conflict, RelearnError
from shared.ledger import Stored

EVERY: Final = timedelta(hours=1)
#: After a look that said nothing: the endpoint is busy, or being updated.
_AGAIN: Final = timedelta(minutes=5)


def watch_id(update: str, place: str) -> str:
    """Return the id of the watch over one place of an endpoint."""
    return digest("watch", head_id(update), place)


@dataclass(frozen=True, slots=True)
class Drift:
    """Looks at endpoints that are due. Safe for any number of workers at once.

    Args:
        context: the world.
        configured: returns what is configured now for a run's pipeline and customer.
    """

    context: Context
    configured: Callable[[Run], Pipeline | None]

    def check(self, until: datetime) -> list[str]:
        """Look at every endpoint that is due, and return the ids of the runs that were opened.

        Args:
            until: when no further look may be begun.
        """
        opened: list[str] = []
        now = self.context.clock.now()
        for name, due in self.context.ledger.watches():
            if due > now:
                continue
            if self.context.clock.now() >= until:
                break
            try:
                opened += self._check(name)
            except Conflict:
                continue  # another worker looks at it
            except RelearnError as exc:
                log.warning("watch %s: the endpoint cannot be looked at now: %s", name, exc)
                self._later(name)
        return opened

    def _check(self, name: str) -> list[str]:
        stored = self.context.ledger.watch(name)
        if stored is None:
            return []
        watch = stored.record
        head = self.context.ledger.head(head_id(watch.update))
        serving = head.record.resource(watch.place).serving if head else None
        if head is None or serving is None or head.record.reservation is not None:
            self._put(name, stored, _AGAIN)
            return []
        run = self.context.ledger.run(serving.run_id)
        endpoint = self._endpoint(run.record, watch) if run else None
        if run is None or endpoint is None:
            self._put(name, stored, EVERY)
            return []
        seen = sighting(serving, self.context.adapters.endpoint(endpoint).look())
        return self._act(name, stored, seen, (head.record, serving, run.record, endpoint))

    def _act(
        self,
        name: str,
        stored: Stored[Watch],
        seen: Sighting,
        known: tuple[Head, Served, Run, Endpoint],
    ) -> list[str]:
        watch = stored.record
        head, serving, run, endpoint = known
        if not seen.settled:
            self._put(name, stored, _AGAIN)
            return []
        if not seen.drift:
            self._put(name, stored, EVERY)
            return []
        said = f"endpoint {endpoint.name} of {watch.pipeline} has drifted: {seen.drift}"
        if not confirmed(watch, seen):
            log.warning("%s: looking once more", said)
            self._put(name, stored, self.context.limits.look_every_min, seen)
            return []
        log.error("%s; the model of run %s should serve", said, serving.run_id)
        repair = self._repair(head, serving, run, endpoint, seen.drift)
        self._put(name, stored, EVERY)
        return [repair]

    def _repair(self, head: Head, serving: Served, run: Run, endpoint: Endpoint, drift: str) -> str:
        now = self.context.clock.now()
        again = repairable(head.resource(endpoint.place))
        repairing = run_id(run.pipeline, "drift", head_id(endpoint.update), str(head.generation))
        cause = f"{endpoint.name} has drifted: {drift}"
        entry = Entry(at=now, phase=Phase.PROMOTING, note=cause)
        record = Run(
            run_id=repairing,
            pipeline=run.pipeline,
            origin=Origin.DRIFT,
            cause=cause,
            config=run.config.only(endpoint),
            manifest=serving.manifest,
            parameters=run.parameters,
            tokens=run.tokens,
            phase=Phase.PROMOTING,
            model=serving.model,
            opened_at=now,
            history=(entry,),
        )
        if not again:
            advice = "find out who else updates this endpoint, then retry the run, or cancel it"
            reason = f"{cause}, again after its model was set again"
            parked = {"parked_in": Phase.PROMOTING, "reason": reason, "advice": advice}
            record = record.moved(Phase.PARKED, now, reason, **parked)
        self.context.ledger.mark_open(repairing, {"phase": record.phase})
        try:
            self.context.ledger.create_run(record)
        except Conflict:
            return repairing  # another worker is as fast
        level = logging.WARNING if again else logging.ERROR
        log.log(level, "run %s: %s", repairing, record.reason or cause)
        return repairing

    def _endpoint(self, run: Run, watch: Watch) -> Endpoint | None:
        """Return the endpoint as it is configured now, else as it was when it was promoted."""
        for config in (self.configured(run), run.config):
            for endpoint in config.endpoints if config else ():
                same = head_id(endpoint.update) == head_id(watch.update)
                if same and endpoint.place == watch.place:
                    return endpoint
        return None

    def _later(self, name: str) -> None:
        try:
            if (stored := self.context.ledger.watch(name)) is not None:
                self._put(name, stored, _AGAIN)
        except RelearnError as exc:
            log.info("watch %s stays due: %s", name, exc)

    def _put(
        self, name: str, stored: Stored[Watch], wait: timedelta, seen: Sighting | None = None
    ) -> None:
        found = {
            "next_look": self.context.clock.now() + wait,
            "suspicion": seen.drift if seen else "",
            "suspect": seen.answers if seen else None,
        }
        watch = stored.record.model_copy(update=found)
        self.context.ledger.put_watch(name, watch, stored.etag)


def keep_watch(context: Context, run: Run, endpoint: Endpoint, wait: timedelta = EVERY) -> None:
    """Have the endpoint looked at `wait` from now, or sooner where that is planned already.

    Should this not be stored, nothing is lost: the next promotion or takeover stores it again.
    """
    name = watch_id(endpoint.update, endpoint.place)
    now = context.clock.now()
    try:
        stored = context.ledger.watch(name)
        planned = stored.record.next_look if stored else now
        next_look = min(planned, now + wait) if planned > now else now + wait
        watch = Watch(
            update=endpoint.update,
            place=endpoint.place,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_look=next_look,
        )
        context.ledger.put_watch(name, watch, stored.etag if stored else None)
    except RelearnError as exc:
        log.warning("endpoint %s is not being watched for now: %s", endpoint.name, exc)
