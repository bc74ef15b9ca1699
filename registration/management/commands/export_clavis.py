from typing import Any

from django.core.management.base import BaseCommand

from registration import outbox
from registration.models import Delivery
from staffing import clock


class Command(BaseCommand):
    help = "Deliver what is due to Clavis now, also what waits for a later attempt."

    def handle(self, *args: Any, **options: Any) -> None:
        at = clock.now()
        Delivery.objects.all().hurry(at)
        arrived = outbox.deliver_due(at)
        waiting = Delivery.objects.waiting().count()
        stuck = Delivery.objects.filter(state=Delivery.State.STUCK).count()
        self.stdout.write(f"delivered {arrived}, still due {waiting}, stuck {stuck}")
