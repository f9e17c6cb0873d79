"""Handles the messages of the queue of storage events: each names a blob that may have changed.

What follows is the same as for a blob trigger's event. A message may come any number of times, in
any order, and be about anything: it decides nothing by itself.
"""

from shared.core.event_grid import ChangedBlob, GridEvent, changed_blob, events_in
from shared.core.service import service
from shared.errors import PermanentError
from shared.execution.context import Context
from shared.intake.blob_events import BlobEvents, ModelEvents
from shared.ports.storage import Blobs
from shared.telemetry import log, redacted

FUNCTION = "on_storage_events"


@service
class StorageEvents:
    """Receives the messages of the queue."""

    context: Context
    data: BlobEvents
    models: ModelEvents

    def received(self, message: bytes) -> None:
        """Have the blobs of a message checked, as after the event of a blob trigger.

        An event of another account or container, or of another type, is logged and passed over.

        Args:
            message: as the host gives it.

        Raises:
            PermanentError: it is not an event. The host tries it a few times, then moves it to the
                poison queue, where the poll sees it.
            TransientError, OutcomeUnknownError: storage does not work now; deliver the message
                again.
        """
        try:
            for event in events_in(message):
                self._received(event)
        except PermanentError as exc:
            log.error("%s: %s", FUNCTION, exc)
            raise

    def _received(self, event: GridEvent) -> None:
        blob = changed_blob(event)
        if isinstance(blob, str):
            self._pass_over(event, blob)
        elif self._is(blob, self.context.data, self.context.data_container):
            for name in blob.names:
                self.data.blob_arrived(name, FUNCTION)
        elif self._is(blob, self.context.models, self.context.models_container):
            for name in blob.names:
                self.models.model_arrived(name)
        else:
            where = f"{blob.account or 'an account that is not named'}/{blob.container}"
            self._pass_over(event, f"{where} holds neither the data nor the models of this app")

    @staticmethod
    def _is(blob: ChangedBlob, account: Blobs, container: str) -> bool:
        """Whether a blob is said to be in this container.

        The name of an account is only known where it is a part of its address.
        """
        named = ".blob." in account.account_url
        here = not named or blob.account in (None, account.account.lower())
        return here and blob.container == container

    @staticmethod
    def _pass_over(event: GridEvent, why: str) -> None:
        # Redacted before they are cut: a part of a secret would not be known.
        subject, why = redacted(event.subject)[:1000], redacted(why)[:300]
        log.info("%s: an event of %s is passed over: %s", FUNCTION, subject, why)
