"""Registrations in their situations, made by the verbs of the process, and the code lists that they are answered with."""

from typing import Any

from registration.models import Code, CodeList, Registration
from registration.rules import Answers
from staffing import clock
from staffing.models import Role
from tests.factories import ConversationFactory, EmployeeFactory

CONTENT = "INHOUD-MERK: zorgen over een buurvrouw"
ADVICE = "ADVIES-MERK: bel 112 bij gevaar"
FILLED_IN = Answers(CONTENT, ADVICE, "", {"enquirer_kind": frozenset({"bystander"}), "nature": frozenset({"witness"})})


def code_lists() -> None:
    """The two lists that are asked, each with some codes."""
    of = {
        "enquirer_kind": ("Over wie gaat het?", "Who is it about?", False, "", ["self", "bystander"]),
        "nature": ("Aard van het geweld", "Nature of the violence", True, "serious", ["physical_abuse", "witness", "other_not_unsafe"]),
    }
    for position, (key, (nl, en, multiple, required, codes)) in enumerate(of.items()):
        made = CodeList.objects.create(
            key=key, label_nl=nl, label_en=en, multiple=multiple, required_to_close=required, position=position, official=multiple
        )
        Code.objects.bulk_create(
            Code(list=made, code=code, label_nl=f"{code} (nl)", label_en=code, position=n) for n, code in enumerate(codes)
        )


def draft(*, ended: bool = True, answers: Answers | None = None, **conversation: Any) -> Registration:
    """The registration of a conversation that was accepted; over unless `ended=False`, and empty unless `answers` are given."""
    held = ConversationFactory(held=True, ended=ended, **conversation)
    kept = Registration.objects.get(links__conversation=held)
    if answers:
        kept.save_draft(answers=answers, seen=kept.revision, by=kept.holder, at=clock.now())
    return kept


def registered(answers: Answers = FILLED_IN, **conversation: Any) -> Registration:
    kept = draft(answers=answers, **conversation)
    kept.register(seen=kept.revision, by=kept.holder, at=clock.now())
    return kept


def coordinator_of(kept: Registration) -> Any:
    return EmployeeFactory(role=Role.COORDINATOR, region=kept.region)


def closed(**conversation: Any) -> Registration:
    kept = registered(**conversation)
    kept.close(seen=kept.revision, by=coordinator_of(kept), at=clock.now())
    return kept
