"""How variance travels through recurrent structures, compiled by numba when a call is long."""

from __future__ import annotations

import numpy as np

from nnstruct.loops import loop

STEPS = 12  # of time
MOMENTS = (0, 3, STEPS - 1)
# Variance of the weights into a unit, times its fan-in: the gain of one layer.
GAINS = (0.5, 1.0)
COLUMNS = 8  # of each gain and way to count the fan-in


def _turns(source, target, weighted, edge_start, delayed_source, delayed_target, *given):  # type: ignore[no-untyped-def]
    """Each edge in each step, of two gains, two ways and two inputs."""
    return 8 * STEPS * (len(source) + len(delayed_source))


@loop(_turns, nogil=True, error_model="numpy")
def travel(  # type: ignore[no-untyped-def]
    source,
    target,
    weighted,
    edge_start,
    delayed_source,
    delayed_target,
    delayed_start,
    unit_start,
    inputs,
    outputs,
    gains,
    moments,
    steps,
    found,
):
    """Variances of units over time, with independent weights whose variances are a gain over the fan-in.

    Forward edges must be sorted by the layer of their target. A weight's variance divides the gain by all
    edges into its unit and its input (first way), or by those of its kind, forward or delayed (second
    way). ``found`` [S, ways x gains x 8] is written to: of a constant input the mean variance of the output
    units at three moments and their sum at the last; of an input at the first moment alone the sum over the
    output units at three moments, and the growth of the sum over all units in a step at the end. All as
    logarithms.
    """
    floor = 1e-9
    for s in range(edge_start.size - 1):
        first, n = unit_start[s], unit_start[s + 1] - unit_start[s]
        fan = np.zeros(n)
        fan_delayed = np.zeros(n)
        for e in range(edge_start[s], edge_start[s + 1]):
            if weighted[e]:
                fan[target[e]] += 1.0
        for e in range(delayed_start[s], delayed_start[s + 1]):
            fan_delayed[delayed_target[e]] += 1.0
        num_out = 0.0
        for v in range(n):
            num_out += outputs[first + v]
        column = 0
        now = np.zeros(n)
        drive = np.zeros(n)
        for way in range(2):
            for gain in gains:
                share = np.zeros(n)
                share_delayed = np.zeros(n)
                for v in range(n):
                    if way == 0:
                        whole = max(fan[v] + fan_delayed[v] + inputs[first + v], 1.0)
                        share[v], share_delayed[v] = gain / whole, gain / whole
                    else:
                        share[v] = gain / max(fan[v], 1.0)
                        share_delayed[v] = gain / max(fan_delayed[v], 1.0)
                for impulse in range(2):
                    for v in range(n):
                        now[v] = 0.0
                    before_last = 0.0
                    place = 0
                    # An impulse is at the input once; its echoes are counted from the next step on.
                    for step in range(steps + impulse):
                        for v in range(n):
                            drive[v] = inputs[first + v] if impulse == 0 or step == 0 else 0.0
                        for e in range(delayed_start[s], delayed_start[s + 1]):
                            v = delayed_target[e]
                            drive[v] += share_delayed[v] * now[delayed_source[e]]
                        for v in range(n):
                            now[v] = drive[v]
                        for e in range(edge_start[s], edge_start[s + 1]):
                            v = target[e]
                            now[v] += (share[v] if weighted[e] else 1.0) * now[source[e]]
                        if step - impulse == moments[place]:
                            total = 0.0
                            for v in range(n):
                                if outputs[first + v]:
                                    total += now[v]
                            scale = max(num_out, 1.0) if impulse == 0 else 1.0
                            found[s, column] = np.log(total / scale + floor)
                            column += 1
                            if place < moments.size - 1:
                                place += 1
                            if impulse == 0 and step == steps - 1:
                                found[s, column] = np.log(total + floor)
                                column += 1
                        if step == steps + impulse - 5:
                            for v in range(n):
                                before_last += now[v]
                    if impulse == 1:
                        last = 0.0
                        for v in range(n):
                            last += now[v]
                        found[s, column] = (
                            np.log((last + 1e-30) / (before_last + 1e-30)) / 4 if before_last > 0 else -5.0
                        )
                        column += 1
