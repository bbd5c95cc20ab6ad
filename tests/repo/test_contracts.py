import pytest

from services.contracts.events import Event


@pytest.mark.parametrize("stated", ["AlertFired", "alert_fired", "alerting.AlertFired", "alerting.alert.fired", ""])
def test_event_class_when_its_type_is_misnamed_then_it_cannot_be_defined(stated: str) -> None:
    with pytest.raises(TypeError, match=r"room\.fact_in_past_tense"):
        type("Misnamed", (Event,), {"event_type": stated, "__annotations__": {}, "__module__": __name__})
