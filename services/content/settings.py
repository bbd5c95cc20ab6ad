"""Settings of the content service."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.kit.service_settings import ServiceSettings

_CHECKOUT = Path(__file__).resolve().parents[2]


class ContentSettings(ServiceSettings):
    """What the content service reads, beside what every service does."""

    service_name: ClassVar[str] = "content"
    default_port: ClassVar[int] = 8750

    docs_dir: Path | None = Field(
        default=None,
        description="The platform's documents, whose `knowledge` and `runbooks` are known. Default: the checkout's.",
    )
    knowledge_dir: Path | None = Field(
        default=None,
        description="The operator's own knowledge entries. Default: `knowledge` in the data directory.",
    )
    knowledge_stale_days: int = Field(
        default=90, ge=1, le=3_650, description="After how many days unverified an entry counts as stale."
    )

    knowledge_venues: dict[str, str] = Field(
        default={"alpha": "alpaca", "beta": "alpaca"},
        description="Whose protocol a venue speaks, by its name, as JSON; a name such as alpaca-paper tells by itself.",
    )

    @property
    def docs_path(self) -> Path:
        """Where the platform's documentation lies."""
        return self.docs_dir or _CHECKOUT / "docs"

    @property
    def own_knowledge_path(self) -> Path:
        """Where the operator's own entries lie."""
        return self.knowledge_dir or self.data_dir / "knowledge"
