"""The names this service gives: streams of its log and reserved keys."""

from __future__ import annotations

_STREAM = "identity-"
BY_SOURCE = "source:"
"""So begins the reference to a customer by source and external id, where numbers are looked up; never an alias."""


def stream_of(customer: str) -> str:
    """The identity stream of a customer."""
    return _STREAM + customer


def customer_of(stream: str) -> str:
    """The customer of an identity stream."""
    return stream.removeprefix(_STREAM)


def number_key(number: str) -> str:
    """The key that makes a number or alias unique for ever."""
    return f"number:{number}"
