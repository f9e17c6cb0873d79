"""Worlds whose services answer some calls with errors."""

from datetime import timedelta

from tests.unit.worlds import refused

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BAD = refused(400, "InvalidInputNames", "Invalid service input name(s).")
BUSY = refused(503, "ServiceUnavailable", "Request was throttled.")
CRASHED = refused(500, "InternalError", "Something went wrong.")


#: Where in a run a call is made: method, end of the path.
CREATE, START, PATCH = ("POST", "/jobs"), ("POST", "/start"), ("PATCH", "/production")
