import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import override

from config import promises
from registration.models import Delivery
from staffing import clock

SHOWN = 5


class Command(BaseCommand):
    help = "Evaluate the promises on the live database; exit 1 when one is broken."

    def handle(self, *args: Any, **options: Any) -> None:
        at = clock.now()
        found = promises.broken(at)
        if found:
            # A watch that looks every three seconds may be about to see it: what stays broken is broken.
            asyncio.run(clock.sleep_until(at + promises.AGAIN))
            at = clock.now()
            found = {promise: names for promise, names in promises.broken(at).items() if promise in found}
        with override("en"):
            for promise in promises.PROMISES:
                names = found.get(promise, [])
                state = "BROKEN" if names else "kept"
                self.stdout.write(f"{promise:<4}{state:<8}{len(names):>5}  {promises.in_words(promise)}{_first(names)}")
        late = [str(delivery) for delivery in Delivery.objects.overdue(at).select_related("version").order_by("due_at")]
        if late:
            self.stdout.write(f"Stuck, or on the way to Clavis for an hour: {len(late)}{_first(late)}")
        if found:
            raise CommandError(f"broken: {', '.join(found)}")


def _first(names: list[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return f": {', '.join(names[:SHOWN])}{more}" if names else ""
