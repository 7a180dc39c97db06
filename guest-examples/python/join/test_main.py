"""Tests of the processor on plain Python: `python3 -m unittest`."""

import sys
import unittest

sys.path.insert(0, "../../../sdk/python")

from tidemill import Halt, Reject
from tidemill_testing import run
from main import apply

ADA = {"type": "customer", "id": "c1", "name": "Ada"}
ORDER = {"type": "order", "customer": "c1", "amount": 7}


class Join(unittest.TestCase):
    def test_the_order_of_the_events_does_not_matter(self) -> None:
        row = {"customer/c1": '{"name":"Ada","spent":7}'}
        self.assertEqual(run(apply, ADA, ORDER), row)
        self.assertEqual(run(apply, ORDER, ADA), row)

    def test_a_customer_without_a_name_has_none(self) -> None:
        self.assertEqual(run(apply, ORDER, ORDER), {"customer/c1": '{"name":null,"spent":14}'})

    def test_events_of_other_types_are_ignored(self) -> None:
        self.assertEqual(run(apply, {"type": "refund", "customer": 5}), {})

    def test_only_what_json_must_escape_is_escaped(self) -> None:
        after = run(apply, {**ADA, "name": 'Å "\\\u0001\n\u007f\u2028'})
        self.assertEqual(after, {"customer/c1": '{"name":"Å \\"\\\\\\u0001\\n\u007f\u2028","spent":0}'})

    def test_a_sum_beyond_64_bits_is_rejected(self) -> None:
        with self.assertRaisesRegex(Reject, "^not an event: ") as caught:
            run(apply, ADA, ORDER, state={"customer/c1": '{"name":null,"spent":9223372036854775807}'})
        self.assertEqual(caught.exception.index, 1)

    def test_a_row_that_cannot_be_read_halts(self) -> None:
        good = b'{"name":null,"spent":0}'
        for row in ["", "{}", '{"name":5,"spent":0}', '{"name":null,"spent":9223372036854775808}', good]:
            with self.subTest(row=row), self.assertRaisesRegex(Halt, "^the row `customer/c1` cannot be read: "):
                run(apply, ORDER, state={"customer/c1": row})


if __name__ == "__main__":
    unittest.main()
