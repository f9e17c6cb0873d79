"""Says where several pipelines update one endpoint at the same times, in no order."""

from collections.abc import Sequence
from typing import Final

from shared.importers.data_factory.drafts import Draft, Timing, Update

_ADVICE: Final = (
    "give each a schedule.delay of its own, in the order of the factory; or leave the endpoint to "
    "the one whose model is to stay"
)


def report_one_endpoint(drafts: Sequence[Draft]) -> None:
    """Report updates of an endpoint by several pipelines that begin at the same times.

    Runs of different pipelines do not wait for each other.
    """
    all_updates = [(draft, one) for draft in drafts for one in draft.updates]
    for draft, one in all_updates:
        others = (
            other
            for other, theirs in all_updates
            if other.name != draft.name and _endpoint(theirs) == _endpoint(one)
        )
        if any(_begin_together(draft.timing, other.timing) for other in others):
            text = f"{draft.name}: another pipeline that begins at the same times updates this "
            text += "endpoint too, and no order of the factory is kept between them: the model of "
            text += "the run that ends last is live"
            one.source.approximated("activity", one.name, text, _ADVICE)


def _endpoint(update: Update) -> tuple[str, str]:
    service = update.service
    return (service.update_url or service.name).casefold(), update.resource.casefold()


def _begin_together(one: Timing, other: Timing) -> bool:
    """Whether one due time, or one arrival of data, opens runs of two pipelines.

    Args:
        one: when the first begins.
        other: when the second begins.
    """
    if one.schedule is not None or other.schedule is not None:
        return one.schedule == other.schedule
    if one.data is None or other.data is None or not (one.opens_runs and other.opens_runs):
        return False
    return one.data.is_same_blob(other.data)
