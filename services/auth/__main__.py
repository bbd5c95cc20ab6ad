"""`python -m services.auth`: run the service."""

from services.auth.bootstrap import build
from services.auth.settings import AuthSettings
from services.kit.server import run

if __name__ == "__main__":
    run(AuthSettings, build)
