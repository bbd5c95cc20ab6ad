"""A language model by pydantic-ai, which knows the providers. It is loaded only where a model is set."""

import importlib
from typing import Any, Final

from services.agents.analyst.prose import Claims, ModelFailedError
from services.kit.errors import StartError

_REMEDY: Final = "Install the extra: pip install 'sightline[llm]' and the provider's own package."


class LanguageModelError(StartError):
    """The language model that was set cannot be used."""

    code = "language_model_invalid"
    title = "The language model cannot be used"


class AskedModel:
    """A `LanguageModel`.

    Args:
        model: A model of pydantic-ai.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 -- a vendor's type that is there only with the extra
        self._model = model
        self._vendor = importlib.import_module("pydantic_ai")
        self._errors = importlib.import_module("pydantic_ai.exceptions")

    async def claims(self, instructions: str, question: str) -> Claims:
        """The model's answer; it has no tools and no memory."""
        agent = self._vendor.Agent(self._model, output_type=Claims, instructions=instructions, retries=1)
        try:
            result = await agent.run(question)
        except self._errors.AgentRunError as error:
            # Without its text, which may quote what the provider was sent.
            raise ModelFailedError(type(error).__name__) from None
        claims: Claims = result.output
        return claims


def named_model(name: str, key: str | None) -> AskedModel:
    """The model of a name such as "openai:gpt-5", with the provider's key. Raises `LanguageModelError`."""
    try:
        models = importlib.import_module("pydantic_ai.models")
        providers = importlib.import_module("pydantic_ai.providers")
    except ImportError as error:
        raise LanguageModelError(f"{name}: pydantic-ai is missing. {_REMEDY}") from error

    def provider(provider_name: str) -> Any:  # noqa: ANN401 -- a vendor's type that is there only with the extra
        kind = providers.infer_provider_class(provider_name)
        return kind(api_key=key) if key else kind()

    try:
        return AskedModel(models.infer_model(name, provider_factory=provider))
    except ImportError as error:
        raise LanguageModelError(f"{name}: {error}. {_REMEDY}") from error
    except Exception as error:  # noqa: BLE001 -- each provider has errors of its own for a missing key or an unknown name
        detail = str(error).replace(key, "***") if key else str(error)
        raise LanguageModelError(f"{name} cannot be used: {detail}") from None
