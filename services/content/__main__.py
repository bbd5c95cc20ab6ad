"""`python -m services.content`: run the service."""

from services.content.bootstrap import build
from services.content.settings import ContentSettings
from services.kit.server import run

if __name__ == "__main__":
    run(ContentSettings, build)
