"""The admin: who sees what, each look recorded, and closing by the responsible person."""

import re
import uuid
from datetime import date, time
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.contrib import admin, auth
from django.test import Client
from django.urls import NoReverseMatch, reverse

from chat.models import Conversation
from registration.models import CodeList, Delivery, Registration
from registration.rules import Answers, State
from staffing.access import OversightAdmin
from staffing.admin.words import SAID_BY_DJANGO
from staffing.models import (
    Absence,
    Alarm,
    ClosedDay,
    Closure,
    Count,
    Duty,
    Employee,
    Found,
    LocalFact,
    Look,
    Municipality,
    OpeningHours,
    Region,
    Role,
    Shift,
)
from staffing.rules import AlarmKind
from tests.factories import EmployeeFactory, MunicipalityFactory, RegionFactory
from tests.registering import ADVICE, CONTENT, FILLED_IN, closed, code_lists, draft, registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
REGISTRATIONS, LOOKS = "/admin/registration/registration/", "/admin/staffing/look/"
OVERSEEING = [Role.COORDINATOR, Role.MANAGER, Role.ADMINISTRATOR]
ABOUT_PEOPLE = [Registration, Conversation, Employee, Duty, Alarm, Look]
PLANNED = [Shift, Absence]
REFERENCE = [Region, Municipality, LocalFact, OpeningHours, ClosedDay, Closure, Count, CodeList]


@pytest.fixture(autouse=True)
def _lists(db):
    code_lists()


@pytest.fixture
def region():
    return RegionFactory(open=True)


@pytest.fixture
def logged_in(region):
    """`logged_in(Role.COORDINATOR)`: the browser of somebody of `region`, or of nobody's region for a national administrator."""

    def log_in(role: Role, of: Region | None = None) -> Client:
        employee = EmployeeFactory(role=role, region=None if role == Role.ADMINISTRATOR else of or region)
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(employee)
        client.employee = employee
        return client

    return log_in


