"""
Bringing closed versions to Clavis. What is due stands in a row and is found by a query; a wake-up may be lost without harm (P12).

Called after each close, by `manage.py export_clavis`, and by whoever looks from time to time.
"""

import errno
import logging
import random
from datetime import datetime

from chat import crypto
from registration import clavis
from registration.models.delivery import Delivery

logger = logging.getLogger("geruisloos.outbox")


def deliver_due(at: datetime) -> int:
    """Try everything that is due at `at`, each once; how many arrived. Never called inside a transaction."""
    arrived = 0
    while delivery := Delivery.objects.claim(at):
        arrived += _deliver(delivery, at)
    return arrived


def _deliver(delivery: Delivery, at: datetime) -> bool:
    version = delivery.version
    try:
        receipt = clavis.deliver(version.text(), region=version.registration.region.code, name=version.name)
    except OSError as error:
        # The name of the error only: the message holds the path.
        what = errno.errorcode.get(error.errno or 0, type(error).__name__)
        logger.warning("%s did not arrive in Clavis: %s", version, what)
        delivery.failed(what, at=at, spread=random.random())  # noqa: S311 - spreads attempts, guards nothing
    except (clavis.Invalid, crypto.Unreadable) as error:
        logger.error("%s is stuck: %s", version, type(error).__name__)
        delivery.is_stuck(str(error) or type(error).__name__)
    else:
        delivery.arrived(receipt=receipt, at=at)
        return True
    return False
