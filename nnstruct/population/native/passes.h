// Forward and backward through one batch, blocks outside, time inside, lanes in registers.
#pragma once

#include "network.h"

template <Cell C>
constexpr int GATES = C == GRU ? 3 : C == LSTM ? 4 : 1;
template <Cell C>
constexpr int CHANNELS = C == GRU || C == LSTM ? 4 : 1;
constexpr int MOST_SELECTED = 16;  // symbols up to which a comparison with each beats going lane by lane

// The sums to which a gate's edges add: a GRU keeps its candidate's recurrent edges apart.
template <Cell C, bool RECURRENT>
INLINE constexpr int channel(int gate) {
    return C == GRU && RECURRENT && gate == 2 ? 3 : gate;
}

template <Cell C, int V, bool RECURRENT>
INLINE void add_edges(const InEdges& edges, int u, int t, const Vec* hidden, Vec (&sums)[CHANNELS<C>][V]) {
    const Track* source = edges.source.data();
    const float* weight = edges.weight.data();
    for (int e = edges.start[u], end = edges.start[u + 1]; e < end; ++e) {
        const Vec* h = hidden + (size_t)(source[e].row + t * source[e].stride) * V;
        for (int v = 0; v < V; ++v) {
            const Vec value = GATES<C> > 1 ? held(h[v]) : h[v];
            for (int g = 0; g < GATES<C>; ++g)
                sums[channel<C, RECURRENT>(g)][v] += weight[e * GATES<C> + g] * value;
        }
    }
}

template <int V>
INLINE void add_gate_edges(const InEdges& edges, int key, int t, const Vec* hidden, Vec (&sums)[V]) {
    for (int e = edges.start[key], end = edges.start[key + 1]; e < end; ++e) {
        const Track& source = edges.source[e];
        const Vec* h = hidden + (size_t)(source.row + t * source.stride) * V;
        for (int v = 0; v < V; ++v) sums[v] += edges.weight[e] * h[v];
    }
}

INLINE Vec look_up(const float* table, int width, IntVec symbol) {
#if defined(__AVX512F__)
    if (width == WIDTH) return (Vec)_mm512_permutexvar_ps((__m512i)symbol, _mm512_loadu_ps(table));
    if (width == 2 * WIDTH)
        return (Vec)_mm512_permutex2var_ps(_mm512_loadu_ps(table), (__m512i)symbol, _mm512_loadu_ps(table + WIDTH));
#endif
    Vec found;
    for (int i = 0; i < WIDTH; ++i) found[i] = table[symbol[i]];
    return found;
}

// From a unit's sums to its new state `next`; gates stay for the way back.
template <Cell C, int V>
INLINE void activate(Vec (&sums)[CHANNELS<C>][V], const Vec* before, Vec* next, const Vec* memory, Vec* next_memory,
                     Vec* gates) {
    for (int v = 0; v < V; ++v) {
        if (C == TANH) {
            next[v] = hyperbolic_tangent(sums[0][v]);
        } else if (C == RELU) {
            next[v] = at_least(sums[0][v], 0.0f);
        } else if (C == GRU) {
            const Vec reset = sigmoid(sums[0][v]), update = sigmoid(sums[1][v]), own = sums[3 % CHANNELS<C>][v];
            const Vec candidate = hyperbolic_tangent(sums[2 % CHANNELS<C>][v] + reset * own);
            gates[v] = reset;
            gates[V + v] = update;
            gates[2 * V + v] = candidate;
            gates[3 * V + v] = own;
            next[v] = candidate + update * (before[v] - candidate);
        } else {
            const Vec in = sigmoid(sums[0][v]), forget = sigmoid(sums[1 % CHANNELS<C>][v]);
            const Vec candidate = hyperbolic_tangent(sums[2 % CHANNELS<C>][v]), out = sigmoid(sums[3 % CHANNELS<C>][v]);
            gates[v] = in;
            gates[V + v] = forget;
            gates[2 * V + v] = candidate;
            gates[3 * V + v] = out;
            next_memory[v] = forget * memory[v] + in * candidate;
            next[v] = out * hyperbolic_tangent(next_memory[v]);
        }
    }
}

