"""The admin in real Chromium: nothing that its policy forbids, nothing that does not fit (the fixture fails on violations)."""

import re

import pytest
from playwright.async_api import expect

from tests.people import PASSWORD

WITHIN = re.compile(r"^/admin/[a-z]+/[a-z]+/((add|\d+/change)/)?$")


@pytest.fixture(scope="module")
def line(_prepared):
    server = _prepared.run()
    yield server
    server.discard()


async def logged_in(browser, line, login, **options):
    page = await browser(**options)
    await page.goto(f"{line.base}/admin/")
    await page.locator("[name=login]").fill(login)
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password]").press("Enter")
    await page.wait_for_url(f"{line.base}/admin/")
    return page


async def links(page) -> list[str]:
    found = await page.eval_on_selector_all("#content a[href]", "all => all.map((a) => a.pathname)")
    return [path for path in dict.fromkeys(found) if WITHIN.match(path)]


@pytest.mark.parametrize("width", [320, 1440])
async def test_every_page_of_the_administrator_keeps_the_policy_and_fits(browser, line, width):
    page = await logged_in(browser, line, "admin", width=width)
    lists = await links(page)
    assert len(lists) >= 10

    for path in lists:
        await page.goto(line.base + path)
        await fits(page)
        if rows := [row for row in await links(page) if row != path]:
            await page.goto(line.base + rows[0])
            await fits(page)


async def fits(page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than the screen"


async def test_dates_and_times_can_be_chosen_under_the_policy(browser, line):
    page = await logged_in(browser, line, "coordinator-zw")
    await page.goto(f"{line.base}/admin/staffing/closure/add/")
    await page.get_by_label("Reden").fill("storing")

    await page.locator(".datetimeshortcuts").first.locator("a").last.click()
    await page.locator(".calendarbox td a").last.click()
    await page.locator(".datetimeshortcuts").last.locator("a").last.click()
    await page.locator(".clockbox a").filter(has_text=re.compile("18|6")).first.click()
    await page.get_by_role("button", name="Opslaan", exact=True).click()

    await expect(page.locator("#result_list")).to_contain_text("storing")


async def test_who_looked_at_what_is_one_press_from_the_first_page(browser, line):
    page = await logged_in(browser, line, "coordinator-zw")

    await page.get_by_role("link", name="Inzage", exact=True).click()

    await expect(page.locator("#result_list")).to_contain_text("coordinator-zw")


async def test_the_admin_works_without_scripts(browser, line):
    page = await logged_in(browser, line, "coordinator-zw", java_script_enabled=False)
    await page.goto(f"{line.base}/admin/registration/registration/")

    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("registraties", re.I))
