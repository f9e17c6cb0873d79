"""The due times of a schedule that came and are not done yet."""

from datetime import datetime

from pydantic import AwareDatetime

from shared.core.config.windows import Window
from shared.core.frozen import FrozenModel, left_out


class PendingDueTime(FrozenModel):
    """A due time that is being dealt with, or that came before its data."""

    at: AwareDatetime
    next_check: AwareDatetime
    until: AwareDatetime
    after: str = ""  #: the last key of the last call; the next call continues after it
    opened: int = 0  #: keys that have their run, of those before `after`
    without: int = 0  #: keys without data of their own for it
    failed: int = 0  #: keys whose run could not be opened
    failing_since: AwareDatetime | None = None  #: since when a key's run cannot be opened
    start: AwareDatetime | None = left_out()  #: of its window, where its runs have one
    end: AwareDatetime | None = left_out()

    @property
    def ends(self) -> datetime:
        """When its window ends, by which its runs are named."""
        return self.end or self.at

    @property
    def window(self) -> Window | None:
        """Its window, which stays the same when the schedule changes; None: it is not kept."""
        if self.start is None or self.end is None:
            return None
        return Window(self.start, self.end, self.at)