// Adds to a unit's state those of others at the same step.
template <int V>
INLINE void add_states(Network& n, int u, int t) {
    Vec* hidden = n.hidden.vectors();
    const Track own = n.track[u];
    Vec* state = hidden + (size_t)(own.row + t * own.stride) * V;
    Vec total[V] = {};
    for (int e = n.sum_start[u]; e < n.sum_start[u + 1]; ++e) {
        const Track part = n.track[n.sum_source[e]];
        for (int v = 0; v < V; ++v) total[v] += hidden[(size_t)(part.row + t * part.stride) * V + v];
    }
    for (int v = 0; v < V; ++v) state[v] = n.computes[u] ? state[v] + total[v] : total[v];
}

template <int V>
void add_block(Network& n, const Block& block, int steps) {
    for (int t = 1; t <= steps; ++t)
        for (int u = block.begin; u < block.end; ++u)
            if (n.computes[u] != GIVEN) add_states<V>(n, u, t);
}

template <Cell C, int V, bool MIXED>
INLINE void step_unit(Network& n, const float* bias, int u, int t) {
    const Wiring& w = n.wiring;
    Vec* hidden = n.hidden.vectors();
    Vec sums[CHANNELS<C>][V];
    for (int c = 0; c < CHANNELS<C>; ++c) {
        const Vec value = splat(bias[(size_t)c * w.units + u]);
        for (int v = 0; v < V; ++v) sums[c][v] = value;
    }
    if (n.input_row[u] >= 0) {
        const IntVec* symbol = (const IntVec*)n.symbols.vectors() + (size_t)t * V;
        for (int g = 0; g < GATES<C>; ++g) {
            const float* row = n.table.data() + (size_t)(n.input_row[u] * GATES<C> + g) * n.table_width;
            for (int v = 0; v < V; ++v) sums[g][v] += look_up(row, n.table_width, symbol[v]);
        }
    }
    add_edges<C, V, false>(n.forward_in, u, t, hidden, sums);
    if (GATES<C> > 1)
        for (int g = 0; g < GATES<C>; ++g) add_gate_edges<V>(n.gate_in, u * GATES<C> + g, t, hidden, sums[g]);
    add_edges<C, V, true>(n.recurrent_in, u, t, hidden, sums);
    const Track track = n.track[u];
    const size_t before = (size_t)(track.row + t * track.stride) * V, next = before + (size_t)track.stride * V;
    activate<C, V>(sums, hidden + before, hidden + next, n.memory.vectors() + before, n.memory.vectors() + next,
                   n.gates.vectors() + 4 * before);
    if (!MIXED || n.sum_start[u] == n.sum_start[u + 1]) return;
    if (C == TANH || C == RELU)  // the way back asks for the unit's own value
        for (int v = 0; v < V; ++v) n.memory.vectors()[next + v] = hidden[next + v];
    add_states<V>(n, u, t + 1);
}

template <Cell C, int V, bool MIXED>
void step_block(Network& n, const Block& block, const float* bias, int steps) {
    for (int t = 0; t < steps; ++t)
        for (int u = block.begin; u < block.end; ++u)
            if (MIXED && !n.computes[u])
                add_states<V>(n, u, t + 1);
            else
                step_unit<C, V, MIXED>(n, bias, u, t);
}

// States of the loaded batch.
template <Cell C, int V>
void forward_pass(Network& n, const Weights& weights, int steps) {
    for (const Block& block : n.blocks)
        if (block.sums)
            add_block<V>(n, block, steps);
        else if (block.mixed)
            step_block<C, V, true>(n, block, weights.bias, steps);
        else
            step_block<C, V, false>(n, block, weights.bias, steps);
}

