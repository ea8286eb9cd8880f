"""What witnesses hold of a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

import httpx

SECONDS = 10.0


class Silent(Exception):
    """A witness gave no answer that can be used. Fate: told, and asked again in the next round."""


@dataclass(frozen=True, slots=True)
class WitnessAt:
    """A witness, by its base URL. `title` is that without what may be a password."""

    url: str
    title: str

    @classmethod
    def parse(cls, url: str) -> Self:
        return cls(url.rstrip("/"), urlsplit(url).netloc.rpartition("@")[2])

    def held(self, origin: str) -> bytes | None:
        """The note of the last checkpoint that it cosigned, not verified; None if there is none. Raises Silent."""
        try:
            answer = httpx.get(f"{self.url}/checkpoint/{quote(origin)}", timeout=SECONDS, trust_env=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Silent(f"the witness {self.title} does not answer ({type(error).__name__})") from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code != httpx.codes.OK:
            raise Silent(f"the witness {self.title} answered {answer.status_code}")
        return answer.content
