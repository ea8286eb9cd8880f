"""`custlog audit why`: which event made a field what it is."""

from typing import Annotated, Any

import typer

from deploy.changes.answers import why as reasons
from deploy.changes.reading import account_for, read
from deploy.commands.instants import instant
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.trail.asker import PURPOSE, PurposeOption, TokenOption
from deploy.trail.inquiry import inquiry


def why(
    customer: Annotated[str, typer.Argument(help="A customer number, an id, or SOURCE:EXTERNAL-ID.")],
    field: Annotated[str, typer.Argument(help="Such as name, phone, address:main, owner, consent:PURPOSE/CHANNEL.")],
    *,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As it was at this instant.")] = None,
    purpose: PurposeOption = PURPOSE,
    token: TokenOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why a field is so: the event, command, account and rule that set it, and what it was before."""
    then = instant(as_of, "--as-of")
    with inquiry(home, token, "AUDIT why", purpose) as asked:
        about = asked.history.customer(customer)
        steps, showing = read(asked.history, about, then, asked.who)
        answer = {"customer": about, **reasons(steps, field, showing)}
        account_for(asked.home, asked.access, showing)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    _line(f"{answer['field']} of {answer['customer']}: {told(answer['now'])}")
    for turn in (answer["because"], *answer["before"]):
        event = turn["event"]
        _line(f"  {place(event)} made it {told(turn['became'])}; it was {told(turn['was'])}")
        _line(f"    {_who(event)}")
        if "value_from" in turn:
            _line(f"    the value is from {place(turn['value_from'])}")
            _line(f"    {_who(turn['value_from'])}")


def _line(text: str) -> None:
    STDOUT.print(text, highlight=False, markup=False, soft_wrap=True)


def place(event: dict[str, Any]) -> str:
    """Where an event stands, what it is and when it was recorded."""
    return f"{event['log']}:{event['position']} {event['type']} at {event['recorded_at']}"


def told(fact: dict[str, Any] | None) -> str:
    """What holds for a field, for a reader of a terminal."""
    if fact is None:
        return "nothing"
    value = fact.get("value")
    if isinstance(value, dict):
        value = value.get("full", value)
    text = repr(value) if "value" in fact else "erased" if fact.get("erased") else "(not shown to you)"
    why_so = f", {fact['rule']}: {fact['why']}" if fact.get("rule") else ""
    return f"{text} (from {fact['source']}{why_so})"


def _who(event: dict[str, Any]) -> str:
    rule = "".join(
        f", {name} {event['data'][name]}" for name in ("rule", "decided_by", "evidence") if name in event["data"]
    )
    return f"by {event['actor']} through {event['channel']} for {event['purpose']}{rule}, command {event['command']}"
