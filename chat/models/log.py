"""What a conversation is made of: its key, its log, and when and up to where it was seen."""

from collections.abc import Iterable
from typing import Any

from django.db import models

from chat import entries
from staffing.models import Employee


class ConversationKey(models.Model):
    """The wrapped key of one conversation, in a table of its own: destroying this row destroys the text."""

    retention = "destroyed with the text"

    conversation = models.OneToOneField("chat.Conversation", models.CASCADE, primary_key=True, related_name="key")
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return str(self.conversation_id)


class Presence(models.Model):
    """When the chatter was last heard, and up to where each side has been shown the log. Apart from the conversation: it changes often."""

    retention = "with the conversation's text"

    conversation = models.OneToOneField("chat.Conversation", models.CASCADE, primary_key=True, related_name="presence")
    heard_at = models.DateTimeField(null=True)
    chatter_read = models.PositiveIntegerField(default=0)
    employee_read = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.conversation_id)


class EntryManager(models.Manager["Entry"]):
    def append(self, news: Iterable[entries.New], *, skip_locked: bool = False) -> list[entries.Answer]:
        """Number and store entries inside the running transaction: see entries.append."""
        return entries.append(list(news), skip_locked=skip_locked)


class Entry(models.Model):
    """One line of the log. Numbered 1, 2, 3 … per conversation; the text encrypted under its number."""

    retention = "30 days after the end of the conversation; 24 hours when never accepted"

    pk = models.CompositePrimaryKey("conversation", "seq")
    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="log", db_index=False)
    seq = models.PositiveIntegerField()
    id = models.UUIDField()
    author = models.CharField(max_length=10)
    kind = models.CharField(max_length=10)
    by = models.ForeignKey(Employee, models.PROTECT, null=True, db_index=False)
    at = models.DateTimeField()
    sealed = models.BinaryField()

    objects = EntryManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "author", "id"], name="sent_once")]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.seq}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("Entries are only appended: Entry.objects.append")
