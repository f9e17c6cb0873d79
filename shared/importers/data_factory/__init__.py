"""Definitions of Azure Data Factory become a pipelines file and a report.

The way of a definition, from its file to its lines:

1. `reading` finds it: `tolerant_json` parses the file, `arm` puts values in place of expressions of
   templates, `shapes` says what each object is, `finder` keeps one of each name in `definitions`.
2. `linked_services` reads the services, `service_urls` their URLs; `secrets` names app settings.
3. `version_1` and `version_2` read activities with what they refer to. Each has a `factory` (the
   activities), `jobs`, `updates`, `policies`, and what is due when: `availability` of datasets in
   version 1, `triggers` in version 2. `activities` makes the drafts, one for each job.
   `expressions` turns `$$…`, `@…` and `partitionedBy` into texts with `{start:…}` and `{end:…}`.
4. `entries` makes pipelines of the drafts, `yaml_text` writes them, `report` says the rest.

At the bottom: an `Element` of `account` is a value with its place. Each reader takes or reports the
elements that it reads, and `Account.close` reports the others. Both versions are read into the
values of `drafts`; `policies` and `other_activities` report what both have. No part
imports a later one of the list in `tests/unit/test_layering.py`; `importer` joins them.
"""
