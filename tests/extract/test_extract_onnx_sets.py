"""What the backend test data of the onnx package says: every file is right, or one clear error."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra 'onnx'")
from onnx_sets import Case, cases, counted, judge

SAMPLE = (
    "node:averagepool,clip,conv,convinteger,convtranspose,dequantizelinear,dynamicquantizelinear,einsum,"
    "flatten,gather,gemm,groupnormalization,gru,hardsigmoid,if_,instance_normalization,lrn,lstm,"
    "matmulinteger,maxpool,mean,pad,pow,prelu,qlinearconv,reducesum,rnn,selu,slice,split,squeeze,sum,topk,"
    "unsqueeze,upsample,where"
)


def rows(others: list[dict[str, str]]) -> list[str]:
    return [f"{row['case']}: {row['kind']}, {row['why']}" for row in others]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("which", "right"), [("simple", 13), ("pytorch-converted", 82), ("pytorch-operator", 35), (SAMPLE, 190)]
)
def test_nothing_is_wrong_and_nothing_crashes(which: str, right: int) -> None:
    kinds, others = counted(which)
    bad = [row for row in others if row["kind"] in ("wrong", "crash")]
    assert not bad, rows(bad)
    assert kinds["right"] >= right, rows(others)


@pytest.mark.filterwarnings("ignore")
def test_a_network_of_the_first_zoo() -> None:
    """SqueezeNet of 2017: Softmax over rows, as it was before version 13."""
    found: list[Case] = [case for case in cases("light") if case.name == "light_squeezenet"]
    assert judge(found[0]) == ("right", "")


@pytest.mark.study
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("which", "right"), [("light", 9), ("node", 1600)])
def test_the_whole_sets(which: str, right: int) -> None:
    kinds, others = counted(which)
    bad = [row for row in others if row["kind"] in ("wrong", "crash")]
    assert not bad, rows(bad)
    assert kinds["right"] >= right, rows(others)
