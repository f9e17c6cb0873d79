"""A demo on one machine: from new data to a live model."""
