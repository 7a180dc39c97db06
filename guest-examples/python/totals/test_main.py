"""Tests of the processor on plain Python: `python3 -m unittest`."""

import sys
import unittest

sys.path.insert(0, "../../../sdk/python")

from tidemill import Halt, Reject
from tidemill_testing import run
from main import process


class Totals(unittest.TestCase):
    def test_amounts_are_added_to_what_is_there(self) -> None:
        after = run(
            process,
            {"user": "ada", "amount": 3},
            {"user": "bob", "amount": -5},
            {"user": "ada", "amount": 4},
            state={"total/ada": "10"},
        )
        self.assertEqual(after, {"total/ada": "17", "total/bob": "-5"})

    def test_sums_have_no_limit(self) -> None:
        after = run(process, {"user": "ada", "amount": 1}, state={"total/ada": str(2**64)})
        self.assertEqual(after, {"total/ada": str(2**64 + 1)})

    def test_what_is_not_a_payment_is_rejected_with_its_place(self) -> None:
        good = {"user": "ada", "amount": 3}
        for bad in [{"amount": 3}, {"user": "ada", "amount": True}, {"user": "ada", "amount": 3.5}, [], "{", b"{}"]:
            with self.subTest(bad=bad), self.assertRaisesRegex(Reject, "^not a payment: ") as caught:
                run(process, good, bad, good)
            self.assertEqual(caught.exception.index, 1)

    def test_a_state_that_is_not_a_number_halts(self) -> None:
        for total in ["three", "", " 3", "1_000", b"3"]:
            with self.subTest(total=total), self.assertRaisesRegex(Halt, "the state of `total/ada` is not a number"):
                run(process, {"user": "ada", "amount": 3}, state={"total/ada": total})


if __name__ == "__main__":
    unittest.main()
