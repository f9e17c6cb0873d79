"""Finds what an update of version 2 waits for besides its training (data-factory §3.4)."""

from shared.importers.data_factory.version_2.factory import SETTERS, UNTIL, Activity, Factory


def conditions_of(factory: Factory, activity: Activity, training: Activity) -> list[Activity]:
    """Return the activities that decide whether an update runs after its training.

    What the training waits for itself is left out, and so is what cannot stop the update: other
    updates with its model, variables that are set, and what the factory skips. An Until that the
    training is inside of stays: the update begins only once its condition holds.

    Args:
        factory: all pipelines.
        activity: the update.
        training: the one that writes its model.
    """
    before = awaited(factory, training)
    return [
        one
        for one in awaited(factory, activity)
        if one not in before
        and (one not in training.within or one.kind == UNTIL)
        and one.kind not in SETTERS
        and not (one.is_inactive or factory.leads_to(training, one))
    ]


def awaited(factory: Factory, activity: Activity) -> list[Activity]:
    """Return all that an activity waits for, with what is inside of that.

    Args:
        factory: all pipelines.
        activity: it, or what it is inside of, waits.
    """
    found: list[Activity] = []
    todo = [activity, *activity.within]
    while todo:
        one = todo.pop(0)
        for _, name, _ in one.waits():
            other = factory.named(activity.pipeline, name)
            if other is None or other in found or other in (activity, *activity.within):
                continue
            inside = [each for each in factory.of(activity.pipeline) if other in each.within]
            found += [each for each in (other, *inside) if each not in found]
            todo += [other, *inside]
    return found
