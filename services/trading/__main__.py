"""`python -m services.trading`: run the trading service."""

from services.kit.server import run
from services.trading.bootstrap import build
from services.trading.settings import TradingSettings

if __name__ == "__main__":
    run(TradingSettings, build)
