// Losses of the tasks that are no plain classification: weights of classes, a class a step, real targets.
#pragma once

#include "passes.h"
#include "updates.h"

enum Goal { PLAIN, CLASSES, STEPS, REAL };

// A split, as nnstruct.population.native.bridge hands it over; the arrays behind `count` are for some goals.
struct Data {
    const int32_t *tokens, *lengths, *targets;  // [n, width] where inputs are symbols, [n], [n]
    int64_t width;
    const int64_t *batches, *starts;  // positions of all batches, and where each begins
    int64_t count;
    int32_t goal, channels;
    const float* series;         // [n, width, channels]
    const int32_t* steps;        // [n, width]: the class of each step, below 0 where nothing is asked
    const float* real;           // [n, outputs]
    const double* weights;       // [n]: of all that an example asks
    const float* class_weights;  // [outputs]
    double* counts;              // what metrics need, see nnstruct.population.loop.data
};

// log x for x of at least 1, to 2e-7; NaN and infinity give NaN.
INLINE Vec logarithm(Vec x) {
    // x = 2^n m with m in [0.7, 1.4]; log m by the series of artanh.
    const IntVec bits = (IntVec)x, n = (bits - 0x3f3504f3) >> 23;
    const Vec m = (Vec)(bits - (n << 23));
    Vec exponent;
    for (int i = 0; i < WIDTH; ++i) exponent[i] = (float)n[i];
    const Vec s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    const Vec series = 2.0f + s2 * (0.66666667f + s2 * (0.4f + s2 * (0.28571429f + s2 * 0.22222222f)));
    return exponent * 0.69314718f + s * series + (x - x);
}

// Sum of weighted cross-entropies; scores [classes][V] become the gradient of `scale` times it.
template <int V>
double class_losses(Vec* scores, int classes, const IntVec* target, const float* class_weights, float scale,
                    bool training, int64_t& hits, double* counts) {
    double loss = 0;
    for (int v = 0; v < V; ++v) {
        const IntVec asked = target[v] >= 0;
        Vec top = scores[v], own{}, weight{}, total{};
        IntVec best{};
        for (int k = 0; k < classes; ++k) {
            const Vec score = scores[k * V + v];
            best = score > top ? k - IntVec{} : best;
            top = score > top ? score : top;
            own = target[v] == k ? score : own;
            weight = target[v] == k ? splat(class_weights[k]) : weight;
        }
        for (int k = 0; k < classes; ++k) {
            const Vec share = exponential_of_negative(top - scores[k * V + v]);
            scores[k * V + v] = share;
            total += share;
        }
        const Vec each = logarithm(total) + (top - own);
        loss += sum(asked ? weight * each : Vec{});
        if (!training) {
            counts[0] += sum(asked ? each : Vec{});
            for (int i = 0; i < WIDTH; ++i)
                if (target[v][i] >= 0 && best[i] == target[v][i]) ++hits, counts[1 + best[i]] += 1;
            continue;
        }
        const Vec factor = weight * scale, share = factor / total;
        for (int k = 0; k < classes; ++k) {
            const Vec gradient = scores[k * V + v] * share - (target[v] == k ? factor : Vec{});
            scores[k * V + v] = asked ? gradient : Vec{};
        }
    }
    return loss;
}

// Sum over examples of the mean squared error; n.scores become the gradient of the mean of `count` of them.
inline double squared_errors(Network& n, const Data& data, const int64_t* batch, int examples, int lanes,
                             int64_t count, bool training) {
    const int outputs = n.wiring.classes;
    const float scale = 2.0f / ((float)count * (float)outputs);
    double total = 0;
    for (int k = 0; k < outputs; ++k) {
        float* scores = n.scores.data() + k * lanes;
        double squares = 0, absolute = 0;
        for (int b = 0; b < lanes; ++b) {
            const float error = b < examples ? scores[b] - data.real[batch[b] * outputs + k] : 0.0f;
            squares += (double)error * error;
            absolute += std::fabs(error);
            scores[b] = scale * error;
        }
        total += squares;
        if (training) continue;
        data.counts[k] += squares;
        data.counts[outputs + k] += absolute;
    }
    return total / outputs;
}

