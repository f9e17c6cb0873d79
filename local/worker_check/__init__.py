"""Checks on CPython 3.13 that the official Functions worker runtime indexes and runs this app."""
