"""A small Azure Functions host for machines without Core Tools: one Python (v2) app, one worker."""
