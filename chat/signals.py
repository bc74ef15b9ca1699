"""
The two announcements of the product, made inside the transaction of the verb.

Sent with `send`, not the robust kind: a listener that fails undoes the whole. Registration listens; chat does not know who does.
"""

from django.dispatch import Signal

accepted = Signal()  # conversation, by, at
ended = Signal()  # conversation, at
