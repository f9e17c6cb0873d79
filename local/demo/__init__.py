"""The main job, start to end, on one machine."""
