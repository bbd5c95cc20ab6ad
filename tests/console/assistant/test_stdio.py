"""`sightline mcp` as a child process, asked by the protocol's own client, over a content service that runs."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult

from tests.content.running import Platform, running_content

SIGHTLINE = Path(sys.executable).with_name("sightline")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = Platform(tmp_path_factory.mktemp("platform"))
    with running_content(made):
        yield made


@asynccontextmanager
async def assistant(platform: Platform) -> AsyncIterator[Client]:
    command = StdioServerParameters(command=str(SIGHTLINE), args=["mcp"], env=platform.environ)
    async with Client(stdio_client(command)) as client:
        yield client


def call(platform: Platform, tool: str, **arguments: Any) -> CallToolResult:  # noqa: ANN401 -- JSON
    async def ask() -> CallToolResult:
        async with assistant(platform) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(ask())


def test_assistant_when_it_starts_the_command_then_it_finds_tools_and_an_entry(platform: Platform) -> None:
    async def ask() -> tuple[set[str], CallToolResult, CallToolResult]:
        async with assistant(platform) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            found = await client.call_tool("kb_search", {"words": "wash trade"})
            shown = await client.call_tool("kb_get", {"entry_id": "alpaca-wash-trade"})
            return names, found, shown

    names, found, shown = asyncio.run(ask())
    assert {"kb_search", "incident_get", "logs", "timeline"} <= names
    assert found.structured_content is not None
    assert found.structured_content["hits"][0]["entry"]["id"] == "alpaca-wash-trade"
    assert shown.structured_content is not None
    assert shown.structured_content["code"] == "40310000"


def test_assistant_when_an_entry_is_not_there_then_the_words_of_the_service_reach_it(platform: Platform) -> None:
    result = call(platform, "kb_get", entry_id="gone")
    assert result.is_error
    assert "kb search" in json.dumps([content.model_dump(mode="json") for content in result.content])


def test_assistant_when_a_service_does_not_run_then_it_is_told_what_to_do(platform: Platform) -> None:
    result = call(platform, "logs")
    assert result.is_error
    assert "sightline status" in json.dumps([content.model_dump(mode="json") for content in result.content])
