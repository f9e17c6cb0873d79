"""Measures how often the promises of docs/promises.md hold: `make prove`."""
