"""Generated cases are the same on every machine, however slow it is.

They are drawn from the name and code of a test, so more of them than show a mistake of today say
nothing new on the next day.
"""

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("unit")
