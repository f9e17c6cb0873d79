"""Bugs planted in shared/core: configuration, evaluation, redaction and versions."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "a turned range of a schedule goes over the end",
        "shared/core/config/ncrontab.py",
        "            first, last = last, first\n",
        "            last = field.most\n",
        (
            "tests/unit/core/config/test_ncrontab.py",
            "tests/unit/core/config/test_ncrontab_refusals.py",
        ),
    ),
    Bug(
        "a bare signature is not known by its shape",
        "shared/core/secret_shapes.py",
        "    return HIDDEN if random else value\n",
        "    return value\n",
        (
            "tests/unit/core/test_redaction.py",
            "tests/unit/core/test_redaction_of_objects.py",
            "tests/unit/core/test_secret_shapes.py",
            "tests/unit/core/test_secret_words.py",
        ),
    ),
    Bug(
        "any blob is signed for an endpoint",
        "shared/core/config/studio_types.py",
        "    return folder in MODEL_FOLDERS and bool(rest) and not is_folded(path)\n",
        "    return bool(folder)\n",
        ("tests/unit/execution/test_baselines.py",),
    ),
    Bug(
        "a URL keeps all parts of its query",
        "shared/core/config/studio_urls.py",
        "        if form is not None and form.fullmatch(value) and names.count(known) == 1:\n",
        "        if form is None or form.fullmatch(value):\n",
        (
            "tests/unit/config/test_limits.py",
            "tests/unit/config/test_probe_files.py",
            "tests/unit/config/test_secrets_in_file.py",
        ),
    ),
    Bug(
        "a pipeline that was added later goes by the record of the first",
        "shared/core/full_listing.py",
        "        if name not in covered\n",
        "        if name not in covered and not covered\n",
        (
            "tests/unit/intake/test_full_listing.py",
            "tests/unit/intake/test_existing_blobs.py",
            "tests/unit/intake/test_full_listing_failures.py",
            "tests/unit/intake/test_full_listing_costs.py",
            "tests/unit/intake/test_full_listing_models.py",
        ),
    ),
    Bug(
        "data that arrived while an arrival opened no run is trained on later",
        "shared/core/full_listing.py",
        "        return not self.activated <= covered or not covered.isdisjoint(self.silent)\n",
        "        return not self.activated <= covered\n",
        (
            "tests/unit/intake/test_full_listing.py",
            "tests/unit/intake/test_existing_blobs.py",
            "tests/unit/intake/test_full_listing_failures.py",
            "tests/unit/intake/test_full_listing_costs.py",
            "tests/unit/intake/test_full_listing_models.py",
        ),
    ),
    Bug(
        "of one second the name decides, and not when a version was recorded",
        "shared/core/versions.py",
        "    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, blob.etag\n",
        "    return blob.modified, _NOT_YET, blob.name, blob.etag\n",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "two versions of one blob may be equal in the order",
        "shared/core/versions.py",
        "    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, blob.etag\n",
        '    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, ""\n',
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "data that is not recorded yet is older than recorded data",
        "shared/core/versions.py",
        "_NOT_YET: Final = datetime.max.replace(tzinfo=UTC)\n",
        "_NOT_YET: Final = datetime.min.replace(tzinfo=UTC)\n",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "a metadata-only update within the second of the upload is another version",
        "shared/core/versions.py",
        "    if blob.content_md5 is None:\n        return blob.etag\n    at =",
        "    if blob.etag:\n        return blob.etag\n    at =",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "what cannot be known without an MD5 is ignored unasked",
        "shared/core/blobs.py",
        "            return trust_size and self.created == other.created\n",
        "            return self.created == other.created\n",
        ("tests/unit/intake/test_without_md5.py",),
    ),
)
