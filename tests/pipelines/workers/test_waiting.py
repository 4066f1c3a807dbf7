"""The time that a process waits for a core, as the kernel counts it."""

from __future__ import annotations

import os
import time

from pipelines.workers.waiting import OwnWaiting, waited_seconds


def test_the_thread_and_others_read_the_same_count():
    own = OwnWaiting()
    before = own.seconds()
    assert 0.0 <= before <= waited_seconds(os.getpid())
    assert waited_seconds(os.getpid()) <= own.seconds() + 60.0


def test_sleeping_is_not_waiting():
    own = OwnWaiting()
    before = own.seconds()
    time.sleep(0.05)
    assert own.seconds() - before < 0.05 + 1.0  # the machine may be busy as the sleep ends


def test_of_a_process_that_has_gone_nothing_is_known():
    assert waited_seconds(2**22 + 1) == 0.0
