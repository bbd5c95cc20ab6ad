"""`python -m examples.hello_service` runs the example."""

from examples.hello_service.bootstrap import HelloSettings, build
from services.kit.server import run

if __name__ == "__main__":
    run(HelloSettings, build)
