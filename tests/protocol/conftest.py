"""The whole product in this process, for everything that its doors promise."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio


@pytest_asyncio.fixture
async def site(transactional_db: None, clock: Any) -> AsyncIterator[Any]:
    """`site.there_is(…)`, `site.passes(seconds=12)`, `site.settled()`; people are made with it: `Chatter(site)`."""
    from tests.client import Site  # models can be imported only now

    site = Site(clock)
    yield site
    await site.close()
