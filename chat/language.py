"""In which language somebody is answered: what was asked for, else the browser's, else Dutch."""

from django.conf import settings
from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = tuple(code for code, _ in settings.LANGUAGES)


def choose(asked: str | None, accept: str) -> str:
    """One of our languages, from a form field or address and the header `Accept-Language`."""
    if asked in LANGUAGES:
        return asked
    for code, _quality in parse_accept_lang_header(accept[:500]):
        if (short := code.split("-")[0]) in LANGUAGES:
            return short
    return settings.LANGUAGE_CODE