// Classes at each sequence's end, with weights; the scores in n.scores become their gradient.
template <int V>
double last_classes(Network& n, const Data& data, float scale, bool training, int64_t& hits) {
    constexpr int lanes = V * WIDTH;
    const int classes = n.wiring.classes;
    Vec* scores = n.step_scores.vectors();
    IntVec target[V];
    for (int b = 0; b < lanes; ++b) ((int32_t*)target)[b] = n.lengths[b] > 0 ? n.targets[b] : -1;
    std::memcpy((void*)scores, n.scores.data(), sizeof(float) * classes * lanes);
    const double loss = class_losses<V>(scores, classes, target, data.class_weights, scale, training, hits, data.counts);
    std::memcpy((void*)n.scores.data(), scores, sizeof(float) * classes * lanes);
    return loss;
}

// Reads out every step; adds to the gradients of the read-out, and of the states that it saw.
template <int V>
double read_steps(Network& n, const Weights& weights, const Data& data, float scale, bool training, int steps,
                  int64_t& hits) {
    const Wiring& w = n.wiring;
    const Vec* hidden = n.hidden.vectors();
    Vec *gradients = n.gradients.vectors(), *scores = n.step_scores.vectors(), *sums = n.readout_sums.vectors();
    const IntVec* asked = (const IntVec*)n.asked.vectors();
    double loss = 0;
    if (training) clear_state_gradients<V>(n, steps);
    for (int t = 0; t < steps; ++t) {
        const IntVec* target = asked + (size_t)t * V;
        bool any = false;
        for (int b = 0; b < V * WIDTH; ++b) any |= ((const int32_t*)target)[b] >= 0;
        if (!any) continue;
        for (int k = 0; k < w.classes; ++k) {
            Vec score[V];
            for (int v = 0; v < V; ++v) score[v] = splat(weights.readout_bias[k]);
            for (int o = 0; o < w.outputs; ++o) {
                const Track track = n.track[n.output_unit[o]];
                const Vec* h = hidden + (size_t)(track.row + (t + 1) * track.stride) * V;
                for (int v = 0; v < V; ++v) score[v] += weights.readout[k * w.outputs + o] * h[v];
            }
            for (int v = 0; v < V; ++v) scores[k * V + v] = score[v];
        }
        loss += class_losses<V>(scores, w.classes, target, data.class_weights, scale, training, hits, data.counts);
        if (!training) continue;
        for (int o = 0; o < w.outputs; ++o) {
            const int unit = n.output_unit[o];
            const Track track = n.track[unit];
            const Vec* state = hidden + (size_t)(track.row + (t + 1) * track.stride) * V;
            Vec h[V], gradient[V];
            for (int v = 0; v < V; ++v) h[v] = state[v], gradient[v] = Vec{};
            for (int k = 0; k < w.classes; ++k) {
                Vec of_weight = sums[k * w.outputs + o];
                for (int v = 0; v < V; ++v) {
                    const Vec d = held(scores[k * V + v]);
                    gradient[v] += weights.readout[k * w.outputs + o] * d;
                    of_weight += d * h[v];
                }
                sums[k * w.outputs + o] = of_weight;
            }
            Vec* target_row = gradients + (size_t)(n.gradient_row[unit] + t + 1) * V;
            for (int v = 0; v < V; ++v) target_row[v] += gradient[v];
        }
        for (int k = 0; k < w.classes; ++k)
            for (int v = 0; v < V; ++v) sums[w.classes * w.outputs + k] += scores[k * V + v];
    }
    return loss;
}

// The sums of a batch over its steps, as gradients of the read-out.
inline void give_readout(const Network& n, const Weights& gradient) {
    const int weights = n.wiring.classes * n.wiring.outputs;
    const Vec* sums = n.readout_sums.vectors();
    for (int i = 0; i < weights; ++i) gradient.readout[i] = sum(sums[i]);
    for (int k = 0; k < n.wiring.classes; ++k) gradient.readout_bias[k] = sum(sums[weights + k]);
}