// Scores at each sequence's last step.
template <int V>
void read_last(Network& n, const Weights& weights) {
    const Wiring& w = n.wiring;
    constexpr int lanes = V * WIDTH;
    const float* hidden = (const float*)n.hidden.vectors();
    float* last = (float*)n.last.vectors();
    for (int o = 0; o < w.outputs; ++o) {
        const Track track = n.track[n.output_unit[o]];
        for (int b = 0; b < lanes; ++b)
            last[o * lanes + b] = hidden[(size_t)(track.row + n.lengths[b] * track.stride) * lanes + b];
    }
    for (int k = 0; k < w.classes; ++k)
        for (int b = 0; b < lanes; ++b) {
            float score = weights.readout_bias[k];
            for (int o = 0; o < w.outputs; ++o) score += weights.readout[k * w.outputs + o] * last[o * lanes + b];
            n.scores[k * lanes + b] = score;
        }
}

template <int V>
void clear_state_gradients(Network& n, int steps) {
    constexpr int lanes = V * WIDTH;
    float* gradients = (float*)n.gradients.vectors();
    for (int row = 0; row < n.gradient_rows; ++row)
        std::memset(gradients + (size_t)row * (n.longest + 1) * lanes, 0, sizeof(float) * lanes * (steps + 1));
}

// Gradients of the read-out, and of the states that it saw; n.scores holds the scores' gradient.
template <int V>
void pull_readout(Network& n, const Weights& weights, const Weights& gradient, int steps) {
    const Wiring& w = n.wiring;
    constexpr int lanes = V * WIDTH;
    const float* last = (const float*)n.last.vectors();
    float* gradients = (float*)n.gradients.vectors();
    clear_state_gradients<V>(n, steps);
    for (int k = 0; k < w.classes; ++k) {
        const float* score = n.scores.data() + k * lanes;
        for (int b = 0; b < lanes; ++b) gradient.readout_bias[k] += score[b];
        for (int o = 0; o < w.outputs; ++o) {
            const size_t row = n.gradient_row[n.output_unit[o]];
            const float weight = weights.readout[k * w.outputs + o];
            float total = 0;
            for (int b = 0; b < lanes; ++b) {
                gradients[(row + n.lengths[b]) * lanes + b] += weight * score[b];
                total += score[b] * last[o * lanes + b];
            }
            gradient.readout[k * w.outputs + o] += total;
        }
    }
}

// Through the edges that leave a state h: adds to its gradient, and to those of the edges' weights.
template <int V>
INLINE void pull_edges(const OutEdges& out, Range range, const Vec* delta, const Vec (&h)[V], Vec (&gradient)[V],
                       Vec* edge_sums) {
    const int32_t* row = out.row.data();
    const float* weight = out.weight.data();
    for (int e = range.begin; e < range.end; ++e) {
        const Vec* d = delta + (size_t)row[e] * V;
        Vec of_weight = edge_sums[e];
        for (int v = 0; v < V; ++v) {
            const Vec value = held(d[v]);
            gradient[v] += weight[e] * value;
            of_weight += value * h[v];
        }
        edge_sums[e] = of_weight;
    }
}

