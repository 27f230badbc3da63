"""The writer's thread outlives whatever goes wrong in a commit: nobody waits for ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journals import a_fill

from fillhandler_server.domain.errors import StoreUnavailableError
from fillhandler_server.domain.events import Outcome
from fillhandler_server.encryption import KeySource
from fillhandler_server.journal import Batch, Head
from fillhandler_server.journal.store import Store
from fillhandler_server.projections.working_set import WorkingSet
from fillhandler_server.writer import Session, Writer

WAIT_SECONDS = 30


class FaultySubscriber:
    """Raises at the first commit it hears of."""

    def __init__(self) -> None:
        self.raised = False

    def committed(self, batches: list[Batch]) -> None:
        if not self.raised:
            self.raised = True
            raise RuntimeError("a fault that nobody thought of")

    def replaced(self, instance_id: str, head: Head) -> None:
        raise AssertionError("nothing is replaced here")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data", KeySource(key_folder=tmp_path / "keys", use_keyring=False))
    yield opened
    opened.close()


def test_a_fault_after_the_commit_is_an_unknown_outcome_and_the_next_request_settles_it(store: Store) -> None:
    writer = Writer(store, WorkingSet.over, subscriber=FaultySubscriber())
    writer.start()
    try:

        def work(session: Session) -> tuple[Outcome, int]:
            result = session.engine.record_fill(a_fill("1"))
            return result.outcome, result.sequence

        with pytest.raises(StoreUnavailableError):
            writer.submit(work).result(WAIT_SECONDS)
        assert writer.submit(work).result(WAIT_SECONDS) == (Outcome.DUPLICATE, 1)
    finally:
        writer.close()


def test_an_anchor_that_cannot_be_written_stops_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(store, WorkingSet.over)
    writer.start()
    try:

        def cannot(head: Head) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(store, "anchor", cannot)
            with pytest.raises(StoreUnavailableError):
                writer.submit(lambda session: session.engine.record_fill(a_fill("1"))).result(WAIT_SECONDS)
        again = writer.submit(lambda session: session.engine.record_fill(a_fill("1"))).result(WAIT_SECONDS)
        assert again.outcome is Outcome.DUPLICATE
    finally:
        writer.close()
