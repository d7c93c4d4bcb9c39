"""The daily budget of transcription hours, in a real Valkey."""

import pytest

from shared.errors import RateLimitExceeded
from shared.redis.store import JobStore
from workers.transcription.budget import TranscriptionBudget


def test_hours_are_counted_over_all_who_spend_them_and_refused_beyond(store: JobStore) -> None:
    one, other = TranscriptionBudget(store.redis, 2), TranscriptionBudget(store.redis, 2)
    one.spend(1.5)

    with pytest.raises(RateLimitExceeded) as refused:
        other.spend(1)
    other.spend(0.5)

    assert refused.value.retry_after_s is not None
    assert 0 <= refused.value.retry_after_s <= 24 * 3600


def test_hours_that_were_not_used_are_given_back(store: JobStore) -> None:
    budget = TranscriptionBudget(store.redis, 1)
    budget.spend(1)
    budget.spend(-1)

    budget.spend(1)


def test_a_budget_of_nothing_refuses_everything(store: JobStore) -> None:
    with pytest.raises(RateLimitExceeded):
        TranscriptionBudget(store.redis, 0).spend(0.01)
