"""What is kept of a conversation, with what it can be answered, and its way to Clavis."""

from registration.models.codes import Code, CodeList
from registration.models.delivery import Delivery, Version
from registration.models.registrations import Choice, RegisteredConversation, Registration, RegistrationKey

__all__ = ["Choice", "Code", "CodeList", "Delivery", "RegisteredConversation", "Registration", "RegistrationKey", "Version"]
