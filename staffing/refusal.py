"""A refusal: a code for machines and a sentence for people that says what they can do now."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from staffing.rules import Refusal

SENTENCES = {
    Refusal.BAD_FRAME: _("This was not understood. Load the page again."),
    Refusal.EMPTY: _("There is nothing in your message yet. Type something first."),
    Refusal.TOO_LONG: _("Your message is too long. Send it in two parts."),
    Refusal.TOO_FAST: _("That went a little too fast. We try again by ourselves."),
    Refusal.ENDED: _("The conversation is over. You can begin a new one."),
    Refusal.ID_REUSED: _("This message was already sent with another text. Load the page again."),
    Refusal.NOT_FOUND: _("This conversation is not here."),
    Refusal.NOT_ALLOWED: _("This is not possible now."),
    Refusal.UNAVAILABLE: _("It does not work for a moment. Call 0800-2000. Your message is still there."),
    Refusal.ALREADY_ACCEPTED: _("A colleague was first. This chat is no longer waiting."),
    Refusal.NO_ROOM: _("You have no room for a chat of another region. End a conversation first."),
    Refusal.NOT_ON_DUTY: _("You are not on duty. Start your duty first."),
    Refusal.LAST_ONE: _("You are the last one of your region who can be reached. Wait until a colleague is on duty and connected."),
    Refusal.HOLDS_CONVERSATIONS: _("You still have running conversations. End them, or pass them to a colleague first."),
    Refusal.TOO_EARLY: _("The line is not open. You can start your duty from half an hour before it opens."),
    Refusal.CLOSED: _("The chat is closed now. Call 0800-2000."),
    Refusal.CHANGED: _("Somebody else has changed this meanwhile. Load the newest version."),
    Refusal.INCOMPLETE: _("Something is still missing. See what stands beside the fields."),
    Refusal.FROZEN: _("This registration is closed. It can only be corrected."),
    Refusal.STILL_RUNNING: _("The conversation is still running. End it first, then register."),
    Refusal.UNREADABLE: _("This registration cannot be read with the keys of this server. Tell the administrator."),
}


class Refused(Exception):
    """An expected 'no', raised by a verb and translated in one place per door."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(code.value)
        self.code = code

    def detail(self, language: str | None = None) -> str:
        """The sentence, in that language or in the one of the running request."""
        if language is None:
            return str(SENTENCES[self.code])
        with override(language):
            return str(SENTENCES[self.code])
