"""Measures the promises on the first screen: `make prove`."""
