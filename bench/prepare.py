"""
More pairs on a state of the product: `python -m bench.prepare PAIRS`, in the product's environment; an empty one is migrated and seeded.

Prints what the load generator has to know of each connection. The rows are those that the product's verbs make
(tests/test_bench.py compares them), all at once: a thousand conversations one by one would take half of the short bench.
"""

import json
import os
import sys
import uuid
from dataclasses import asdict
from datetime import datetime

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if not apps.ready:  # as a test has it already
    django.setup()

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db import transaction

from bench.load import FAR_AHEAD, Connection
from chat import crypto
from chat.entries import New
from chat.models import Conversation, ConversationKey, Credential, Entry, Halves, Presence, digest
from chat.protocol import Kind
from chat.rules import Author, State
from registration.models import RegisteredConversation, Registration, RegistrationKey
from staffing import clock
from staffing.models import Duty, Employee, Region

USUAL = Employee._meta.get_field("maximum").default


def employees(wanted: int, at: datetime) -> list[Employee]:
    """People of the Front Office, on duty."""
    regions, known = list(Region.objects.all()), Employee.objects.filter(username__startswith="bench-").count()
    made = Employee.objects.bulk_create(
        Employee(
            username=f"bench-{number}", name=f"Medewerker {number}", region=regions[number % len(regions)], password="!", date_joined=at
        )
        for number in range(known, known + wanted)
    )
    Duty.objects.bulk_create(Duty(employee=one, started_at=at) for one in made)
    return made


def conversations(holders: list[Employee], at: datetime) -> dict[Conversation, Halves]:
    """A running conversation with each of these holders: begun, accepted, its registration made."""
    made: dict[Conversation, Halves] = {}
    keys, registrations, registration_keys = [], [], []
    for holder in holders:
        pk, kept = uuid.uuid4(), uuid.uuid4()
        wrapped, cipher = crypto.new_key(pk)
        conversation = Conversation(
            pk=pk,
            start_digest=os.urandom(32),
            region=holder.region,
            nickname=cipher.seal("Sam", "nickname"),
            municipality=cipher.seal("", "municipality"),
            state=State.ACTIVE,
            started_at=at,
            waiting_since=at,
            accepted_at=at,
            assigned_at=at,
            holder=holder,
            assignment=1,
        )
        made[conversation] = Halves.new()
        keys.append(ConversationKey(conversation=conversation, wrapped=wrapped))
        assert holder.region
        registrations.append(Registration(pk=kept, reference=str(kept)[:13].upper(), region=holder.region, holder=holder, made_at=at))
        registration_keys.append(RegistrationKey(registration=registrations[-1], wrapped=crypto.new_key(kept)[0]))
    Conversation.objects.bulk_create(made)
    ConversationKey.objects.bulk_create(keys)
    Presence.objects.bulk_create(Presence(conversation=conversation, heard_at=at) for conversation in made)
    Credential.objects.bulk_create(
        Credential(conversation=conversation, first=digest(halves.first), second=digest(halves.second), made_at=at)
        for conversation, halves in made.items()
    )
    Registration.objects.bulk_create(registrations)
    RegistrationKey.objects.bulk_create(registration_keys)
    RegisteredConversation.objects.bulk_create(
        RegisteredConversation(conversation=conversation, registration=kept) for conversation, kept in zip(made, registrations, strict=True)
    )
    Entry.objects.append(New(one.pk, Author.CHATTER, uuid.uuid4(), "Hallo.", at) for one in made)
    Entry.objects.append(New(one.pk, Author.SYSTEM, uuid.uuid4(), f"{one.holder} is er.", at, kind=Kind.NOTICE) for one in made)
    return made


def signed_in(employee: Employee) -> str:
    """The cookie of a session of this employee."""
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(employee.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = employee.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def pairs(wanted: int) -> list[Connection]:
    """So many more chatters, and the employees who hold as many conversations as is usual."""
    at = clock.now()
    staff = employees(-(-wanted // USUAL), at)
    made = conversations([staff[number // USUAL] for number in range(wanted)], at)
    held: dict[Employee, list[Conversation]] = {one: [] for one in staff}
    for conversation in made:
        assert conversation.holder
        held[conversation.holder].append(conversation)
    connections = []
    for employee, its in held.items():
        for conversation in its:
            halves = made[conversation]
            cookie = f"{settings.CHATTER_COOKIE}={halves.first}; {settings.CHATTER_COOKIE_SCRIPT}={halves.second}"
            connections.append(Connection("/ws/chatter/", json.dumps({"type": "hello", "after": FAR_AHEAD}), [""], cookie))
        after = {str(one.pk): FAR_AHEAD for one in its}
        sides = [f'"conversation":"{one.pk}","assignment":{one.assignment},' for one in its]
        connections.append(Connection("/ws/staff/", json.dumps({"type": "hello", "after": after}), sides, signed_in(employee)))
    return connections


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    call_command("seed", stdout=sys.stderr)
    with transaction.atomic():  # one commit: nobody is there yet who could wait for one
        made = pairs(int(sys.argv[1]))
    print(json.dumps([asdict(one) for one in made]))
