"""Fixtures of the engine's tests."""

from tests.trading.desk.conftest import database as database  # noqa: PLC0414 -- a fixture, used by its name
