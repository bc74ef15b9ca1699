"""How a conversation begins, once for each form, and how a browser finds its own again."""

import hmac
import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, models, transaction

from chat import crypto, entries, hints
from chat.models.credentials import Credential, Halves, digest
from chat.models.log import ConversationKey, Entry, Presence
from chat.rules import Author
from staffing.models import Municipality, Region
from staffing.rules import is_connected

if TYPE_CHECKING:
    from chat.models.conversation import Conversation


def _start_digest(form: uuid.UUID, browser: str) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), f"start|{form}|{browser}".encode(), "sha256")


class ConversationManager(models.Manager["Conversation"]):
    def start(
        self,
        *,
        form: uuid.UUID,
        browser: str,
        at: datetime,
        nickname: str = "",
        municipality: Municipality | None = None,
        region: Region | None = None,
        role: str = "",
        text: str = "",
        language: str = "nl",
    ) -> "tuple[Conversation, Halves]":
        """
        Begin a conversation, once for each form of one browser; sent again, it is the same one with a new cookie.

        `browser` is the browser's CSRF secret: the form's UUID alone opens nothing. A municipality goes before the region.
        """
        start_digest = _start_digest(form, browser)
        if known := self.begun_by(form, browser):
            return known, known.new_credential(at=at)
        try:
            with transaction.atomic():
                made = self._begin(start_digest, nickname, municipality, region, role, text, language, at)
                return made, made.new_credential(at=at)
        except IntegrityError:  # the same form at the same moment: the other one was first
            known = self.get(start_digest=start_digest)
            return known, known.new_credential(at=at)

    def begun_by(self, form: uuid.UUID, browser: str) -> "Conversation | None":
        """The conversation that this form of this browser has begun already."""
        return self.filter(start_digest=_start_digest(form, browser)).first()

    def _begin(
        self,
        start_digest: bytes,
        nickname: str,
        municipality: Municipality | None,
        region: Region | None,
        role: str,
        text: str,
        language: str,
        at: datetime,
    ) -> "Conversation":
        pk = uuid.uuid4()
        wrapped, cipher = crypto.new_key(pk)
        made = self.create(
            pk=pk,
            start_digest=start_digest,
            region=municipality.region if municipality else region,
            role=role,
            language=language,
            started_at=at,
            waiting_since=at,
            nickname=cipher.seal(nickname, "nickname"),
            municipality=cipher.seal(municipality.cbs_code if municipality else "", "municipality"),
        )
        ConversationKey.objects.create(conversation=made, wrapped=wrapped)
        Presence.objects.create(conversation=made, heard_at=at)
        if text:
            Entry.objects.append([entries.New(pk, Author.CHATTER, uuid.uuid4(), text, at)])
        transaction.on_commit(hints.changed)
        return made

    def opened_by(self, halves: Halves, at: datetime) -> "tuple[Conversation, Credential] | None":
        """
        The conversation that this browser holds; None when a half is wrong or the browser was silent for COOKIE_LIFE (D6).

        After a quick exit too: the start form, sent again from the history, must not lead back (threat-model 4.2).
        """
        found = (
            Credential.objects.filter(first=digest(halves.first))
            .select_related("conversation__presence", "conversation__holder", "conversation__region")
            .first()
        )
        if not found or not hmac.compare_digest(bytes(found.second), digest(halves.second)):
            return None
        if found.conversation.left_at or not is_connected(found.conversation.presence.heard_at, at, settings.COOKIE_LIFE):
            return None
        return found.conversation, found
