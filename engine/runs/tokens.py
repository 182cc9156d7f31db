"""Tokens in place of keys and personal values: keyed, equal for equal values, in the same order, and never the value itself."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from engine.messages.addresses import normalize

# Far above the keys that CRMs give, so that no token is somebody's key.
_FIRST = 4_000_000_000_000
_EPOCH = date(1970, 1, 2)


class Tokens:
    """One key's tokens. Keys of records are given out in their natural order, since plans order by them (4.4, 4.6, 6.21)."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._keys: dict[str, dict[str, str]] = {}
        self._addresses: dict[str, str] = {}

    def take_keys(self, entity: str, keys: Iterable[str], ending: str = "") -> None:
        """Give every key of an entity its token, once and all together; `ending` stands behind those that are no numbers."""
        known: dict[str, str] = {}
        number = _FIRST + self._number(f"first:{entity}") % 10**9
        for place, key in enumerate(sorted(set(keys), key=_natural)):
            number += 1 + self._number(f"step:{entity}:{key}") % 97
            known[key] = str(number) if _whole(key) else f"k{place:09d}{self.hash(f'{entity}:{key}')[:6]}{ending}"
        self._keys[entity] = known

    def key(self, entity: str, key: str | None) -> str | None:
        """The token of a record's key; one that no record has any more was taken with the others."""
        return None if key is None else self._keys.get(entity, {}).get(key, f"gone-{self.hash(f'{entity}:{key}')[:16]}")

    def named(self, entity: str, keys: Iterable[str]) -> Mapping[str, str]:
        """Tokens of keys that the definitions name, by the hash of the key: who reads it must know the key already."""
        return {self.hash(f"{entity}:{key}"): str(self.key(entity, key)) for key in keys if key in self._keys.get(entity, {})}

    def settle_address(self, address_key: str, address: str) -> None:
        """What stands for an address is decided already: where it is the key of its contact."""
        self._addresses[address_key] = address

    def address_of(self, address_key: str | None) -> str | None:
        """The address that stands for all with this address key."""
        if address_key in self._addresses:
            return self._addresses[address_key]
        return None if address_key is None else f"p{self.hash(f'address:{address_key}')[:24]}@example.com"

    def address(self, value: str, address_key: str) -> str:
        """An address is an address afterwards, and what is none is none."""
        return str(self.address_of(address_key)) if normalize(value.strip().lower()) is not None else f"no-address-{self.hash(value)[:16]}"

    def value(self, place: str, value: Any) -> Any:
        """A personal value of any type; no value stays none, and a blank text stays blank."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return None if value is None else ""
        hashed = self._number(f"{place}:{value!r}")
        if isinstance(value, str):
            return f"x{self.hash(f'{place}:{value}')[:16]}"
        if isinstance(value, bool):
            return hashed % 2 == 0
        if isinstance(value, datetime):
            return datetime(1970, 1, 2) + timedelta(seconds=hashed % 1_500_000_000)
        if isinstance(value, date):
            return _EPOCH + timedelta(days=hashed % 15_000)
        return type(value)(hashed % 10**9)

    def hash(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    def _number(self, text: str) -> int:
        return int(self.hash(text)[:15], 16)


def _whole(key: str) -> bool:
    digits = key[1:] if key.startswith("-") else key
    return digits.isascii() and digits.isdecimal() and len(digits) <= 37


def _natural(key: str) -> tuple[bool, int, str]:
    return (False, int(key), key) if _whole(key) else (True, 0, key)
