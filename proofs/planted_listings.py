"""Bugs about what appears with an old time."""

from typing import Final

from proofs.bug import Bug

_TESTS: Final = ("tests/unit/intake/test_full_listing.py",)

LISTINGS: Final = (
    Bug(
        "what an event calls old is known to the full listing",
        "shared/intake/blob_events.py",
        "        if known is not None and not known.is_old:\n",
        "        if known is not None:\n",
        _TESTS,
    ),
    Bug(
        "a version that is only known as old counts as seen",
        "shared/ledger/versions.py",
        "for one in page.items if _OLD not in one.metadata]",
        "for one in page.items if one.name]",
        _TESTS,
    ),
    Bug(
        "what arrives while existing blobs are recorded counts as existing",
        "shared/intake/full_listings.py",
        "        old = (blob for blob in blobs if blob.modified < began)\n",
        "        old = (blob for blob in blobs if began.year)\n",
        _TESTS,
    ),
    Bug(
        "an unreadable record of existing blobs counts as an empty one",
        "shared/intake/full_listings.py",
        "        blind = min(self.existing.unreadable.values(), default=None)\n",
        "        blind: int | None = None\n",
        _TESTS,
    ),
    Bug(
        "a record of existing blobs that was moved away is not missed",
        "shared/intake/full_listings.py",
        "        if existing.gone:\n",
        "        if False:\n",
        _TESTS,
    ),
    Bug(
        "a pipeline that was added later goes by the record of the first",
        "shared/core/full_listing.py",
        "        if name not in covered\n",
        "        if name not in covered and not covered\n",
        _TESTS,
    ),
    Bug(
        "the last blob of each page is not recorded",
        "shared/intake/full_listings.py",
        "        state = self._recorded(state, page.items)\n",
        "        state = self._recorded(state, page.items[:-1])\n",
        (*_TESTS, "tests/sweep/test_full_listing_sweep.py"),
    ),
    Bug(
        "a model that an event calls old is known to the full listing",
        "shared/intake/blob_events.py",
        "        if known is not None and not known.record.is_old:\n",
        "        if known is not None:\n",
        _TESTS,
    ),
    Bug(
        "what landed while landing opened no run is trained on later",
        "shared/core/full_listing.py",
        "        return not self.activated <= covered or not covered.isdisjoint(self.silent)\n",
        "        return not self.activated <= covered\n",
        _TESTS,
    ),
)
