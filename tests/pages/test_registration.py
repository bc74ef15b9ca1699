"""The registration beside its conversation: a fragment for who holds it, saved while typing, registered at the end."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client

from registration.models import Code, Registration
from registration.rules import State
from staffing.models import Look
from tests.factories import EmployeeFactory, MunicipalityFactory
from tests.registering import ADVICE, CONTENT, FILLED_IN, closed, code_lists, draft

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture(autouse=True)
def _lists(db):
    code_lists()


class Desk:
    """An employee's browser."""

    def __init__(self, employee):
        self.client = Client(HTTP_ACCEPT_LANGUAGE="en")
        self.client.force_login(employee)

    def opens(self, kept: Registration):
        return self.client.get(address(kept))

    def fields(self, kept: Registration) -> dict[str, str]:
        """The hidden fields of a form that was just opened."""
        return dict(re.findall(r'type="hidden" name="(version|form_id)" value="([^"]*)"', self.opens(kept).content.decode()))

    def saves(self, kept: Registration, **fields):
        return self.client.post(address(kept), fields, **JSON)

    def registers(self, kept: Registration, **fields):
        return self.client.post(address(kept) + "register/", fields, HTTP_ACCEPT="text/html, application/json")


def address(kept: Registration) -> str:
    return f"/staff/registration/{kept.links.get().conversation_id}/"


def test_the_holder_gets_the_form_alone_without_a_page_around_it():
    kept = draft(ended=False, answers=FILLED_IN)

    answer = Desk(kept.holder).opens(kept)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.lstrip().startswith("<form aria-label=")
    assert "<html" not in page
    assert f'data-save="{address(kept)}"' in page
    assert f'data-register="{address(kept)}register/"' in page
    assert CONTENT in page
    assert ADVICE in page
    assert page.count('maxlength="1000"') == 2


def test_the_tick_of_a_chat_is_set_and_cannot_be_taken_away():
    kept = draft(ended=False)
    desk = Desk(kept.holder)

    (tick,) = re.findall(r'<input type="checkbox" name="chat"[^>]*>', desk.opens(kept).content.decode())
    desk.saves(kept, **desk.fields(kept), content="zonder vinkje")

    assert " checked" in tick
    assert " disabled" in tick


def test_opening_it_is_a_recorded_look(clock):
    kept = draft(ended=False)

    Desk(kept.holder).opens(kept)

    look = Look.objects.get()
    assert (look.by, look.kind, look.object_id, look.basis, look.action) == (kept.holder, "registration", str(kept.pk), "holder", "see")


@pytest.mark.parametrize("what", ["opens", "saves", "registers"])
def test_for_who_does_not_hold_it_it_is_not_here_and_that_is_recorded(what):
    kept = draft(ended=False)
    colleague = EmployeeFactory(region=kept.region)

    answer = getattr(Desk(colleague), what)(kept)

    assert answer.status_code == 404
    look = Look.objects.get()
    assert (look.by, look.outcome, look.object_id) == (colleague, "refused", str(kept.links.get().conversation_id))


def test_a_conversation_that_does_not_exist_looks_like_one_of_somebody_else():
    answer = Desk(EmployeeFactory()).client.get(f"/staff/registration/{uuid.uuid4()}/")

    assert answer.status_code == 404


def test_who_is_logged_out_is_sent_to_the_login_and_a_save_says_so():
    kept = draft(ended=False)

    assert Client().get(address(kept)).headers["Location"] == "/staff/login/"
    assert Client().post(address(kept), **JSON).status_code == 401


def test_what_is_typed_is_saved_and_the_answer_says_what_is_missing(clock):
    kept = draft(ended=False)
    desk = Desk(kept.holder)

    answer = desk.saves(kept, **desk.fields(kept), content="eerste woorden")

    assert answer.status_code == 200
    assert answer.json() == {"version": 1, "missing": ["Advice given", "Nature of the violence"], "saved_at": clock.now().isoformat()}
    assert Registration.objects.get().answers().content == "eerste woorden"


def test_one_opened_form_is_one_recorded_change_however_often_it_saves():
    kept = draft(ended=False)
    desk = Desk(kept.holder)
    fields = desk.fields(kept)

    for n in range(3):
        desk.saves(kept, **fields | {"version": n}, content="x" * (n + 1))

    assert Registration.objects.get().revision == 3
    assert Look.objects.filter(action="change").count() == 1


