"""One job per output: the lock of `storage.locks.lock`, with the words of a job."""

from __future__ import annotations

from pipelines.output.folder import Output
from storage.locks.holder import Holder
from storage.locks.lock import BEAT_SECONDS, LEASE_SECONDS, Lock


def output_lock(output: Output, *, beat: float = BEAT_SECONDS, lease: float = LEASE_SECONDS) -> Lock:
    """The lock that a job holds while it writes.

    Entering it raises ConfigError if another job holds it, and OSError. Linked folders are a ConfigError too.
    """
    output.check_folders()

    def refusal(holder: Holder) -> str:
        return (
            f"output {output.uri}: another job is writing there ({holder}); "
            "wait for it, stop it, or give another output"
        )

    return Lock(output.state("lock"), refusal, beat=beat, lease=lease)
