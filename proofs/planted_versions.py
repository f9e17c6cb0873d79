"""Bugs to plant in the order of data versions, and in what tells one from another."""

from typing import Final

from proofs.bug import Bug

_TESTS: Final = ("tests/unit/core/test_versions.py",)
_BARE: Final = ("tests/unit/intake/test_without_md5.py",)

VERSIONS: Final = (
    Bug(
        "of one second the name decides, and not when a version was recorded",
        "shared/core/versions.py",
        "    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, blob.etag\n",
        "    return blob.modified, _NOT_YET, blob.name, blob.etag\n",
        _TESTS,
    ),
    Bug(
        "two versions of one blob may be equal in the order",
        "shared/core/versions.py",
        "    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, blob.etag\n",
        '    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, ""\n',
        _TESTS,
    ),
    Bug(
        "what was not recorded yet is older than what was",
        "shared/core/versions.py",
        "_NOT_YET: Final = datetime.max.replace(tzinfo=UTC)\n",
        "_NOT_YET: Final = datetime.min.replace(tzinfo=UTC)\n",
        _TESTS,
    ),
    Bug(
        "a tie goes to whoever is promoted last",
        "shared/core/serving/state.py",
        "    return version is not None and newest is not None and is_older(version, newest)\n",
        "    return version is not None and newest is None\n",
        _TESTS,
    ),
    Bug(
        "a version is recorded anew when another run takes it",
        "shared/intake/batch_claims.py",
        "        first = known.record.blob.recorded(one.blob.recorded_at)\n",
        "        first = one.blob\n",
        _TESTS,
    ),
    Bug(
        "a request is not held against what the ledger knows of its second",
        "shared/execution/endpoint_lease.py",
        "        mine, newest = recorded.of(mine), recorded.of(newest)\n",
        "        newest = recorded.of(newest)\n",
        _TESTS,
    ),
    Bug(
        "an endpoint forgets when its newest version was recorded",
        "shared/execution/endpoint_lease.py",
        "        endpoint_state = endpoint_state.with_resource(endpoint.place, data.known)\n",
        "",
        _TESTS,
    ),
    Bug(
        "the data of a burst is the last by name",
        "shared/core/run/record.py",
        "        return newest_of(self.manifest)\n",
        "        return max(self.manifest, key=lambda b: (b.modified, b.name), default=None)\n",
        _TESTS,
    ),
    Bug(
        "a metadata write within the second of the upload is another version",
        "shared/core/versions.py",
        "    if blob.content_md5 is None:\n        return blob.etag\n    at =",
        "    if blob.etag:\n        return blob.etag\n    at =",
        _TESTS,
    ),
    Bug(
        "a version is forgotten because its metadata changed within its second",
        "shared/maintenance/retention_rules.py",
        "        if are_one(present, entry.blob):\n            return True\n",
        "",
        _TESTS,
    ),
    Bug(
        "what cannot be known without an MD5 is ignored unasked",
        "shared/core/blobs.py",
        "            return trust_size and self.created == other.created\n",
        "            return self.created == other.created\n",
        _BARE,
    ),
    Bug(
        "an event judges data without an MD5 by another rule than a run that waits",
        "shared/intake/eligibility.py",
        "        trusted = pipeline.trusts_size and not manual_model\n",
        "        trusted = pipeline.trusts_size and manual_model\n",
        _BARE,
    ),
    Bug(
        "a metadata write without an MD5 takes the data from under a job",
        "shared/execution/job.py",
        "    return now.same_bytes_as(was, trust_size=run.config.trusts_size)\n",
        "    return now.same_bytes_as(was)\n",
        _BARE,
    ),
    Bug(
        "a due time takes a metadata write without an MD5 for new data",
        "shared/intake/due_times.py",
        "    if blob.content_md5 is None and not pipeline.trusts_size:\n",
        "    if blob.content_md5 is None:\n",
        _BARE,
    ),
)
