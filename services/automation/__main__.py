"""`python -m services.automation`: run the service."""

from services.automation.bootstrap import build
from services.automation.settings import AutomationSettings
from services.kit.server import run

if __name__ == "__main__":
    run(AutomationSettings, build)
