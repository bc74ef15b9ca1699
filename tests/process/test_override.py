"""Process 1.2, step Handover, against its rule: a coordinator ends a duty, and each reads what happens."""

from playwright.async_api import expect

from tests.people import PASSWORD

FIRST = "Medewerker 1 (ZW)"
REASON = "Brandalarm, iedereen moet naar buiten"


async def test_a_coordinator_ends_a_duty_and_who_was_helped_reads_that_a_colleague_comes(people, browser, line):
    chatter, first, second = await people.chatter(), await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await chatter.starts("Noor")
    await first.accepts("Noor")
    await chatter.sends("Dit vertel ik maar een keer")

    page = await browser(width=320)
    await page.goto(f"{line.base}/staff/login/?next=/admin/staffing/duty/")
    await page.locator("[name=login]").fill("coordinator-zw")
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password]").press("Enter")
    await page.locator("#result_list").get_by_role("link", name=FIRST).first.click()
    await page.locator("a[href$='/override/']").click()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.locator("[name=reason]").fill(REASON)
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator(".override form button").click()
    await page.wait_for_url("**/change/")

    await expect(page.locator(".field-reason")).to_contain_text(REASON)
    await chatter.reads(
        "Dit vertel ik maar een keer", f"De verbinding met {FIRST} is weg. Er komt zo een collega. Alles wat je schreef is bewaard."
    )
    await expect(first.button("Start dienst")).to_be_visible()
    await second.accepts("Noor")
    await second.reads("Dit vertel ik maar een keer")
    await expect(second.page.get_by_text(REASON).first).to_be_visible()

    await page.goto(f"{line.base}/admin/staffing/duty/day/")
    await expect(page.locator("svg[role=img]")).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text=FIRST)).to_contain_text(REASON)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
