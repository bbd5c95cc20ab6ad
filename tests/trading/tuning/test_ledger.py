from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.kit.database import Database
from services.trading.tuning.errors import HoldOutSpentError
from services.trading.tuning.home import FileHome
from services.trading.tuning.ledger import VERSIONS, Kind, Ledger, Opening, Outcome, Trial
from services.trading.tuning.tables import METADATA

TRIAL = Trial(
    study="one",
    number=0,
    kind=Kind.SEARCH,
    outcome=Outcome.COMPLETE,
    setting='{"fast":5}',
    score=1.25,
    sharpe=0.07,
    bars=500,
    trades=31,
    folds=(1.0, 1.5),
)


@pytest.fixture
def ledger(home: FileHome) -> Ledger:
    for name, version in (("one", 1), ("two", 1), ("three", 2)):
        home.ledger.begin(name, strategy="trend", version=version, data="A 1d", description=name)
    home.ledger.begin("elsewhere", strategy="trend", version=1, data="B 1d", description="")
    return home.ledger


def test_a_trial_is_read_as_it_was_added(ledger: Ledger) -> None:
    assert ledger.append(TRIAL)
    assert ledger.of_study("one")[0] == [TRIAL]


def test_a_number_of_a_study_is_added_once(ledger: Ledger) -> None:
    ledger.append(TRIAL)
    assert not ledger.append(replace(TRIAL, score=9.0))
    assert ledger.of_study("one")[0] == [TRIAL]


def test_what_is_new_is_read_from_a_position_on_with_the_last_that_are_known(ledger: Ledger) -> None:
    for number in range(120):
        ledger.append(replace(TRIAL, number=number))
    everything, position = ledger.of_study("one")
    assert len(everything) == 120
    again, same = ledger.of_study("one", after=position)
    assert (again, same) == (everything[-100:], position)
    later = replace(TRIAL, number=120)
    ledger.append(later)
    assert ledger.of_study("one", after=position)[0] == [*everything[-100:], later]


def test_all_studies_of_a_market_count_each_setting_of_a_version_once(ledger: Ledger) -> None:
    ledger.append(TRIAL)
    ledger.append(replace(TRIAL, study="two", score=2.0))
    ledger.append(replace(TRIAL, study="two", number=1, setting='{"fast":6}', outcome=Outcome.PRUNED))
    ledger.append(replace(TRIAL, study="three"))
    ledger.append(replace(TRIAL, study="elsewhere", setting='{"fast":7}'))
    ever = ledger.ever_tried("trend", "A 1d")
    assert list(ever) == [(1, '{"fast":5}'), (1, '{"fast":6}'), (2, '{"fast":5}')]
    assert ever[1, '{"fast":5}'].score == 2.0


def test_a_study_that_was_begun_keeps_its_first_description(ledger: Ledger) -> None:
    assert ledger.begin("one", strategy="trend", version=1, data="A 1d", description="changed") == "one"
    assert ledger.description_of("one") == "one"
    assert ledger.description_of("never") is None


def test_a_hold_out_is_opened_for_one_setting(ledger: Ledger) -> None:
    opening = ledger.open_hold_out("one", '{"fast":5}')
    assert opening == Opening("one", '{"fast":5}', datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert ledger.open_hold_out("one", '{"fast":5}') == opening
    with pytest.raises(HoldOutSpentError, match="on 2026-03-02"):
        ledger.open_hold_out("one", '{"fast":6}')


def test_openings_of_a_market_are_counted_over_its_studies(ledger: Ledger) -> None:
    for study in ("one", "two", "elsewhere"):
        ledger.open_hold_out(study, "{}")
    assert [opening.study for opening in ledger.openings("trend", "A 1d")] == ["one", "two"]
    assert ledger.opened("three") is None


def test_the_migration_makes_the_tables_that_the_code_has(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("tables") / "ledger.db"
    database = Database(f"sqlite:///{path}", service="tuning", versions=(VERSIONS,))
    database.migrate()
    ours = {table.name for table in METADATA.tables.values()}
    options = {
        "include_object": lambda _made, name, kind, *_: kind != "table" or name in ours,
        "compare_type": True,
    }
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    database.close()
    assert differences == []
