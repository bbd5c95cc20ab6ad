"""`python -m services.agents`: run the service."""

from services.agents.bootstrap import build
from services.agents.settings import AgentsSettings
from services.kit.server import run

if __name__ == "__main__":
    run(AgentsSettings, build)
