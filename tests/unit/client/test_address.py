"""Where clients look for the daemon."""

import os

import pytest

from tracerd.client import default_socket


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    monkeypatch.delenv("TRACERD_SOCKET", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_variable_comes_first(monkeypatch):
    monkeypatch.setenv("TRACERD_SOCKET", "/x/y")

    assert default_socket() == "/x/y"


def test_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setenv("TRACERD_SOCKET", "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert default_socket() == "/run/tracerd.sock"


def test_users_have_their_own(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert default_socket() == "/run/user/1000/tracerd.sock"

    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp/me")

    assert default_socket() == "/tmp/me/tracerd.sock"