def change(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def list_of(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def hidden(page) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(version|form_id)" value="([^"]*)"', page.content.decode()))


def text(response) -> str:
    return response.content.decode()


# ---------------------------------------------------------------- the way in


@pytest.mark.parametrize("path", ["/admin/", REGISTRATIONS, "/admin/nothing/"])
def test_who_is_not_logged_in_is_sent_to_the_login(path):
    answer = Client().get(path)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/staff/login/?next=/admin/")


@pytest.mark.parametrize("path", ["/admin/", REGISTRATIONS, LOOKS, "/admin/password_change/"])
def test_front_office_has_no_admin_and_trying_is_recorded(logged_in, path):
    client = logged_in(Role.FRONT_OFFICE)

    assert client.get(path).status_code == 403

    look = Look.objects.get()
    assert (look.by, look.outcome, look.kind) == (client.employee, "refused", "admin")


def test_an_address_that_the_database_does_not_take_is_as_one_that_is_not_here(logged_in):
    """PostgreSQL takes no NUL in a text; neither does the record of the refusal."""
    address = f"{REGISTRATIONS}%00/change/"

    assert logged_in(Role.COORDINATOR).get(address).status_code == 404
    assert logged_in(Role.FRONT_OFFICE).get(address).status_code == 403
    assert Look.objects.filter(outcome="refused").count() == 2


@pytest.mark.parametrize("model", [Absence, ClosedDay, Closure, Employee, LocalFact, Municipality, OpeningHours, Region, Shift])
def test_a_form_opens_whatever_stands_in_its_address(logged_in, model):
    add = reverse(f"admin:staffing_{model._meta.model_name}_add")

    answer = logged_in(Role.ADMINISTRATOR).get(add, {field.name: "9" * 30 for field in model._meta.fields})

    assert answer.status_code == 200


def test_an_account_that_is_switched_off_has_no_admin(logged_in):
    client = logged_in(Role.COORDINATOR)
    Employee.objects.update(is_active=False)

    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize("role", OVERSEEING)
def test_the_first_page_leads_to_what_there_is_to_do(logged_in, region, role):
    registered(region=region)
    draft(region=region)

    page = text(logged_in(role).get("/admin/"))

    assert f'href="{REGISTRATIONS}?todo=close"' in page
    assert f'href="{REGISTRATIONS}?todo=register"' in page
    assert f'href="{LOOKS}"' in page


def test_the_first_page_counts_the_own_region_only(logged_in, region):
    registered()
    closed()

    page = text(logged_in(Role.COORDINATOR).get("/admin/"))

    assert "?todo=" not in page


# ---------------------------------------------------------------- one base for all, and its walls


def test_nothing_is_in_the_admin_without_the_base_that_records():
    assert [model.__name__ for model, page in admin.site._registry.items() if not isinstance(page, OversightAdmin)] == []
    assert {model for model, page in admin.site._registry.items() if page.recorded} == {*ABOUT_PEOPLE, *PLANNED}
    assert set(admin.site._registry) == {*ABOUT_PEOPLE, *PLANNED, *REFERENCE}


def test_entries_and_keys_have_no_page():
    for name in ("chat_entry", "chat_conversationkey", "registration_registrationkey", "registration_version", "registration_delivery"):
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:{name}_changelist")


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.MANAGER])
@pytest.mark.parametrize("model", [Registration, Conversation, Employee, Duty], ids=lambda model: model.__name__)
def test_another_region_is_not_seen_in_a_list_nor_by_its_number(logged_in, region, role, model):
    registered(region=region)
    elsewhere = registered()
    theirs = {
        Registration: elsewhere,
        Conversation: elsewhere.links.get().conversation,
        Employee: elsewhere.holder,
        Duty: Duty.objects.get(employee=elsewhere.holder),
    }[model]
    client = logged_in(role)

    in_list, by_number = client.get(list_of(model)), client.get(change(theirs))

    assert change(theirs) not in text(in_list)
    assert by_number.status_code == 404
    look = Look.objects.get(outcome="refused")
    assert (look.by, look.kind, look.object_id) == (client.employee, model._meta.model_name, str(theirs.pk))


def test_another_region_is_not_changed_nor_closed(logged_in):
    elsewhere = registered()

    answer = logged_in(Role.COORDINATOR).post(change(elsewhere), {"_close": "1", "version": "1", "form_id": str(uuid.uuid4())})

    assert answer.status_code == 404
    elsewhere.refresh_from_db()
    assert elsewhere.state == State.REGISTERED


def test_a_national_administrator_sees_every_region(logged_in):
    here, there = registered(), registered()
    client = logged_in(Role.ADMINISTRATOR)

    page = text(client.get(REGISTRATIONS))

    assert change(here) in page
    assert change(there) in page
    assert client.get(change(there)).status_code == 200
    assert Look.objects.latest("at").basis == "national"


@pytest.mark.parametrize("role", OVERSEEING)
@pytest.mark.parametrize("model", [*ABOUT_PEOPLE, *PLANNED, *REFERENCE], ids=lambda model: model.__name__)
def test_every_list_opens_for_who_oversees(logged_in, region, role, model):
    closed(region=region)
    MunicipalityFactory(region=region)
    ClosedDay.objects.create(region=region, day=date(2026, 12, 24), reason="studiedag")
    client = logged_in(role)

    page = client.get(list_of(model))

    assert page.status_code == 200
    for path in set(re.findall(rf'href="({list_of(model)}[^/"]+/change/)', text(page))):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("model", [*ABOUT_PEOPLE, *PLANNED], ids=lambda model: model.__name__)
def test_a_list_about_people_is_a_recorded_look(logged_in, model):
    client = logged_in(Role.MANAGER)

    client.get(list_of(model) + "?q=x")

    look = Look.objects.get()
    assert (look.by, look.action, look.kind, look.part) == (client.employee, "list", model._meta.model_name, "q=x")


def test_a_registration_that_is_looked_at_is_recorded_before_it_is_shown(logged_in, region):
    kept = registered(region=region)
    client = logged_in(Role.MANAGER)

    assert CONTENT in text(client.get(change(kept)))

    look = Look.objects.get()
    assert (look.by, look.action, look.kind, look.object_id) == (client.employee, "see", "registration", str(kept.pk))
    assert (look.role, look.region, look.basis, look.outcome, look.component) == ("manager", region, "region", "allowed", "admin")
    assert re.fullmatch(r"[0-9a-f]{16}", look.session)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_recorded_is_not_shown(logged_in, region, monkeypatch):
    kept = registered(region=region)
    client = logged_in(Role.MANAGER)

    def fails(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(Look.objects, "record", fails)
    client.raise_request_exception = False
    answer = client.get(change(kept))

    assert answer.status_code == 500
    assert CONTENT not in text(answer)


@pytest.mark.django_db(transaction=True)
def test_a_look_stays_when_what_it_was_for_is_refused_and_undone(logged_in, region):
    kept = draft(region=region, answers=FILLED_IN, ended=False)

    logged_in(Role.COORDINATOR).post(change(kept), {"_close": "1", "version": "1", "form_id": str(uuid.uuid4()), "content": "x"})

    assert Look.objects.filter(kind="registration", object_id=kept.pk, action="change", part="close").count() == 1


@pytest.mark.parametrize("model", ABOUT_PEOPLE, ids=lambda model: model.__name__)
@pytest.mark.parametrize("role", OVERSEEING)
def test_nothing_about_people_can_be_removed(logged_in, region, model, role):
    kept = registered(region=region)
    Look.objects.record(at=kept.made_at, by=kept.holder, action="see", kind="registration", object_id=kept.pk)
    Alarm.objects.stand(Found(AlarmKind.DANGER, region.pk), at=kept.made_at)
    row = {Registration: kept, Conversation: kept.links.get().conversation, Employee: kept.holder}.get(model) or model.objects.first()
    remove = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_delete", args=[row.pk])

    answer = logged_in(role).post(remove, {"post": "yes"})

    assert answer.status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_a_conversation_is_shown_without_a_word_of_it(logged_in, region):
    kept = registered(region=region, nickname="NAAM-MERK", text="WOORD-MERK")

    page = text(logged_in(Role.COORDINATOR).get(change(kept.links.get().conversation)))

    assert "MERK" not in page
    assert "ended together" in page


def test_a_look_reads_in_words_and_in_the_time_of_the_region(logged_in, region):
    client = logged_in(Role.COORDINATOR)
    client.get(list_of(Duty))
    look = Look.objects.get()

    page = text(client.get(change(look)))

    assert str(look) in page
    assert "10:00" in str(look)
    title = page[page.index("<title>") : page.index("</title>")] + page[page.index('id="content"') : page.index("<form")]
    for raw in ("allowed", "coordinator:", " list ", "09:00"):
        assert raw not in title
    assert "Coordinator" in page
    assert re.search(r"field-kind_name.*?duty", page, re.S)


def test_what_we_say_for_django_is_still_what_django_says():
    """Its Dutch says 'u' and 'Voorpagina', and ours goes before it: only as long as the English is the same."""
    files = [Path(app.__file__).parent / "locale" / "nl" / "LC_MESSAGES" / "django.po" for app in (admin, auth)]
    theirs = {message.id for file in files for message in read_po(BytesIO(file.read_bytes()))}

    assert {said for said in SAID_BY_DJANGO if isinstance(said, str)} - theirs == set()


@pytest.mark.parametrize(("role", "filters"), [(Role.COORDINATOR, False), (Role.ADMINISTRATOR, True)])
@pytest.mark.parametrize("model", [Employee, Duty], ids=lambda model: model.__name__)
def test_who_has_one_region_is_not_asked_for_it(logged_in, region, model, role, filters):
    registered(region=region)
    registered()

    page = text(logged_in(role).get(list_of(model)))

    assert bool(re.search(r'href="\?[^"]*region__id__exact=', page)) is filters


# ---------------------------------------------------------------- completing and closing


def test_what_is_still_needed_stands_beside_its_field_at_once(logged_in, region):
    kept = registered(Answers(CONTENT, ADVICE), region=region)

    page = text(logged_in(Role.COORDINATOR).get(change(kept)))

    assert re.search(r'field-nature".*?Still needed to close.*?</fieldset>', page, re.S)
    assert page.count('class="missing"') == 1


def test_the_coordinator_saves_and_closes_and_it_lies_in_clavis(logged_in, region, settings, tmp_path, django_capture_on_commit_callbacks):
    settings.CLAVIS_DIR = tmp_path
    kept = registered(Answers(CONTENT, ADVICE), region=region)
    client = logged_in(Role.COORDINATOR)

    saved = client.post(
        change(kept), {"_save": "1", **hidden(client.get(change(kept))), "content": CONTENT, "advice": ADVICE, "nature": ["witness"]}
    )
    fields = hidden(client.get(change(kept))) | {"content": CONTENT, "advice": ADVICE, "nature": ["witness"]}
    with django_capture_on_commit_callbacks(execute=True):
        done = client.post(change(kept), {"_close": "1", **hidden(client.get(change(kept))), **fields})

    kept.refresh_from_db()
    assert (saved.status_code, done.status_code, done.headers["Location"]) == (302, 302, change(kept))
    assert (kept.state, kept.closed_by) == (State.CLOSED, client.employee)
    assert [path.name for path in (tmp_path / region.code).iterdir()] == [f"{kept.pk}-v1.json"]


def test_closing_what_is_incomplete_keeps_what_was_typed_and_says_what_is_needed(logged_in, region):
    kept = registered(Answers(CONTENT, ADVICE), region=region)
    client = logged_in(Role.COORDINATOR)

    answer = client.post(change(kept), {"_close": "1", **hidden(client.get(change(kept))), "content": "beter", "advice": ADVICE})

    kept.refresh_from_db()
    assert answer.status_code == 200
    assert "Fill this in first." in text(answer)
    assert (kept.state, kept.answers().content) == (State.REGISTERED, "beter")


def test_of_two_editors_the_second_sees_both_texts_and_decides(logged_in, region):
    kept = registered(region=region)
    client = logged_in(Role.COORDINATOR)
    fields = hidden(client.get(change(kept))) | {"content": "van de coördinator", "advice": ADVICE, "nature": ["witness"]}
    kept.save_draft(answers=Answers("van de medewerker", ADVICE), seen=1, by=kept.holder, at=kept.made_at)

    told = client.post(change(kept), {"_save": "1", **fields})
    assert Registration.objects.get().answers().content == "van de medewerker"
    assert "van de coördinator" in text(told)
    assert "van de medewerker" in text(told)

    client.post(change(kept), {"_save": "1", **fields, **hidden(told)})
    assert Registration.objects.get().answers().content == "van de coördinator"


def test_a_closed_registration_reads_like_a_document(logged_in, region):
    kept = closed(region=region)

    page = text(logged_in(Role.COORDINATOR).get(change(kept)))

    article = page[page.index("<article") : page.index("</article>")]
    assert CONTENT in article
    assert "witness" in article
    assert not re.search(r"<(input|textarea|select|button)", article)
    assert "Version 1" in page
    assert "to be delivered" in page


def test_a_delivery_that_is_stuck_is_seen_with_its_reason(logged_in, region):
    kept = closed(region=region)
    Delivery.objects.update(state=Delivery.State.STUCK, last_error="another file stands there under this name")
    client = logged_in(Role.COORDINATOR)

    assert "another file stands there" in text(client.get(change(kept)))
    assert "?todo=stuck" in text(client.get("/admin/"))
    assert change(kept) in text(client.get(REGISTRATIONS + "?todo=stuck"))


def test_a_manager_reads_and_changes_nothing(logged_in, region):
    kept = registered(region=region)
    client = logged_in(Role.MANAGER)

    page = text(client.get(change(kept)))
    answer = client.post(change(kept), {"_close": "1", "version": "1", "form_id": str(uuid.uuid4())})

    kept.refresh_from_db()
    assert CONTENT in page
    assert 'name="_close"' not in page
    assert answer.status_code == 302
    assert kept.state == State.REGISTERED


def test_a_registration_that_cannot_be_read_says_so_and_shows_nothing_else(logged_in, region):
    kept = registered(region=region)
    Registration.objects.update(advice=Registration.objects.get().content)

    page = text(logged_in(Role.COORDINATOR).get(change(kept)))

    assert "cannot be read" in page
    assert 'name="_save"' not in page


@pytest.mark.parametrize(
    ("todo", "shown"),
    [("running", "running"), ("register", "draft"), ("close", "registered"), ("deliver", "due"), ("done", "delivered"), ("", "all")],
)
def test_the_list_shows_what_is_to_be_done(logged_in, region, todo, shown):
    found = {
        "running": draft(region=region, ended=False),
        "draft": draft(region=region),
        "registered": registered(region=region),
        "due": closed(region=region),
        "delivered": closed(region=region),
    }
    Delivery.objects.filter(version__registration=found["delivered"]).update(state=Delivery.State.DELIVERED)

    page = text(logged_in(Role.COORDINATOR).get(f"{REGISTRATIONS}?todo={todo}"))

    assert {name for name, kept in found.items() if change(kept) in page} == (set(found) if shown == "all" else {shown})


# ---------------------------------------------------------------- reference data, by those whose it is


HOURS = {"weekday": "0", "opens": "10:00", "closes": "22:00"}


def test_a_coordinator_keeps_the_hours_of_the_own_region_only(logged_in, region):
    elsewhere = RegionFactory(open=True)
    client = logged_in(Role.COORDINATOR)
    mine, theirs = region.opening_hours.first(), elsewhere.opening_hours.first()

    client.post(change(mine), HOURS | {"region": region.pk})
    moved = client.post(change(mine), HOURS | {"region": elsewhere.pk})
    refused = client.post(change(theirs), HOURS | {"region": elsewhere.pk})

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.opens, mine.region) == (time(10), region)
    assert moved.status_code == 200
    assert refused.status_code == 404
    assert theirs.opens == time(9)


def test_a_closed_day_of_all_regions_is_the_administrators(logged_in, region):
    client, national = logged_in(Role.COORDINATOR), logged_in(Role.ADMINISTRATOR)
    fields = {"day": "24-12-2026", "reason": "studiedag"}
    add = "/admin/staffing/closedday/add/"

    assert client.post(add, fields | {"day": "2026-12-24", "region": ""}).status_code == 200
    client.post(add, fields | {"day": "2026-12-24", "region": region.pk})
    national.post(add, fields | {"day": "2026-12-31", "region": ""})

    of_all = ClosedDay.objects.get(region=None)
    assert ClosedDay.objects.get(region=region).day == date(2026, 12, 24)
    assert client.post(change(of_all), fields | {"region": region.pk}).status_code == 403
    assert client.post(change(of_all).replace("change", "delete"), {"post": "yes"}).status_code == 403
    assert client.post(change(ClosedDay.objects.get(region=region)).replace("change", "delete"), {"post": "yes"}).status_code == 302


def test_closing_the_line_says_who_and_why_and_can_be_lifted(logged_in, region, clock):
    client = logged_in(Role.COORDINATOR)

    client.post("/admin/staffing/closure/add/", {"region": region.pk, "reason": "storing", "until_at_0": "", "until_at_1": ""})
    closure = Closure.objects.get()
    assert (closure.by, closure.starts_at, closure.reason) == (client.employee, clock.now(), "storing")

    client.post(list_of(Closure), {"action": "open_again", "_selected_action": [closure.pk]})
    closure.refresh_from_db()
    assert closure.lifted_at == clock.now()


def test_a_coordinator_does_not_lift_what_closes_the_whole_line(logged_in, clock):
    closure = Closure.objects.create(reason="landelijk", starts_at=clock.now())

    logged_in(Role.COORDINATOR).post(list_of(Closure), {"action": "open_again", "_selected_action": [closure.pk]})

    closure.refresh_from_db()
    assert closure.lifted_at is None


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.MANAGER])
def test_what_is_national_is_changed_by_the_administrator_only(logged_in, region, role):
    place, asked = MunicipalityFactory(region=region), CodeList.objects.first()
    client = logged_in(role)

    for row in (RegionFactory(), place, asked):
        assert client.post(change(row), {"name": "anders", "label_nl": "anders"}).status_code == 403
    assert client.get("/admin/staffing/employee/add/").status_code == 403


