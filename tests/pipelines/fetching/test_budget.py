"""The budget of bytes: who waits, who need not, and who is woken."""

from __future__ import annotations

import asyncio

from pipelines.fetching.budget import Budget


def test_takers_wait_for_room_and_those_who_must_not_wait_exceed_it():
    async def story() -> list[str]:
        told: list[str] = []
        budget = Budget(100, lambda: told.append("full"))

        async def take(name: str, size: int, at_once: bool = False) -> None:
            await budget.take(size, lambda: at_once)
            told.append(name)

        await take("first", 80)
        second = asyncio.create_task(take("second", 50))
        await asyncio.sleep(0)
        assert budget.is_full
        await take("head", 70, at_once=True)
        budget.give(80)
        await asyncio.sleep(0)
        assert not second.done()  # 70 are held, and 50 more are too many
        budget.give(70)
        await second
        assert not budget.is_full
        return told

    assert [word for word in asyncio.run(story()) if word != "full"] == ["first", "head", "second"]


def test_a_first_taker_may_take_more_than_there_is():
    async def story() -> bool:
        budget = Budget(100, lambda: None)
        await budget.take(500, lambda: False)
        return budget.is_full

    assert asyncio.run(story())