def test_a_save_over_somebody_elses_words_is_refused_with_a_sentence(clock):
    kept = draft(answers=FILLED_IN)
    desk = Desk(kept.holder)
    fields = desk.fields(kept)
    Desk(kept.holder).saves(kept, **desk.fields(kept), content="in een ander venster")

    answer = desk.saves(kept, **fields, content="in dit venster")

    assert answer.status_code == 409
    assert answer.json()["detail"]
    assert Registration.objects.get().answers().content == "in een ander venster"


def test_too_long_a_text_is_refused_at_its_field_and_nothing_is_cut_off():
    kept = draft(ended=False)
    desk = Desk(kept.holder)

    answer = desk.saves(kept, **desk.fields(kept), content="x" * 1001)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["content"]
    assert Registration.objects.get().revision == 0


def test_the_end_of_a_line_counts_as_one_character():
    kept = draft(ended=False)
    desk = Desk(kept.holder)

    answer = desk.saves(kept, **desk.fields(kept), content="\r\n".join(["x"] * 500))

    assert answer.status_code == 200
    assert Registration.objects.get().answers().content == "\n".join(["x"] * 500)


def test_registering_takes_it_from_the_desk():
    kept = draft()
    desk = Desk(kept.holder)

    answer = desk.registers(kept, **desk.fields(kept), content=CONTENT, advice=ADVICE)

    assert answer.status_code == 204
    assert Registration.objects.get().state == State.REGISTERED


def test_registering_again_after_a_lost_answer_is_the_same():
    kept = draft()
    desk = Desk(kept.holder)
    fields = desk.fields(kept) | {"content": CONTENT, "advice": ADVICE}

    assert desk.registers(kept, **fields).status_code == 204
    assert desk.registers(kept, **fields).status_code == 204


def test_what_is_missing_is_said_beside_its_field_and_what_was_typed_is_kept():
    kept = draft()
    desk = Desk(kept.holder)

    answer = desk.registers(kept, **desk.fields(kept), content=CONTENT)

    page = answer.content.decode()
    assert answer.status_code == 400
    assert page.count("aria-invalid") == 1
    assert re.search(r'<textarea name="advice"[^>]*aria-invalid="true"', page)
    assert 'name="version" value="1"' in page
    assert Registration.objects.get().answers().content == CONTENT


def test_while_the_conversation_runs_it_is_saved_and_not_registered():
    kept = draft(ended=False)
    desk = Desk(kept.holder)

    answer = desk.registers(kept, **desk.fields(kept), content=CONTENT, advice=ADVICE)

    assert answer.status_code == 400
    assert Registration.objects.get().state == State.DRAFT
    assert Registration.objects.get().answers().advice == ADVICE


def test_a_closed_one_takes_no_words_any_more():
    kept = closed()
    desk = Desk(kept.holder)

    answer = desk.saves(kept, version=1, form_id=str(uuid.uuid4()), content="nog iets")

    assert answer.status_code == 409


def test_what_a_chatter_could_have_dictated_is_shown_as_text():
    kept = draft(ended=False)
    desk = Desk(kept.holder)
    desk.saves(kept, **desk.fields(kept), content="<script>alert(1)</script></textarea><b>")

    page = desk.opens(kept).content.decode()

    assert "<script>" not in page
    assert page.count("</textarea>") == 2


def test_every_post_needs_the_token():
    kept = draft(ended=False)
    client = Client(enforce_csrf_checks=True)
    client.force_login(kept.holder)

    assert client.post(address(kept), {"content": "x"}).status_code == 403


def test_a_code_that_is_no_longer_valid_is_not_offered_but_stays_where_it_was_chosen(clock):
    chosen, other = draft(ended=False, answers=FILLED_IN), draft(ended=False)
    Code.objects.filter(code="witness").update(valid_until=clock.now().date() - timedelta(days=1))

    assert 'value="witness"' in Desk(chosen.holder).opens(chosen).content.decode()
    assert 'value="witness"' not in Desk(other.holder).opens(other).content.decode()


def test_the_municipalities_of_the_own_region_come_first():
    kept = draft(ended=False)
    far, near = MunicipalityFactory(name="Aalsmeer"), MunicipalityFactory(name="Zaanstad", region=kept.region)
    desk = Desk(kept.holder)

    page = desk.opens(kept).content.decode()
    desk.saves(kept, **desk.fields(kept), municipality=far.cbs_code)

    assert page.index(near.name) < page.index(far.name)
    assert Registration.objects.get().municipality == far
