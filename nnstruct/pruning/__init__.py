"""Pruning: every registered way from a network to a sparser one, and schedules around them."""

from nnstruct.pruning.base import PRUNERS, Pruner, ScoringPruner
from nnstruct.pruning.divergence import mask_divergence
from nnstruct.pruning.masks import made_permanent, masks_of, with_masks
from nnstruct.pruning.methods.cannistraci_hebb import (
    CannistraciHebb,
    CannistraciHebbSigmoid,
    CannistraciHebbSoft,
)
from nnstruct.pruning.methods.channels import Channels
from nnstruct.pruning.methods.edge_betweenness import EdgeBetweenness
from nnstruct.pruning.methods.grasp import Grasp
from nnstruct.pruning.methods.gumbel import GumbelSoftmax
from nnstruct.pruning.methods.layerwise_obs import LayerwiseObs
from nnstruct.pruning.methods.magnitude import ClassBlind, ClassDistributed, ClassUniform
from nnstruct.pruning.methods.movement import Movement
from nnstruct.pruning.methods.optimal_brain_damage import OptimalBrainDamage
from nnstruct.pruning.methods.rigl import RigL
from nnstruct.pruning.methods.snip import Snip
from nnstruct.pruning.methods.sparse_evolution import SparseEvolution
from nnstruct.pruning.methods.sr_ste import SrSte
from nnstruct.pruning.methods.synflow import SynFlow
from nnstruct.pruning.methods.uniform_random import Random
from nnstruct.pruning.prune import load_pruner, prune
from nnstruct.pruning.slots import Scope
from nnstruct.pruning.training.evaluation import evaluate
from nnstruct.pruning.training.training import fit
from nnstruct.pruning.trajectories.grid import run_trajectories
from nnstruct.pruning.trajectories.plots import plot_accuracy
from nnstruct.pruning.trajectories.run import run_trajectory
from nnstruct.pruning.trajectories.schedules import SCHEDULES, Schedule
from nnstruct.pruning.trajectories.starting import starting_network
from nnstruct.pruning.trajectories.thresholds import compare, thresholds
from nnstruct.pruning.trajectories.trajectory import (
    Trajectory,
    TrajectoryStep,
    to_benchmark,
    trajectory_table,
)
from nnstruct.pruning.trajectories.trajectory_file import load_trajectories, save_trajectories
from nnstruct.pruning.workpiece import Workpiece

__all__ = [
    "PRUNERS",
    "SCHEDULES",
    "CannistraciHebb",
    "CannistraciHebbSigmoid",
    "CannistraciHebbSoft",
    "Channels",
    "ClassBlind",
    "ClassDistributed",
    "ClassUniform",
    "EdgeBetweenness",
    "Grasp",
    "GumbelSoftmax",
    "LayerwiseObs",
    "Movement",
    "OptimalBrainDamage",
    "Pruner",
    "Random",
    "RigL",
    "Schedule",
    "Scope",
    "ScoringPruner",
    "Snip",
    "SparseEvolution",
    "SrSte",
    "SynFlow",
    "Trajectory",
    "TrajectoryStep",
    "Workpiece",
    "compare",
    "evaluate",
    "fit",
    "load_pruner",
    "load_trajectories",
    "made_permanent",
    "mask_divergence",
    "masks_of",
    "plot_accuracy",
    "prune",
    "run_trajectories",
    "run_trajectory",
    "save_trajectories",
    "starting_network",
    "thresholds",
    "to_benchmark",
    "trajectory_table",
    "with_masks",
]
