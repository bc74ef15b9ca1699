"""What an operator asks a running process."""

import pytest_asyncio
from django.core.cache.backends.redis import RedisCache

from config import health
from tests.client import Chatter, Site
from tests.factories import RegionFactory


@pytest_asyncio.fixture
async def site(transactional_db, clock):
    site = Site(clock)
    yield site
    await site.close()


async def test_ready_names_its_components_to_a_direct_request_from_this_machine_only(site):
    near, far = Chatter(site, address="127.0.0.1"), Chatter(site, address="198.51.100.7")

    here = await near.gets("/health/ready")
    forwarded = await near.http.get("/health/ready", headers={"X-Forwarded-For": "127.0.0.1"})
    elsewhere = await far.gets("/health/ready")

    assert here.status_code == forwarded.status_code == elsewhere.status_code == 200
    assert set(here.json()["components"]) >= {"database", "keys", "disk"}
    assert set(forwarded.json()) == set(elsewhere.json()) == {"status"}


async def test_live_says_no_more_than_that(site):
    assert (await Chatter(site).gets("/health/live")).json() == {"status": "live"}


async def test_without_redis_ready_says_degraded_and_serves(site, monkeypatch):
    monkeypatch.setattr(health, "cache", RedisCache("redis://127.0.0.1:1", {}))
    await site.there_is(RegionFactory)

    ready = await Chatter(site, address="127.0.0.1").gets("/health/ready")

    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert ready.json()["components"]["redis"] == "degraded"
    assert ready.json()["components"]["database"] == "ok"
