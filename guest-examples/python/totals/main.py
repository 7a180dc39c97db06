"""Adds up the amounts of each user: `{"user": "ada", "amount": 3}` into the key `total/ada`."""

import re
from collections import defaultdict

from tidemill import Batch, Event, Halt, Reject, processor, state

MOST = 2**53 - 1  # what every reader of JSON keeps exactly
NEEDED = "not a payment: it needs a string `user` and an integer `amount` of at most 2^53-1 in magnitude"
NUMBER = re.compile("[+-]?[0-9]+")


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
        fields = event.json()
        user, amount = fields["user"], fields["amount"]
    except ValueError as error:
        raise Reject(f"not a payment: {error}") from None
    except (LookupError, TypeError):  # a field is missing, or it is no object
        raise Reject(NEEDED) from None
    if type(user) is not str or type(amount) is not int or abs(amount) > MOST:
        raise Reject(NEEDED)
    return user, amount


def number(key: str, value: str | bytes | None) -> int:
    """The total that the state has."""
    if value is None:
        return 0
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return int(value)
    raise Halt(f"the state of `{key}` is not a number")
