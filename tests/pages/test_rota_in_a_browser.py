"""The rota in real Chromium, on a desk and on a phone: what nobody is planned for is one press from being planned."""

import pytest
from playwright.async_api import expect

from tests.people import PASSWORD


@pytest.fixture(scope="module")
def line(_prepared):
    server = _prepared.run()
    yield server
    server.discard()


@pytest.mark.parametrize("width", [320, 768, 1440])
async def test_a_coordinator_plans_what_nobody_is_planned_for(browser, line, width):
    page = await browser(width=width)
    await page.goto(f"{line.base}/admin/")
    await page.locator("[name=login]").fill("coordinator-zw")
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password]").press("Enter")
    await page.wait_for_url(f"{line.base}/admin/")
    await page.goto(f"{line.base}/admin/staffing/shift/")
    await page.locator("a[rel=next]").click()
    gaps = page.locator(".gap a")
    missing = await gaps.count()

    await gaps.first.click()
    await page.locator("[name=employee]").select_option(label="Medewerker 1 (ZW)")
    await page.locator("[name=_save]").click()

    # The demonstration is open around the clock, so one shift takes one whole day.
    await expect(gaps).to_have_count(missing - 1)
    await expect(page.locator("tr", has_text="Medewerker 1 (ZW)").get_by_text("00:00–24:00").last).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
