"""What was taken from an employee while their line was gone, as a page reads it that begins anew (P9)."""

import pytest

from chat import handover, presence
from chat.taken import Taken, taken_from
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory


def is_heard(employee, clock) -> None:
    presence.employee_heard(employee.pk, clock.now())
    presence.flush()


@pytest.fixture
def region(db, clock):
    return RegionFactory(open=True)


@pytest.fixture
def lost(region, clock):
    """A conversation whose employee has not been heard for a minute, and was asked after by nobody yet."""
    employee = EmployeeFactory(on_duty=True, region=region)
    conversation = ConversationFactory(region=region, held=employee, nickname="Noor")
    clock.forward(seconds=60)
    handover.look_after(clock.now(), blind=False)
    conversation.refresh_from_db()
    return conversation


def test_who_comes_back_reads_what_was_offered_to_the_colleagues(lost):
    assert taken_from(lost.lost_holder) == [Taken(lost.pk, "Noor", "")]


def test_who_comes_back_reads_who_has_it_now(lost, region, clock):
    first, colleague = lost.lost_holder, EmployeeFactory(on_duty=True, region=region, name="Bo")

    lost.accept(by=colleague, at=clock.now())

    assert taken_from(first) == [Taken(lost.pk, "Noor", "Bo")]
    assert taken_from(colleague) == []


def test_what_somebody_has_taken_back_was_not_taken_from_them(lost, clock):
    first = lost.lost_holder

    lost.accept(by=first, at=clock.now())

    assert taken_from(first) == []


def test_it_is_told_until_their_line_is_back(lost, clock):
    clock.forward(seconds=1)
    is_heard(lost.lost_holder, clock)

    assert taken_from(lost.lost_holder) == []


def test_who_is_not_on_duty_reads_nothing_of_it(lost, region, clock):
    EmployeeFactory(on_duty=True, region=region)

    handover.leave(lost.lost_holder, at=clock.now())

    assert taken_from(lost.lost_holder) == []
