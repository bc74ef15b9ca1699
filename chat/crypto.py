"""
Keys and texts: each conversation has a random key of its own, wrapped by the first of TRANSCRIPT_KEYS (threat-model K1).

AES-256-GCM of the library `cryptography`, a fresh 96-bit nonce for each text, and associated data that say where the text
belongs, so that stored texts cannot be swapped, moved or replayed.
"""

import hashlib
import os
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE = 12
KEY_ID = 4
VERSION = b"1"


class Unreadable(Exception):
    """A stored text that does not open with its key at its place: never shown as something else."""


@lru_cache(maxsize=1)
def _keyring(keys: tuple[bytes, ...]) -> dict[bytes, AESGCM]:
    return {hashlib.sha256(key).digest()[:KEY_ID]: AESGCM(key) for key in keys}


def _seal(cipher: AESGCM, text: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + cipher.encrypt(nonce, text, place)


def _open(cipher: AESGCM, sealed: bytes, place: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place)
    except (InvalidTag, ValueError) as error:
        raise Unreadable from error


class Cipher:
    """The opened key of one thing that is kept: a conversation, a registration."""

    __slots__ = ("_aes", "_owner")

    def __init__(self, key: bytes, owner: UUID) -> None:
        self._aes, self._owner = AESGCM(key), owner.bytes

    def _place(self, *where: object) -> bytes:
        return b"|".join([self._owner, VERSION, *(str(part).encode() for part in where)])

    def seal(self, text: str, *where: object) -> bytes:
        """Encrypt a text for its place, for example `seq, author, kind` of an entry."""
        return _seal(self._aes, text.encode(), self._place(*where))

    def open(self, sealed: bytes, *where: object) -> str:
        """The text that was sealed for this place. Raises Unreadable."""
        return _open(self._aes, bytes(sealed), self._place(*where)).decode()


def new_key(owner: UUID) -> tuple[bytes, Cipher]:
    """A fresh key for `owner`: wrapped, as it is stored, and opened."""
    key = os.urandom(32)
    return wrap(key, owner), Cipher(key, owner)


def wrap(key: bytes, owner: UUID) -> bytes:
    first = settings.TRANSCRIPT_KEYS[0]
    key_id = hashlib.sha256(first).digest()[:KEY_ID]
    return key_id + _seal(_keyring(tuple(settings.TRANSCRIPT_KEYS))[key_id], key, b"key|" + owner.bytes)


def unwrap(wrapped: bytes, owner: UUID) -> Cipher:
    """Open a stored key. Raises Unreadable when none of TRANSCRIPT_KEYS made it."""
    wrapped = bytes(wrapped)
    cipher = _keyring(tuple(settings.TRANSCRIPT_KEYS)).get(wrapped[:KEY_ID])
    if cipher is None:
        raise Unreadable
    return Cipher(_open(cipher, wrapped[KEY_ID:], b"key|" + owner.bytes), owner)
