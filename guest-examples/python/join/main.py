"""Joins customers and their orders, whichever come first, into a row per customer: `customer/<id>`."""

import json
from typing import Any

from tidemill import Event, Halt, Reject, each_event, state

MOST = 2**53 - 1  # what every reader of JSON keeps exactly


@each_event
def apply(event: Event) -> None:
    try:
        fields = event.json()
    except ValueError as error:
        raise Reject(f"not an event: {error}") from None

    match fields:
        case {"type": "customer", "id": str(customer), "name": str(name)}:
            row = read(customer)
            row["name"] = name
        case {"type": "order", "customer": str(customer), "amount": int(amount)} if is_amount(amount):
            row = read(customer)
            row["spent"] += amount
            if not is_sum(row["spent"]):
                raise Reject(f"not an event: with {amount} more, `{customer}` has spent more than can be counted")
        case {"type": str(kind)} if kind not in ("customer", "order"):
            return
        case _:
            raise Reject("not an event: a field is missing or is of another type")

    # Without spaces, and `name` before `spent` as `read` makes it, so that every language writes the same bytes.
    state[f"customer/{customer}"] = json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def read(customer: str) -> dict[str, Any]:
    """The row of a customer, empty if there is none yet."""
    key = f"customer/{customer}"
    text = state.get(key)
    if text is None:
        return {"name": None, "spent": 0}
    try:
        if isinstance(text, bytes):
            raise ValueError("it is bytes, not text")
        match json.loads(text):
            case {"name": str() | None as name, "spent": int(spent)} if is_sum(spent):
                return {"name": name, "spent": spent}
            case _:
                raise ValueError("it is not a name and a sum")
    except ValueError as error:
        raise Halt(f"the row `{key}` cannot be read: {error}") from None


def is_sum(spent: int) -> bool:
    """Sums have 64 bits, so that every language can hold them."""
    return not isinstance(spent, bool) and -(2**63) <= spent < 2**63


def is_amount(amount: int) -> bool:
    return not isinstance(amount, bool) and abs(amount) <= MOST
