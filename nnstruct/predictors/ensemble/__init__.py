"""The default predictor: several members, blended by how well each predicts labels it has not seen."""

from nnstruct.predictors.ensemble.predictor import Ensemble

__all__ = ["Ensemble"]
