"""`python -m services.console`: run the service."""

from services.console.bootstrap import build
from services.console.settings import ConsoleSettings
from services.kit.server import run

if __name__ == "__main__":
    run(ConsoleSettings, build)
