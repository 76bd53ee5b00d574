"""What the demos change of this process, and other tests look at, is as it was after each test."""

import logging

import pytest


@pytest.fixture(autouse=True)
def quiet_only_here():
    """A page of the demos silences kbert's logger, whose warnings would name a visitor's words."""
    logger = logging.getLogger("kbert")
    level = logger.level
    yield
    logger.setLevel(level)
