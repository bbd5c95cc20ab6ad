"""A paper venue for each test that asks for one."""

from tests.venue.broker.conftest import venue as venue  # noqa: PLC0414 -- a fixture, used by its name
