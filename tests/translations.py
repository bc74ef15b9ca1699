"""
`python -m tests.translations`: every text in the sources stands in both languages, and nothing else does.

With `--write` the missing ones are added and those no longer used are removed; their translation is left to people.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import django
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
APPS = ("config", "staffing", "chat", "registration")
FUNCTIONS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


def sources() -> Iterator[tuple[Path, str]]:
    """Every file with texts, as Python: templates become the calls that their tags stand for."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, path.read_text()
    for folder in (ROOT / "templates", *(ROOT / app / "templates" for app in APPS)):
        for path in sorted((*folder.rglob("*.html"), *folder.rglob("*.txt"))):
            # Indentation means nothing here, and Python would stumble over it.
            yield path, re.sub(r"^[ \t]+", "", templatize(path.read_text(), origin=str(path)), flags=re.MULTILINE)


def catalog_of_sources() -> Catalog:
    catalog = Catalog()
    for path, text in sources():
        for line, function, texts, _ in extract_python(io.BytesIO(text.encode()), FUNCTIONS, [], {}):
            texts = (texts,) if isinstance(texts, str) else texts
            plan = FUNCTIONS[function] or (1,)
            values = [texts[(place[0] if isinstance(place, tuple) else place) - 1] for place in plan]
            if any(value is None for value in values):
                continue  # not a plain text, such as gettext(variable): its text is marked where it is written
            context = values.pop(0) if isinstance(plan[0], tuple) else None
            catalog.add(tuple(values) if len(values) > 1 else values[0], locations=[(str(path.relative_to(ROOT)), line)], context=context)
    return catalog


def complaints(language: str, path: Path, wanted: Catalog) -> Iterator[str]:
    """What is wrong with one language, a line each."""
    if not path.exists():
        yield f"{path.relative_to(ROOT)} is missing"
        return
    catalog = read_po(path.open("rb"), locale=language, abort_invalid=True)
    for message in wanted:
        if message.id and catalog.get(_key(message), message.context) is None:
            yield f"{language}: missing: {_key(message)!r} ({message.locations[0][0]}:{message.locations[0][1]})"
    for message in catalog:
        if not message.id:
            continue
        texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if wanted.get(_key(message), message.context) is None:
            yield f"{language}: no longer used: {_key(message)!r}"
        elif message.fuzzy:
            yield f"{language}: fuzzy: {_key(message)!r}"
        elif language != "en" and not all(texts):  # what is empty in English is the English that stands in the code
            yield f"{language}: not translated: {_key(message)!r}"
        elif all(texts) and any(_places(text) != _places(_key(message)) and len(texts) == 1 for text in texts):
            yield f"{language}: other placeholders than the English: {_key(message)!r}"
        elif all(texts):
            yield from (f"{language}: {error}: {_key(message)!r}" for error in message.check(catalog))
    yield from (f"{language}: obsolete entries at the end" for _ in list(catalog.obsolete)[:1])


def update(language: str, path: Path, wanted: Catalog) -> None:
    new = Catalog(locale=language, project="Geruisloos", header_comment="# The texts of Geruisloos.", fuzzy=False)
    catalog = read_po(path.open("rb"), locale=language) if path.exists() else new
    catalog.update(wanted, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=0, sort_output=True, no_location=True, omit_header=False)


def _key(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple | list) else message.id


def _places(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[a-z]|\{\w*\}", text))


def main(arguments: list[str]) -> int:
    wanted = catalog_of_sources()
    files = {language: ROOT / "locale" / language / "LC_MESSAGES" / "django.po" for language, _ in settings.LANGUAGES}
    if arguments == ["--write"]:
        for language, path in files.items():
            update(language, path, wanted)
    found = [line for language, path in files.items() for line in complaints(language, path, wanted)]
    print(*found, f"{len(wanted)} texts in {len(files)} languages, {len(found)} to be done", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    sys.exit(main(sys.argv[1:]))
