import pytest
from benchmark_fakes import FakeEngine

from nnstruct.benchmark import generate


@pytest.fixture
def engine(monkeypatch):
    fake = FakeEngine()
    monkeypatch.setattr(generate, "_stream", fake)
    return fake
