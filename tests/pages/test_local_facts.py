"""What helps in a region: kept in the admin by its coordinator, read beside a conversation by whoever helps that region."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client

from staffing.models import LocalFact, Look, Municipality, Region, Role
from staffing.models.regions import web_page
from tests.factories import EmployeeFactory, MunicipalityFactory, RegionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
FACTS = "/admin/staffing/localfact/"
TODAY = date(2026, 11, 24)  # by the standing clock


@pytest.fixture
def region():
    return RegionFactory(code="hier", name="Regio Hier", phone="0800-2000", website="hier.example", open=True)


@pytest.fixture
def logged_in(region):
    def log_in(role: Role, of: Region | None = None) -> Client:
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else of or region))
        return client

    return log_in


def fact(region: Region, name: str, **fields) -> LocalFact:
    return LocalFact.objects.create(region=region, name=name, **{"checked_on": TODAY} | fields)


def text(response) -> str:
    return response.content.decode()


def order(page: str, *names: str) -> list[str]:
    return sorted(names, key=page.index)


# ---------------------------------------------------------------- beside the conversation


@pytest.mark.parametrize("role", [Role.FRONT_OFFICE, Role.COORDINATOR])
def test_who_helps_another_region_reads_its_numbers_and_places(logged_in, region, role):
    MunicipalityFactory(region=region, name="Dorp")
    fact(region, "Crisisdienst", phone="000-1111111", text="Dag en nacht", link="https://crisis.example/hulp")

    answer = logged_in(role, of=RegionFactory(open=True)).get("/staff/region/hier/")

    page = text(answer)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for said in ("Regio Hier", "0800-2000", "Dorp", "Crisisdienst", "000-1111111", "Dag en nacht", "checked on 24 November 2026"):
        assert said in page
    assert 'href="https://hier.example"' in page
    assert 'href="https://crisis.example/hulp" target="_blank" rel="noopener noreferrer"' in page
    assert "<html" not in page
    assert not Look.objects.exists()


def test_what_is_for_one_municipality_stands_under_its_name_and_first_when_the_chatter_is_from_there(logged_in, region):
    for name in ("Aadorp", "Beestad"):
        fact(region, f"Wijkteam {name}", municipality=MunicipalityFactory(region=region, name=name, place_names=[name, f"{name}-Oost"]))
    fact(region, "Voor allen")
    client = logged_in(Role.FRONT_OFFICE)
    all_names = ("Voor allen", "Wijkteam Aadorp", "Wijkteam Beestad")

    plain, from_there = (text(client.get(f"/staff/region/hier/{query}")) for query in ("", "?municipality=beestad-oost"))

    assert order(plain, *all_names) == list(all_names)
    assert order(from_there, *all_names) == ["Wijkteam Beestad", "Voor allen", "Wijkteam Aadorp"]
    assert "<strong>Beestad</strong>" in from_there


@pytest.mark.parametrize("named", ["", "Nergens", "%00", "x" * 3000, "Elders"])
def test_a_municipality_that_is_not_of_this_region_changes_nothing(logged_in, region, named):
    MunicipalityFactory(name="Elders")
    fact(region, "Voor allen")

    answer = logged_in(Role.FRONT_OFFICE).get(f"/staff/region/hier/?municipality={named}")

    assert answer.status_code == 200
    assert "<strong>" not in text(answer)


def test_only_municipalities_of_today_are_named(logged_in, region):
    for name, fields in {"Nu": {}, "Vroeger": {"valid_until": date(2025, 12, 31)}, "Straks": {"valid_from": date(2027, 1, 1)}}.items():
        place = MunicipalityFactory(region=region, name=name)
        Municipality.objects.filter(pk=place.pk).update(**fields)
        fact(region, f"Wijkteam {name}", municipality=place)

    page = text(logged_in(Role.FRONT_OFFICE).get("/staff/region/hier/"))

    assert [name for name in ("Nu", "Vroeger", "Straks") if f"Wijkteam {name}" in page] == ["Nu"]
    assert "1 municipality" in page


@pytest.mark.parametrize(("days", "marked"), [(0, False), (365, False), (366, True)])
def test_a_number_that_nobody_has_checked_for_a_year_is_marked(logged_in, region, days, marked):
    fact(region, "Crisisdienst", checked_on=TODAY - timedelta(days=days))

    page = text(logged_in(Role.FRONT_OFFICE).get("/staff/region/hier/"))

    assert ("▲ Last checked on" in page) is marked


def test_a_region_without_facts_says_so(logged_in, region):
    assert "No local numbers are kept for this region." in text(logged_in(Role.FRONT_OFFICE).get("/staff/region/hier/"))


def test_what_was_written_is_shown_as_text_and_only_web_pages_are_links(logged_in, region):
    region.website = "javascript://hier.example/%0aalert(1)"
    region.save()
    fact(region, "<b>Dienst</b>", link="javascript:alert(1)", text="<script>alert(1)</script>")

    page = text(logged_in(Role.FRONT_OFFICE).get("/staff/region/hier/"))

    assert "<script" not in page
    assert "&lt;b&gt;Dienst" in page
    assert [address for address in re.findall(r'href="([^"]*)"', page) if not address.startswith("https://")] == []


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("hier.example", "https://hier.example"),
        ("http://hier.example/a?b=c", "http://hier.example/a?b=c"),
        ("HTTPS://Hier.example", "https://Hier.example"),
        ("", ""),
        ("   ", ""),
        ("ftp://hier.example", ""),
        ("javascript://hier", ""),
        ("data:text/html,x", "https://data:text/html,x"),
        ("https://[", ""),
    ],
)
def test_a_page_of_the_web_is_one_with_a_host(written, address):
    assert web_page(written) == address


def test_who_is_not_logged_in_or_answers_no_chats_reads_nothing(logged_in, region):
    assert Client().get("/staff/region/hier/").status_code == 401
    for role in (Role.MANAGER, Role.ADMINISTRATOR):
        assert logged_in(role).get("/staff/region/hier/").status_code == 403


def test_a_region_that_is_none_is_not_here(logged_in):
    assert logged_in(Role.FRONT_OFFICE).get("/staff/region/nergens/").status_code == 404


# ---------------------------------------------------------------- in the admin


def fields(region: Region, **more: object) -> dict[str, object]:
    return {"region": region.pk, "name": "Dienst", "phone": "000-1111111", "checked_on": TODAY.isoformat(), "position": "0"} | more


def test_a_coordinator_keeps_the_facts_of_the_own_region_only(logged_in, region):
    elsewhere = RegionFactory(open=True)
    theirs, client = fact(elsewhere, "Van hen"), logged_in(Role.COORDINATOR)

    client.post(f"{FACTS}add/", fields(region))
    refused = client.post(f"{FACTS}add/", fields(elsewhere))

    assert LocalFact.objects.filter(region=region).get().name == "Dienst"
    assert (refused.status_code, LocalFact.objects.filter(region=elsewhere).count()) == (200, 1)
    assert "Van hen" not in text(client.get(FACTS))
    assert client.post(f"{FACTS}{theirs.pk}/change/", fields(elsewhere)).status_code == 404
    mine = LocalFact.objects.get(region=region)
    assert client.post(f"{FACTS}{mine.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_manager_reads_the_facts_and_changes_nothing(logged_in, region):
    mine, client = fact(region, "Dienst"), logged_in(Role.MANAGER)

    assert "Dienst" in text(client.get(FACTS))
    assert client.get(f"{FACTS}add/").status_code == 403
    assert client.post(f"{FACTS}{mine.pk}/change/", fields(region)).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"link": "ftp://files.example"}, "Only pages of the web"),
        ({"link": "javascript:alert(1)"}, "Enter a valid URL"),
        ({"checked_on": "2026-11-25"}, "This day is still to come."),
        ({"checked_on": ""}, "This field is required"),
        ({"phone": ""}, "a name alone helps nobody"),
    ],
)
def test_what_would_help_nobody_is_not_kept(logged_in, region, wrong, said):
    answer = logged_in(Role.COORDINATOR).post(f"{FACTS}add/", fields(region, **wrong))

    assert said in text(answer)
    assert not LocalFact.objects.exists()


def test_a_fact_of_a_municipality_belongs_to_its_region(logged_in, region):
    here, there = MunicipalityFactory(region=region), MunicipalityFactory()
    client = logged_in(Role.ADMINISTRATOR)

    refused = client.post(f"{FACTS}add/", fields(region, municipality=there.pk))
    client.post(f"{FACTS}add/", fields(region, municipality=here.pk))

    assert "belongs to another region" in text(refused)
    assert LocalFact.objects.get().municipality == here


def test_a_coordinator_chooses_among_the_own_municipalities(logged_in, region):
    MunicipalityFactory(region=region, name="Van hier")
    MunicipalityFactory(name="Van elders")

    page = text(logged_in(Role.COORDINATOR).get(f"{FACTS}add/"))

    assert ("Van hier" in page, "Van elders" in page) == (True, False)


def test_what_has_to_be_checked_again_is_marked_and_can_be_listed(logged_in, region):
    fact(region, "Nieuw")
    fact(region, "Oud", checked_on=TODAY - timedelta(days=400))
    client = logged_in(Role.COORDINATOR)

    everything, to_check = text(client.get(FACTS)), text(client.get(f"{FACTS}?check=again"))

    assert everything.count("check again") == 1
    assert ("Oud" in to_check, ">Nieuw<" in to_check) == (True, False)


# ---------------------------------------------------------------- what a coordinator sets for the own region


def change(region: Region) -> str:
    return f"/admin/staffing/region/{region.pk}/change/"


@pytest.mark.parametrize(
    ("written", "seconds"), [("", None), ("0", 0), ("90", 90), ("1:30", 90), ("59:59", 3599), ("3600", 3600), ("60:00", 3600), (" 5 ", 5)]
)
def test_a_coordinator_sets_how_long_the_own_chats_wait_for_the_own_region(logged_in, region, written, seconds):
    answer = logged_in(Role.COORDINATOR).post(change(region), {"overflow_after": written, "alarm_addresses": ""})

    region.refresh_from_db()
    assert answer.status_code == 302
    assert region.overflow_after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize("written", ["3601", "60:01", "-1", "1:60", "1:2:3", "anderhalf", "1.5", "٣", "9" * 5000, ":", "1:", "1e3"])
def test_a_wait_that_is_none_is_refused_with_the_way_to_write_it(logged_in, region, written):
    answer = logged_in(Role.COORDINATOR).post(change(region), {"overflow_after": written, "alarm_addresses": ""})

    region.refresh_from_db()
    assert answer.status_code == 200
    assert re.search(r"errorlist.*(1:30|one hour|59 seconds)", text(answer), re.S)
    assert region.overflow_after is None


def test_a_wait_reads_as_it_is_written(logged_in, region):
    Region.objects.update(overflow_after=timedelta(seconds=90))

    assert 'name="overflow_after" value="1:30"' in text(logged_in(Role.COORDINATOR).get(change(region)))


def test_alarm_addresses_are_kept_one_on_each_line(logged_in, region):
    written = "  een@example.org\r\n\r\ntwee@example.org\neen@example.org\r\n"

    logged_in(Role.COORDINATOR).post(change(region), {"overflow_after": "", "alarm_addresses": written})

    region.refresh_from_db()
    assert region.alarm_addresses == "een@example.org\ntwee@example.org"


@pytest.mark.parametrize(
    "wrong",
    [
        "geen-adres",
        "twee@example.org, drie@example.org",
        "twee@example.org drie@example.org",
        "Naam <twee@example.org>",
        '"twee\tBcc: drie@example.org"@example.org',
        "twee@example.org%0ABcc:drie@example.org",
        "a" * 300 + "@example.org",
    ],
)
def test_an_address_that_is_none_is_named_and_nothing_is_kept(logged_in, region, wrong):
    answer = logged_in(Role.COORDINATOR).post(change(region), {"overflow_after": "", "alarm_addresses": f"een@example.org\n{wrong}"})

    region.refresh_from_db()
    assert (answer.status_code, region.alarm_addresses) == (200, "")
    assert re.search(r"errorlist.*is no e-mail address", text(answer), re.S)


def test_a_line_break_of_any_kind_ends_an_address(logged_in, region):
    client = logged_in(Role.COORDINATOR)

    for written in ("een@example.org\vtwee@example.org", "een@example.org\u2028twee@example.org", "een@example.org\x85twee@example.org"):
        client.post(change(region), {"overflow_after": "", "alarm_addresses": written})
        region.refresh_from_db()
        assert region.alarm_addresses.split("\n") == ["een@example.org", "twee@example.org"]


def test_there_are_ten_addresses_at_most(logged_in, region):
    addresses = "\n".join(f"dienst-{n}@example.org" for n in range(11))

    answer = logged_in(Role.COORDINATOR).post(change(region), {"overflow_after": "", "alarm_addresses": addresses})

    region.refresh_from_db()
    assert "At most 10 addresses, and there are 11." in text(answer)
    assert region.alarm_addresses == ""


def test_what_a_region_is_called_stays_national(logged_in, region):
    everything = {
        "name": "Anders",
        "code": "anders",
        "phone": "112",
        "website": "anders.example",
        "overflow_after": "60",
        "alarm_addresses": "",
    }

    logged_in(Role.COORDINATOR).post(change(region), everything)

    region.refresh_from_db()
    assert (region.name, region.code, region.phone, region.website) == ("Regio Hier", "hier", "0800-2000", "hier.example")
    assert region.overflow_after == timedelta(seconds=60)


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.MANAGER])
def test_who_is_not_its_coordinator_reads_a_region_and_changes_nothing(logged_in, region, role):
    of = RegionFactory(open=True) if role == Role.COORDINATOR else region
    Region.objects.filter(pk=region.pk).update(alarm_addresses="dienst@example.org")
    client = logged_in(role, of=of)

    page = client.get(change(region))

    assert page.status_code == 200
    assert 'name="overflow_after"' not in text(page)
    # Addresses of people are for their own region.
    assert ("dienst@example.org" in text(page)) is (of == region)
    assert client.post(change(region), {"overflow_after": "60"}).status_code == 403


def test_the_administrator_changes_all_of_a_region_but_its_code(logged_in, region):
    everything = {"name": "Anders", "code": "anders", "phone": "0800", "website": "", "source": "", "overflow_after": "1:00"}

    logged_in(Role.ADMINISTRATOR).post(change(region), everything | {"alarm_addresses": "een@example.org"})

    region.refresh_from_db()
    assert (region.name, region.code, region.phone, region.alarm_addresses) == ("Anders", "hier", "0800", "een@example.org")
