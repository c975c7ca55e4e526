"""What is counted, and what of it a board is told."""

from __future__ import annotations

from gateway.counted import Load, Numbers


class TestLoad:
    def test_who_has_left_counts_until_the_run_ends(self) -> None:
        """More may be read from Letta than is being answered."""
        assert Load(requests=2, answers=3).in_hand == 3
        assert Load(requests=3, answers=2).in_hand == 3


class TestNumbers:
    def test_told_and_heard(self) -> None:
        """A board gives back what it was told; an empty one has counted nothing."""
        numbers = Numbers({("pipeline", "guard"): (1.0, 2.0)}, turned_away=3, in_hand=4)
        assert Numbers.heard(numbers.told()) == numbers
        assert Numbers.heard(b"") == Numbers()

    def test_after_another(self) -> None:
        """Counters add up, those of plugins that are gone included; what is in hand does not."""
        before = Numbers({("a", "x"): (1.0,), ("a", "gone"): (5.0,)}, turned_away=1, in_hand=9)
        now = Numbers({("a", "x"): (2.0,), ("a", "new"): (7.0,)}, turned_away=2, in_hand=4)
        assert now.after(before) == Numbers(
            {("a", "x"): (3.0,), ("a", "gone"): (5.0,), ("a", "new"): (7.0,)},
            turned_away=3,
            in_hand=4,
        )
