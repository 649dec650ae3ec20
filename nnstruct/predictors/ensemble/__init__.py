"""The default predictor: several members, blended by how well each predicts labels it has not seen."""

from nnstruct.predictors.ensemble.predictor import Ensemble
from nnstruct.predictors.ensemble.pretrained import load_pretrained

__all__ = ["Ensemble", "load_pretrained"]
