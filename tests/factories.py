"""The dullest valid thing of each kind, its situations by name. Nothing is random, and every time is the clock's."""

import uuid
from datetime import time, timedelta
from typing import Any

import factory
from django.db import transaction

from chat import hints
from chat.entries import New, Stored
from chat.models import Conversation, Entry
from chat.rules import Author
from staffing import clock
from staffing.models import Absence, Duty, Employee, Municipality, OpeningHours, PlaceName, Region, Role, Shift


class HoursFactory(factory.django.DjangoModelFactory):
    """Five in a row are a week of working days, 09:00-17:00."""

    class Meta:
        model = OpeningHours

    weekday = factory.Sequence(lambda n: n % 5)
    opens = time(9)
    closes = time(17)


class RegionFactory(factory.django.DjangoModelFactory):
    """A region whose line is never open. `open`: with the ordinary opening hours."""

    class Meta:
        model = Region
        skip_postgeneration_save = True

    class Params:
        open = factory.Trait(hours=factory.RelatedFactoryList(HoursFactory, "region", size=5))

    code = factory.Sequence("region-{}".format)
    name = factory.Sequence("Region {}".format)


class MunicipalityFactory(factory.django.DjangoModelFactory):
    """A municipality that is known by its own name."""

    class Meta:
        model = Municipality
        skip_postgeneration_save = True

    name = factory.Sequence("Gemeente {}".format)
    cbs_code = factory.Sequence("GM{:04}".format)
    region = factory.SubFactory(RegionFactory)

    @factory.post_generation
    def place_names(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        for name in extracted or [self.name]:
            PlaceName.objects.create(name=name, municipality=self)


class DutyFactory(factory.django.DjangoModelFactory):
    """A running duty of somebody who was heard just now."""

    class Meta:
        model = Duty

    employee = factory.SubFactory("tests.factories.EmployeeFactory")
    started_at = factory.LazyFunction(clock.now)
    heard_at = factory.LazyFunction(clock.now)


class ShiftFactory(factory.django.DjangoModelFactory):
    """A shift of eight hours that begins in an hour."""

    class Meta:
        model = Shift

    employee = factory.SubFactory("tests.factories.EmployeeFactory")
    starts_at = factory.LazyFunction(lambda: clock.now() + timedelta(hours=1))
    ends_at = factory.LazyAttribute(lambda shift: shift.starts_at + timedelta(hours=8))


class AbsenceFactory(factory.django.DjangoModelFactory):
    """Somebody who is away from now on for a day."""

    class Meta:
        model = Absence

    employee = factory.SubFactory("tests.factories.EmployeeFactory")
    starts_at = factory.LazyFunction(clock.now)
    ends_at = factory.LazyAttribute(lambda absence: absence.starts_at + timedelta(days=1))


class EmployeeFactory(factory.django.DjangoModelFactory):
    """Somebody of the Front Office who is not on duty. `on_duty`: available; `on_duty__heard_at=None`: on duty, and not heard."""

    class Meta:
        model = Employee
        skip_postgeneration_save = True

    username = factory.Sequence("employee-{}".format)
    name = factory.Sequence("Medewerker {}".format)
    role = Role.FRONT_OFFICE
    region = factory.SubFactory(RegionFactory, open=True)
    password = "!"

    @factory.post_generation
    def on_duty(self, create: bool, extracted: Any, **fields: Any) -> None:
        if extracted or fields:
            DutyFactory(employee=self, **fields)


class ConversationFactory(factory.django.DjangoModelFactory):
    """
    A conversation that waits, made by the verbs of the process.

    `held` (True or an employee), `ended` (True or by whom), `left` (by quick exit); `secret` holds the cookie's halves.
    """

    class Meta:
        model = Conversation
        skip_postgeneration_save = True

    region = factory.SubFactory(RegionFactory, open=True)

    @classmethod
    def _create(cls, model_class: type[Conversation], *args: Any, **fields: Any) -> Conversation:
        conversation, secret = model_class.objects.start(**{"form": uuid.uuid4(), "browser": "browser", "at": clock.now()} | fields)
        conversation.secret = secret
        return conversation

    @factory.post_generation
    def held(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            region = {"region": self.region} if self.region else {}
            by = EmployeeFactory(on_duty=True, **region) if extracted is True else extracted
            self.accept(by=by, at=clock.now())

    @factory.post_generation
    def ended(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            by = Author.EMPLOYEE if extracted is True else extracted
            self.end(by=by, at=clock.now(), employee=self.holder)

    @factory.post_generation
    def left(self, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            self.quick_exit(at=clock.now())


def writes(conversation: Conversation, *texts: str, author: Author = Author.CHATTER, told: bool = True) -> None:
    """These messages come into its log. `told=False`: as another process does it whose hint is lost."""
    conversation.refresh_from_db()
    by = conversation.holder if author is Author.EMPLOYEE else None
    written = {"by": by.pk, "name": by.name} if by else {}
    news = [New(conversation.pk, author, uuid.uuid4(), text, clock.now(), **written) for text in texts]
    with transaction.atomic():
        stored = Entry.objects.append(news)
    assert all(isinstance(answer, Stored) for answer in stored), stored
    if told:
        hints.grown(conversation.pk, stored)