// From the gradient of a unit's state to those of its sums.
template <Cell C, int V>
INLINE void differentiate(const Vec (&gradient)[V], const Vec (&h)[V], const Vec* before, const Vec* memory,
                          const Vec* next_memory, const Vec* gates, Vec* carry, Vec* delta) {
    for (int v = 0; v < V; ++v) {
        if (C == TANH) {
            delta[v] = gradient[v] * (1.0f - h[v] * h[v]);
        } else if (C == RELU) {
            delta[v] = h[v] > 0.0f ? gradient[v] : Vec{};
        } else if (C == GRU) {
            const Vec reset = gates[v], update = gates[V + v], candidate = gates[2 * V + v], own = gates[3 * V + v];
            const Vec g = gradient[v] + carry[v];
            const Vec inner = g * (1.0f - update) * (1.0f - candidate * candidate);
            delta[V + v] = g * (before[v] - candidate) * update * (1.0f - update);
            carry[v] = g * update;
            delta[2 * V + v] = inner;
            delta[3 * V + v] = inner * reset;
            delta[v] = inner * reset * own * (1.0f - reset);
        } else {
            const Vec in = gates[v], forget = gates[V + v], candidate = gates[2 * V + v], out = gates[3 * V + v];
            const Vec squashed = hyperbolic_tangent(next_memory[v]);
            const Vec inner = carry[v] + gradient[v] * out * (1.0f - squashed * squashed);
            delta[v] = inner * candidate * in * (1.0f - in);
            delta[V + v] = inner * memory[v] * forget * (1.0f - forget);
            delta[2 * V + v] = inner * in * (1.0f - candidate * candidate);
            delta[3 * V + v] = gradient[v] * squashed * out * (1.0f - out);
            carry[v] = inner * forget;
        }
    }
}

// Adds a unit's deltas to the gradients of the input weights, by symbol.
template <Cell C, int V>
INLINE void pull_input(Network& n, int row, const IntVec* symbol, const Vec* delta) {
    const int symbols = n.wiring.symbols;
    Vec* sums = n.input_sums.vectors() + (size_t)row * GATES<C> * symbols;
    if (symbols > MOST_SELECTED) {
        for (int g = 0; g < GATES<C>; ++g)
            for (int v = 0; v < V; ++v)
                for (int i = 0; i < WIDTH; ++i)
                    ((float*)(sums + g * symbols + symbol[v][i]))[i] += delta[g * V + v][i];
        return;
    }
    for (int s = 0; s < symbols; ++s)
        for (int g = 0; g < GATES<C>; ++g) {
            Vec total = sums[g * symbols + s];
            for (int v = 0; v < V; ++v) total += symbol[v] == s ? delta[g * V + v] : Vec{};
            sums[g * symbols + s] = total;
        }
}

// Asks early for what the step before this one will read; the way back runs against the hardware's guesses.
template <Cell C, int V>
INLINE void prefetch(const Network& n, size_t row, size_t ahead) {
    if (row < ahead) return;
    const Vec* gates = n.gates.vectors() + 4 * (row - ahead);
    for (int i = 0; i < 4 * V * (int)sizeof(Vec); i += 64) __builtin_prefetch((const char*)gates + i);
    if (C != LSTM) return;
    const Vec* memory = n.memory.vectors() + row - ahead;
    for (int i = 0; i < V * (int)sizeof(Vec); i += 64) __builtin_prefetch((const char*)memory + i);
}

// The gradient of a state after t steps is also that of the states that were added to it.
template <int V>
INLINE void hand_on(Network& n, int u, int t, const Vec (&gradient)[V]) {
    Vec* gradients = n.gradients.vectors();
    for (int e = n.handed_start[u]; e < n.handed_start[u + 1]; ++e) {
        Vec* target = gradients + (size_t)(n.handed_row[e] + t) * V;
        for (int v = 0; v < V; ++v) target[v] += gradient[v];
    }
}

template <int V>
void pull_sums(Network& n, const Block& block, int steps) {
    const Vec* gradients = n.gradients.vectors();
    for (int u = block.end - 1; u >= block.begin; --u) {
        if (n.handed_start[u] == n.handed_start[u + 1] || n.gradient_row[u] < 0) continue;
        for (int t = 1; t <= steps; ++t) {
            Vec gradient[V];
            for (int v = 0; v < V; ++v) gradient[v] = gradients[(size_t)(n.gradient_row[u] + t) * V + v];
            hand_on<V>(n, u, t, gradient);
        }
    }
}

