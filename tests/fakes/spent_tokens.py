"""Spent tokens in memory."""


class FakeSpentTokens:
    """Remembers every token for ever."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def spend(self, token_id: str, expires_at: float) -> bool:
        if token_id in self.spent:
            return False
        self.spent[token_id] = expires_at
        return True
