"""Adds up the amounts of each user: `{"user": "ada", "amount": 3}` into the key `total/ada`."""

import re
from collections import defaultdict

from tidemill import Batch, Event, Halt, Reject, processor, state

MOST = 2**53 - 1  # what every reader of JSON keeps exactly


@processor
def process(batch: Batch) -> None:
    sums: defaultdict[str, int] = defaultdict(int)
    for event in batch:
        user, amount = payment(event)
        sums[f"total/{user}"] += amount

    befores = state.get_many(sums)
    state.apply({key: str(number(key, before) + sums[key]) for key, before in zip(sums, befores)})


def payment(event: Event) -> tuple[str, int]:
    """The user and the amount of an event."""
    try:
        match event.json():
            case {"user": str(user), "amount": int(amount)} if not isinstance(amount, bool):
                if abs(amount) <= MOST:
                    return user, amount
                raise ValueError(f"the amount {amount} is beyond 2^53-1")
            case _:
                raise ValueError("it has no `user` that is text or no `amount` that is a whole number")
    except ValueError as error:
        raise Reject(f"not a payment: {error}") from None


def number(key: str, value: str | bytes | None) -> int:
    """The total that the state has."""
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch("[+-]?[0-9]+", value):
        return int(value)
    raise Halt(f"the state of `{key}` is not a number")
