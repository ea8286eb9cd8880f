"""A known bug as a change of the text of production code, applied to the modules of the present process."""

from __future__ import annotations

import builtins
import dis
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from types import CodeType, FunctionType
from typing import Any

from psycopg.sql import SQL

LOGS = ("customer", "identity", "notifications")
CONSUMERS = ("identity", "notifications")
SERVICES = ("customer", "identity", "notifications", "projections")


class Gone(Exception):
    """The code that a plant changes is not as it was. Fate: whoever changed it writes the plant anew."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Fragments of one function or of one text constant, each of which stands there exactly once, and what is put
    in their places.

    `target` is "<module>:<function, Class.method or CONSTANT>". A function keeps its identity and gets other code, so
    it does not matter who has imported it already; a constant is changed in its own module only.
    """

    target: str
    changes: Mapping[str, str]

    def apply(self) -> None:
        """Changes the target in this process. Raises Gone."""
        found = self._found()
        if isinstance(found, FunctionType):
            found.__code__ = self._compiled(found)
        elif isinstance(found, str):
            self._set(self._changed(found))
        elif isinstance(found, SQL):
            self._set(SQL(self._changed(found.as_string(None))))
        else:
            raise Gone(f"{self.target} is neither a function nor a text any more; write this plant anew")

    def _module(self) -> Any:
        return importlib.import_module(self.target.partition(":")[0])

    def _found(self) -> object:
        names = self.target.partition(":")[2].split(".")
        try:
            found = reduce(inspect.getattr_static, names, self._module())
        except AttributeError:
            raise Gone(f"there is no {self.target} any more; write this plant anew") from None
        return inspect.unwrap(getattr(found, "__func__", found))

    def _set(self, text: object) -> None:
        setattr(self._module(), self.target.partition(":")[2], text)

    def _changed(self, text: str) -> str:
        for old, new in self.changes.items():
            if (times := text.count(old)) != 1:
                raise Gone(f"{self.target} has {times} times, not once, {old!r}; write this plant anew")
            text = text.replace(old, new)
        return text

    def _compiled(self, function: FunctionType) -> CodeType:
        source = textwrap.dedent(inspect.getsource(function))
        begins = re.search(r"^(async )?def ", source, re.MULTILINE)
        if begins is None:
            raise Gone(f"{self.target} is not written as a function any more; write this plant anew")
        changed = self._changed(source[begins.start() :])
        made: dict[str, Any] = dict(function.__globals__)
        # The text is compiled with the future imports of this module: annotations are not looked up.
        exec(compile(changed, f"<planted in {self.target}>", "exec"), made)
        code: CodeType = made[function.__name__].__code__
        if code.co_freevars != function.__code__.co_freevars:
            raise Gone(f"{self.target} stands inside another function now; write this plant anew")
        if unknown := sorted(set(_names(code)) - made.keys() - vars(builtins).keys()):
            raise Gone(f"{self.target} does not know {', '.join(unknown)} any more; write this plant anew")
        return code


def _names(code: CodeType) -> Iterator[str]:
    """The global names that code reads, and the code inside it."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
        elif isinstance(step.argval, CodeType):
            yield from _names(step.argval)


@dataclass(frozen=True, slots=True)
class Plant:
    """One known bug.

    what      one sentence, as a reviewer would put it
    services  whose processes it changes
    edits     the bug itself
    faults    the kinds of faults that bring it out; none if load alone does
    expected  the invariants of which at least one has to be found broken
    rate      commands per second, if the bug needs more than the usual load
    needs     the part of the load that the bug needs, if not every one has it
    """

    name: str
    what: str
    services: tuple[str, ...]
    edits: tuple[Edit, ...]
    faults: tuple[str, ...]
    expected: tuple[str, ...]
    rate: float | None = None
    needs: str = ""

    def apply(self) -> None:
        """Plants the bug in this process, before its service is made. Raises Gone."""
        for edit in self.edits:
            edit.apply()
