"""The tests' own tools: a clock that would wake too early, or a browser that would hear nothing, proves nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from staffing import clock as product_clock

PAGE = "http://127.0.0.1:9/"


def test_the_clock_stands_in_amsterdam_until_it_is_moved(clock):
    clock.at("2026-07-01 09:00")
    clock.forward(minutes=5, seconds=1)

    assert product_clock.now() == datetime(2026, 7, 1, 7, 5, 1, tzinfo=UTC)


async def test_moving_the_clock_wakes_those_who_wait_in_the_order_of_their_moments(clock):
    woken = []

    async def wait(minutes: int) -> None:
        await product_clock.sleep_until(clock.now() + timedelta(minutes=minutes))
        woken.append(minutes)

    sleepers = [asyncio.create_task(wait(minutes)) for minutes in (3, 1, 2, 9, 0)]
    await sleepers[-1]
    assert woken == [0]

    clock.forward(minutes=5)
    await asyncio.gather(*sleepers[:3])
    assert woken == [0, 1, 2, 3]
    assert len(clock.waiting) == 1

    sleepers[3].cancel()
    await asyncio.gather(sleepers[3], return_exceptions=True)
    clock.forward(minutes=5)
    assert woken == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("body", "policy", "heard"),
    [
        ("<script>throw new Error('boom')</script>", "", "script: boom"),
        ("<script>window.ran = 1</script>", "script-src 'none'", "Content Security Policy"),
        ("<img src='https://example.org/x.png'>", "", "asked elsewhere: https://example.org/x.png"),
    ],
)
async def test_the_browser_hears_what_a_page_must_not_do(browser, body, policy, heard):
    page = await browser()
    headers = {"Content-Type": "text/html"} | ({"Content-Security-Policy": policy} if policy else {})
    await page.route(PAGE, lambda route: route.fulfill(body=f"<!doctype html><title>.</title>{body}", headers=headers))

    await page.goto(PAGE)
    errors, page.watch.errors = page.watch.errors, []

    assert any(heard in error for error in errors)


async def test_the_browser_keeps_a_page_for_the_way_back(browser):
    """A test of Back proves nothing while the back/forward cache is off."""
    page = await browser()
    await page.route(f"{PAGE}**", lambda route: route.fulfill(body="<!doctype html><title>.</title>", content_type="text/html"))
    await page.goto(PAGE)
    await page.evaluate("addEventListener('pageshow', (event) => { window.kept = event.persisted; })")

    await page.goto(f"{PAGE}next")
    await page.go_back(wait_until="commit")  # no `load` comes from a page that was kept

    await page.wait_for_function("window.kept === true")
