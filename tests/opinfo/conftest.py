from __future__ import annotations

import pytest

from gradconform.opinfo.corpus import OperatorSamples, operators


@pytest.fixture(scope="session")
def found() -> dict[str, OperatorSamples]:
    """Every operator by its name."""
    return {one.scenario.name: one for one in operators()}
