"""`python -m services.venue`: run the simulated brokers."""

from services.kit.server import run
from services.venue.bootstrap import build
from services.venue.settings import VenueSettings

if __name__ == "__main__":
    run(VenueSettings, build)
