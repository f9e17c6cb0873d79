"""Compares the versions of holdouts that jobs score, and finds holdouts that were trained on."""

from shared.core.config.compare import Compare
from shared.core.run.record import Run
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context


def other_holdout(earlier: Run, theirs: Compare, run: Run) -> str:
    """Return that an earlier job scored another holdout; empty: it did not, as far as is known.

    Args:
        earlier: the run of that job.
        theirs: how its model was compared.
        run: the run that is judged.
    """
    compare = run.config.gate.compare
    if compare is None or theirs.holdout != compare.holdout:
        return f"run {earlier.run_id} scored another holdout"
    then, now = earlier.holdout, run.holdout
    if then is None or now is None or now.same_bytes_as(then, trust_size=run.config.trusts_size):
        return ""
    if now.content_md5 and (now.size, now.content_md5) == (then.size, then.content_md5):
        return ""  # the same file, uploaded once more
    changed = f"the holdout {now.path} was replaced at {now.modified.isoformat(timespec='seconds')}"
    return f"{changed}: run {earlier.run_id} scored the one before"


def note_of_holdout(context: Context, run: Run) -> str:
    """Return a warning where the holdout is among the data of a run, also under another name.

    Args:
        context: the storage.
        run: the run.
    """
    compare = run.config.gate.compare
    if compare is None or compare.holdout is None:
        return ""
    given = {blob.path: blob for blob in (*run.manifest, *run.trained_on)}
    there = given.get(compare.holdout)
    if there is None:
        try:
            holdout = context.look_up_at(compare.holdout)
        except (TransientError, PermanentError) as exc:
            unknown = f"the holdout {compare.holdout} cannot be read, so it is unknown"
            return f"{unknown} whether it was trained on or replaced: {exc}"
        if holdout is None or not holdout.content_md5:
            return ""
        same = (holdout.size, holdout.content_md5)
        there = next((one for one in given.values() if (one.size, one.content_md5) == same), None)
    if there is None:
        return ""
    known_as = "" if there.path == compare.holdout else f" as {there.path}"
    where = f"the holdout {compare.holdout} is in the run's manifest{known_as}"
    return f"{where}: its model knows the rows"
