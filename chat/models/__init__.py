"""The conversation and what it is made of."""

from chat.models.conversation import Conversation
from chat.models.credentials import CREDENTIALS_KEPT, Credential, Halves, digest
from chat.models.log import ConversationKey, Entry, Presence

__all__ = ["CREDENTIALS_KEPT", "Conversation", "ConversationKey", "Credential", "Entry", "Halves", "Presence", "digest"]
