"""Telephone numbers in a sentence stay on one line: who has to dial one reads it in one piece, at 320 px too."""

import re

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
NUMBER = re.compile(r"\b0\d{2,3}-\d{4,7}\b")  # as in words.js


@register.filter
def numbers(text: str) -> SafeString:
    """Each telephone number of a text in an element of its own; for sentences, not for what has attributes or fields."""
    return mark_safe(NUMBER.sub(r'<span class="number">\g<0></span>', conditional_escape(text)))  # noqa: S308 - escaped here
