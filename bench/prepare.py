"""
More pairs on a state of the product, by its own verbs: `python -m bench.prepare PAIRS`, in the product's environment.

Prints what the load generator has to know of each connection. An employee holds as many conversations as is usual.
"""

import json
import os
import sys
import uuid
from dataclasses import asdict
from datetime import datetime

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402 - Django first
from django.db import transaction  # noqa: E402
from django.test import Client  # noqa: E402

from bench.load import FAR_AHEAD, Connection  # noqa: E402
from chat.models import Conversation  # noqa: E402
from staffing import clock  # noqa: E402
from staffing.models import Duty, Employee, Region  # noqa: E402

USUAL = Employee._meta.get_field("maximum").default


def employee(number: int, region: Region, at: datetime) -> Employee:
    """Somebody of the Front Office, on duty."""
    made = Employee.objects.create(username=f"bench-{number}", name=f"Medewerker {number}", region=region, password="!")
    Duty.objects.start(employee=made, may=None, at=at)
    return made


def pairs(wanted: int) -> list[Connection]:
    regions = list(Region.objects.all())
    made = Employee.objects.filter(username__startswith="bench-").count()
    connections = []
    for first in range(0, wanted, USUAL):
        at = clock.now()
        number = made + first // USUAL
        region = regions[number % len(regions)]
        one = employee(number, region, at)
        after, sides = {}, []
        for _ in range(min(USUAL, wanted - first)):
            conversation, secret = Conversation.objects.start(
                form=uuid.uuid4(), browser="bench", at=at, nickname="Sam", region=region, text="Hallo."
            )
            conversation.accept(by=one, at=at)
            cookie = f"{settings.CHATTER_COOKIE}={secret.first}; {settings.CHATTER_COOKIE_SCRIPT}={secret.second}"
            connections.append(Connection("/ws/chatter/", json.dumps({"type": "hello", "after": FAR_AHEAD}), [""], cookie))
            after[str(conversation.pk)] = FAR_AHEAD
            sides.append(f'"conversation":"{conversation.pk}","assignment":{conversation.assignment},')
        browser = Client()
        browser.force_login(one)
        cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
        connections.append(Connection("/ws/staff/", json.dumps({"type": "hello", "after": after}), sides, cookie))
    return connections


if __name__ == "__main__":
    with transaction.atomic():  # one commit: nobody is there yet who could wait for one
        made = pairs(int(sys.argv[1]))
    print(json.dumps([asdict(one) for one in made]))
