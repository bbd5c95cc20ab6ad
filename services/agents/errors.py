"""What can go wrong in the agents service, beside what can go wrong everywhere."""

from services.kit.errors import UnavailableError


class TelemetryAwayError(UnavailableError):
    """Nothing can be read back, so nothing can be watched or explained."""

    code = "telemetry_away"
    title = "Telemetry cannot be read"