def test_the_administrator_makes_an_employee_with_a_password(logged_in, region):
    client = logged_in(Role.ADMINISTRATOR)
    secret = "een lange zin die niemand raadt"
    fields = {"username": "fo-1", "name": "Medewerker", "role": "front_office", "region": region.pk, "maximum": "3"}

    client.post("/admin/staffing/employee/add/", fields | {"password1": secret, "password2": secret})

    made = Employee.objects.get(username="fo-1")
    assert made.check_password(secret)
    assert (made.role, made.region, made.is_staff, made.is_superuser) == (Role.FRONT_OFFICE, region, False, False)
    assert Look.objects.filter(kind="employee", action="add").exists()


def test_everybody_but_an_administrator_belongs_to_a_region(logged_in):
    client = logged_in(Role.ADMINISTRATOR)
    secret = "een lange zin die niemand raadt"
    fields = {"username": "fo-1", "name": "Medewerker", "role": "coordinator", "region": "", "maximum": "3"}

    answer = client.post("/admin/staffing/employee/add/", fields | {"password1": secret, "password2": secret})

    assert "belongs to a region" in text(answer)


def test_an_address_for_broken_promises_is_kept_of_national_administrators_only(logged_in, region):
    client, other, employee = logged_in(Role.ADMINISTRATOR), EmployeeFactory(role=Role.ADMINISTRATOR, region=None), EmployeeFactory()
    said = {"username": "x", "name": "Iemand", "region": region.pk, "maximum": "3", "is_active": "on", "email": "beheer@example.org"}

    client.post(change(other), said | {"role": "administrator", "region": "", "username": "beheer"})
    client.post(change(employee), said | {"role": "front_office"})

    assert set(Employee.objects.exclude(pk=client.employee.pk).values_list("name", "email")) == {
        ("Iemand", "beheer@example.org"),
        ("Iemand", ""),
    }
    assert 'name="email"' not in text(client.get(change(employee)))

    client.post(change(other), said | {"role": "manager", "username": "beheer"})
    assert not Employee.objects.exclude(email="").exists()


