"""Every signal that is watched: plain data. What each cause does to them stands in `causes.yml`."""

from typing import Final

from services.agents.signals.of_platform import PLATFORM
from services.agents.signals.of_trading import TRADING
from services.agents.signals.sources import Signal, Told
from services.contracts.anomalies import Detector, Stage

SIGNALS: Final = (*PLATFORM, *TRADING)

TEMPLATES: Final = Signal(
    name="log_templates",
    title="a kind of log line",
    stage=Stage.SERVICES,
    unit="lines in five minutes",
    source=Told(),
    detectors=(Detector.TEMPLATES,),
)
