"""Wait statuses, built by name and read back; and as the kernel makes them."""

import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.core.wait_status import (
    EVENT_STOP,
    EVENTS,
    STOPPING_SIGNALS,
    SYSCALL_STOP,
    Kind,
    WaitStatus,
    classify,
    for_event,
    for_exit,
    for_killed,
    for_signal,
)


@given(st.integers(0, 255))
def test_exit_codes(code):
    assert classify(for_exit(code)) == WaitStatus(Kind.EXITED, code)


@given(st.integers(1, 64), st.booleans())
def test_kills(signo, core):
    assert classify(for_killed(signo, core_dumped=core)) == WaitStatus(Kind.SIGNALED, signo, core)


@given(st.integers(1, 64))
def test_signal_delivery_stops_are_never_taken_for_syscall_stops(signo):
    assert classify(for_signal(signo)) == WaitStatus(Kind.SIGNAL, signo)


def test_syscall_stop():
    assert classify(SYSCALL_STOP).kind is Kind.SYSCALL


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_events(event):
    assert classify(for_event(event)).kind is EVENTS[event]


@pytest.mark.parametrize("signo", sorted(STOPPING_SIGNALS))
def test_event_stop_with_a_stopping_signal_is_a_group_stop(signo):
    assert classify(for_event(EVENT_STOP, signo)) == WaitStatus(Kind.GROUP_STOP, signo)


def test_event_stop_with_sigtrap_is_an_interrupt():
    assert classify(for_event(EVENT_STOP)).kind is Kind.INTERRUPT


def test_an_event_of_a_newer_kernel_is_unknown_and_keeps_its_bits():
    status = for_event(99)
    assert classify(status) == WaitStatus(Kind.UNKNOWN, status)


@given(st.integers(0, 2**32 - 1))
def test_any_status_is_read(status):
    assert isinstance(classify(status).kind, Kind)


def test_real_statuses_of_the_kernel():
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], {})
    assert classify(os.waitpid(pid, 0)[1]) == WaitStatus(Kind.EXITED, 7)
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "kill -KILL $$"], {})
    assert classify(os.waitpid(pid, 0)[1]) == WaitStatus(Kind.SIGNALED, signal.SIGKILL)
