"""Fixtures of the trading tests."""

from hypothesis import settings

# How long an example takes says more about the machine's load than about the code.
settings.register_profile("trading", deadline=None)
settings.load_profile("trading")
