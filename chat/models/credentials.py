"""The right of a browser to its conversation."""

import hashlib
import secrets
from dataclasses import dataclass

from django.db import models

CREDENTIALS_KEPT = 5  # of one browser: a start form that is sent again gets a new one each time


@dataclass(frozen=True, slots=True)
class Halves:
    """The two halves of a chatter's cookie. One alone opens nothing; the first, HttpOnly, alone suffices to leave."""

    first: str
    second: str

    @classmethod
    def new(cls) -> "Halves":
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def digest(secret: str) -> bytes:
    """What is stored of a random secret of 256 bits."""
    return hashlib.sha256(secret.encode()).digest()


class Credential(models.Model):
    """The right of one browser to one conversation: digests of the two halves of its cookie."""

    retention = "with the conversation's text, or at quick exit"

    conversation = models.ForeignKey("chat.Conversation", models.CASCADE, related_name="credentials")
    first = models.BinaryField(unique=True, max_length=32)
    second = models.BinaryField(max_length=32)
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.conversation_id)
