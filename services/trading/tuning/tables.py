"""What the ledger of trials stores. Times are whole microseconds since the epoch.

Rows are added and never changed, but for how many trials a study wants.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

_COUNTER: Final = BigInteger().with_variant(Integer, "sqlite")

STUDIES = Table(
    "tuning_studies",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("strategy", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("data", String(400), nullable=False),
    Column("description", Text, nullable=False),  # JSON of what the study was made of
    Column("began_at_us", BigInteger, nullable=False),
    Index("tuning_studies_by_data", "strategy", "data"),
)

TRIALS = Table(
    "tuning_trials",
    METADATA,
    Column("position", _COUNTER, primary_key=True, autoincrement=True),
    Column("study", String(80), ForeignKey("tuning_studies.name"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("setting", Text, nullable=False),  # JSON
    Column("score", Float, nullable=False),
    Column("sharpe", Float, nullable=False),
    Column("bars", Integer, nullable=False),
    Column("trades", Integer, nullable=False),
    Column("folds", Text, nullable=False),  # JSON list of the folds' scores
    Column("recorded_at_us", BigInteger, nullable=False),
    UniqueConstraint("study", "number", name="tuning_trials_once"),
)

HOLD_OUTS = Table(
    "tuning_hold_outs",
    METADATA,
    Column("study", String(80), ForeignKey("tuning_studies.name"), primary_key=True),
    Column("setting", Text, nullable=False),  # JSON
    Column("opened_at_us", BigInteger, nullable=False),
)

RUNS = Table(
    "tuning_runs",
    METADATA,
    Column("study", String(80), ForeignKey("tuning_studies.name"), primary_key=True),
    Column("wanted", Integer, nullable=False),  # trials of the search, as the latest run was told
    Column("began_at_us", BigInteger, nullable=False),  # the latest run
)

VERDICTS = Table(
    "tuning_verdicts",
    METADATA,
    Column("study", String(80), ForeignKey("tuning_studies.name"), primary_key=True),
    Column("judged_at_us", BigInteger, primary_key=True),
    Column("trials", Integer, nullable=False),
    Column("recommended", Boolean, nullable=False),
    Column("failed", Text, nullable=False),  # JSON list of the tests that were not passed
    Column("deflated_sharpe", Float),
)