def test_the_administrator_sets_a_password_and_that_is_recorded(logged_in, region):
    employee, client = EmployeeFactory(region=region), logged_in(Role.ADMINISTRATOR)
    secret = "een lange zin die niemand raadt"

    client.post(f"/admin/staffing/employee/{employee.pk}/password/", {"password1": secret, "password2": secret, "set-password": "1"})

    employee.refresh_from_db()
    assert employee.check_password(secret)
    assert Look.objects.filter(object_id=str(employee.pk), action="change", part="password").exists()


def test_nobody_changes_the_own_rights(logged_in):
    client = logged_in(Role.ADMINISTRATOR)
    me = client.employee

    client.post(change(me), {"username": me.username, "name": "Nieuwe naam", "maximum": "3", "role": "manager", "region": ""})

    me.refresh_from_db()
    assert (me.name, me.role, me.is_active) == ("Nieuwe naam", Role.ADMINISTRATOR, True)


def test_a_code_list_keeps_its_key_and_its_codes(logged_in):
    client = logged_in(Role.ADMINISTRATOR)
    asked = CodeList.objects.get(key="nature")
    codes = list(asked.codes.all())
    fields = {
        "label_nl": "Aard",
        "label_en": "Nature",
        "position": "1",
        "required_to_close": "",
        "note": "",
        "key": "anders",
        "multiple": "",
    }
    fields |= {"codes-TOTAL_FORMS": len(codes), "codes-INITIAL_FORMS": len(codes), "codes-MIN_NUM_FORMS": 0, "codes-MAX_NUM_FORMS": 1000}
    for n, code in enumerate(codes):
        fields |= {f"codes-{n}-{name}": getattr(code, name) for name in ("code", "label_nl", "label_en", "position")}
        fields |= {f"codes-{n}-id": code.pk, f"codes-{n}-list": asked.pk, f"codes-{n}-DELETE": "on"}

    client.post(change(asked), fields)

    asked.refresh_from_db()
    assert (asked.label_nl, asked.key, asked.multiple, asked.required_to_close) == ("Aard", "nature", True, "")
    assert asked.codes.count() == len(codes)
