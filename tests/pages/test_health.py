"""What an operator asks a running process."""

import re
from datetime import timedelta

import pytest
import pytest_asyncio
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from django.db import OperationalError

from chat import hints
from config import health, promises
from config.watch import Watcher
from registration.models import Delivery
from staffing import clock as the_clock
from staffing.models import Alarm, Found, Watch
from staffing.rules import AlarmKind
from tests.client import Chatter, Site
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory
from tests.registering import closed, code_lists, draft


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


# ---------------------------------------------------------------- what is wrong around it


async def components(site) -> dict[str, str]:
    answer = await Chatter(site, address="127.0.0.1").gets("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == ("ready" if set(answer.json()["components"].values()) == {"ok"} else "degraded")
    return answer.json()["components"]


def wrong(found: dict[str, str]) -> set[str]:
    return {name for name, state in found.items() if state != "ok"}


def watched_once(at) -> None:
    watcher = Watcher()
    watcher.look_after(at)
    watcher.check(at)


async def test_ready_names_every_component(site):
    await site.there_is(RegionFactory)

    assert set(await components(site)) == {
        *("database", "keys", "disk", "draining"),
        *("reference_data", "clavis", "redis", "watch", "promises", "alarms", "clock"),
    }
    assert wrong(await components(site)) == set()


async def test_a_watch_that_is_silent_for_ninety_seconds_is_named(site, clock):
    """Of a process that is older than that itself: a new one does not know yet."""
    await site.there_is(RegionFactory)
    hints.open_switchboard()
    await site.there_is(watched_once, clock.now())

    clock.forward(seconds=90)
    assert wrong(await components(site)) == set()
    clock.forward(seconds=1)
    assert wrong(await components(site)) == {"watch"}

    hints.here.close()
    hints.here = None
    hints.open_switchboard()
    assert wrong(await components(site)) == set(), "it has just begun"
    clock.forward(seconds=91)
    assert wrong(await components(site)) == {"watch"}


async def test_a_broken_promise_is_named_and_so_is_a_check_that_does_not_come(site, clock):
    await site.there_is(RegionFactory)
    await site.there_is(watched_once, clock.now())
    await site.there_is(Watch.objects.update, broken=[{"promise": "P2", "count": 1}])
    assert wrong(await components(site)) == {"promises"}

    await site.there_is(Watch.objects.update, broken=[])
    hints.open_switchboard()
    assert wrong(await components(site)) == set()
    clock.at(clock.now() + 3 * settings.SELFCHECK_EVERY + timedelta(seconds=1))
    assert wrong(await components(site)) == {"promises", "watch"}


async def test_an_alarm_that_nobody_outside_could_be_told_of_is_named(site, clock):
    region = await site.there_is(RegionFactory)
    await site.there_is(Alarm.objects.stand, Found(AlarmKind.NOBODY_ON_DUTY, region.pk), at=clock.now())
    assert wrong(await components(site)) == set()

    clock.forward(minutes=5)

    assert wrong(await components(site)) == {"alarms"}


@pytest.mark.parametrize("seconds", [-3, 3])
async def test_a_clock_that_differs_by_more_than_two_seconds_is_named(site, monkeypatch, seconds):
    await site.there_is(RegionFactory)
    monkeypatch.setattr(promises, "clock_ahead", lambda: timedelta(seconds=seconds))

    assert wrong(await components(site)) == {"clock"}


async def test_the_clock_of_who_watches_is_named_by_everybody(site, clock):
    """`manage.py watch` is asked by nobody."""
    await site.there_is(RegionFactory)
    await site.there_is(watched_once, clock.now())
    assert wrong(await components(site)) == set()

    await site.there_is(Watch.objects.update, ahead=timedelta(seconds=5))

    assert wrong(await components(site)) == {"clock"}


@pytest.mark.postgresql_only
async def test_a_process_whose_clock_is_five_seconds_ahead_says_so(site, monkeypatch):
    class Fast(the_clock.Clock):
        def now(self):
            return super().now() + timedelta(seconds=5)

    await site.there_is(RegionFactory)
    monkeypatch.setattr(the_clock, "current", Fast())

    assert wrong(await components(site)) == {"clock"}


async def test_a_database_that_goes_away_while_it_is_asked_is_no_error_of_ours(site, monkeypatch):
    def away(at):
        raise OperationalError("gone")

    monkeypatch.setattr(health, "around", away)

    answer = await Chatter(site, address="127.0.0.1").gets("/health/ready")

    assert (answer.status_code, answer.json()["components"]["database"]) == (503, "failed")


# ---------------------------------------------------------------- gauges (P18)


async def gauges(site) -> dict[str, float]:
    text = (await Chatter(site, address="127.0.0.1").gets("/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^geruisloos_(\S+) (\S+)$", text, re.MULTILINE)}


OF_THE_LINE = {
    *("waiting_oldest_seconds", "waiting_offered_to_nobody", "active_without_heard_holder", "outbox_oldest_seconds", "outbox_stuck"),
    *("unregistered_oldest_seconds", "alarms_standing", "alarms_untold_oldest_seconds"),
    *(f'promise_broken{{promise="{promise}"}}' for promise in promises.PROMISES),
}


async def test_every_gauge_of_a_promise_is_zero_when_it_is_kept(site):
    found = await gauges(site)

    assert {name: found[name] for name in OF_THE_LINE} == dict.fromkeys(OF_THE_LINE, 0.0)
    assert found["database_answers"] == 1.0


async def test_the_gauges_say_what_waits_and_for_how_long(site, clock, tmp_path, settings):
    settings.CLAVIS_DIR = tmp_path

    def make():
        code_lists()
        ConversationFactory(region=None)
        region = RegionFactory(open=True)
        ConversationFactory(region=region, held=EmployeeFactory(region=region, on_duty=True))
        draft(region=region)
        closed(region=region)
        Delivery.objects.update(state=Delivery.State.DUE)
        Watcher().look_after(clock.now())
        Alarm.objects.stand(Found(AlarmKind.NOBODY_ON_DUTY, region.pk), at=clock.now())
        Watch.objects.update(broken=[{"promise": "P2", "count": 4}])

    await site.there_is(make)
    clock.forward(minutes=1)

    found = await gauges(site)

    assert {name: found[name] for name in OF_THE_LINE if found[name]} == {
        "waiting_oldest_seconds": 60,
        "waiting_offered_to_nobody": 1,
        "active_without_heard_holder": 1,
        "outbox_oldest_seconds": 60,
        "unregistered_oldest_seconds": 60,
        "alarms_standing": 1,
        "alarms_untold_oldest_seconds": 60,
        'promise_broken{promise="P2"}': 4,
    }
    assert found["watch_age_seconds"] == 60


async def test_without_a_database_the_gauges_of_the_process_are_told(site, monkeypatch):
    def away(*args):
        raise OperationalError("gone")

    monkeypatch.setattr(health.queue, "look", away)

    found = await gauges(site)

    assert found["database_answers"] == 0.0
    assert "lines" in found
