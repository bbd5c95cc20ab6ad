"""Names for ids, so that one cannot be handed over for another."""

from typing import NewType

EventId = NewType("EventId", str)
"""A UUIDv7 in its 36-character form: unique, and sorted by time of making."""

CallerName = NewType("CallerName", str)
"""The name of a service or an operator that signs its calls, as in the callers' file."""