template <Cell C, int V, bool MIXED>
void pull_block(Network& n, const Block& block, int steps) {
    constexpr int unit_rows = CHANNELS<C> * V;
    const int size = block.end - block.begin;
    Vec *hidden = n.hidden.vectors(), *memory = n.memory.vectors(), *gradients = n.gradients.vectors();
    Vec *edge_sums = n.edge_sums.vectors(), *bias_sums = n.bias_sums.vectors(), *carry = n.carry.vectors();
    Vec* sides[2] = {n.delta.vectors(), n.delta.vectors() + (size_t)size * unit_rows};
    std::memset((void*)carry, 0, sizeof(Vec) * size * V);
    std::memset((void*)sides[steps & 1], 0, sizeof(Vec) * size * unit_rows);
    for (int t = steps - 1; t >= 0; --t) {
        Vec *now = sides[t & 1], *later = sides[(t + 1) & 1];
        for (int u = block.end - 1; u >= block.begin; --u) {
            const Track track = n.track[u];
            const size_t before = (size_t)(track.row + t * track.stride) * V, next = before + (size_t)track.stride * V;
            Vec h[V], gradient[V];
            if (C == GRU || C == LSTM) prefetch<C, V>(n, before, (size_t)PREFETCHED_STEPS * track.stride * V);
            const int row = n.gradient_row[u];
            for (int v = 0; v < V; ++v) {
                h[v] = hidden[next + v];
                gradient[v] = row >= 0 ? gradients[(size_t)(row + t + 1) * V + v] : Vec{};
            }
            pull_edges<V>(n.out, n.later[u], later, h, gradient, edge_sums);
            pull_edges<V>(n.out, n.now[u], now, h, gradient, edge_sums);
            const int local = u - block.begin;
            if (MIXED && n.sum_start[u] < n.sum_start[u + 1]) {
                Vec* own_carry = carry + (size_t)local * V;
                for (int v = 0; C == GRU && v < V; ++v) {  // the state of the next step reads the sum too
                    gradient[v] += own_carry[v];
                    own_carry[v] = Vec{};
                }
                hand_on<V>(n, u, t + 1, gradient);
                if (!n.computes[u]) continue;
                for (int v = 0; (C == TANH || C == RELU) && v < V; ++v) h[v] = memory[next + v];
            }
            Vec* delta = now + (size_t)local * unit_rows;
            differentiate<C, V>(gradient, h, hidden + before, memory + before, memory + next,
                                n.gates.vectors() + 4 * before, carry + (size_t)local * V, delta);
            for (int c = 0; c < CHANNELS<C>; ++c)
                for (int v = 0; v < V; ++v) bias_sums[(size_t)u * CHANNELS<C> + c] += delta[c * V + v];
            if (n.input_row[u] >= 0)
                pull_input<C, V>(n, n.input_row[u], (const IntVec*)n.symbols.vectors() + (size_t)t * V, delta);
        }
        for (const Outside& outside : block.outside) {
            const int when = outside.recurrent ? t : t + 1;
            const Track track = n.track[outside.source];
            const Vec* state = hidden + (size_t)(track.row + when * track.stride) * V;
            Vec* target = gradients + (size_t)(n.gradient_row[outside.source] + when) * V;
            Vec h[V], gradient[V];
            for (int v = 0; v < V; ++v) h[v] = state[v], gradient[v] = target[v];
            pull_edges<V>(n.out, outside.edges, now, h, gradient, edge_sums);
            for (int v = 0; v < V; ++v) target[v] = gradient[v];
        }
    }
}

// From the gradients of the states that were read out, adds to those of all weights but the read-out's.
template <Cell C, int V>
void backward_pass(Network& n, int steps) {
    for (size_t b = n.blocks.size(); b-- > 0;)
        if (n.blocks[b].sums)
            pull_sums<V>(n, n.blocks[b], steps);
        else if (n.blocks[b].mixed)
            pull_block<C, V, true>(n, n.blocks[b], steps);
        else
            pull_block<C, V, false>(n, n.blocks[b], steps);
}
