// One pass over a split: forward, backward, clipping and Adam. The functions that Python calls.
#include <algorithm>
#include <new>

#include "goals.h"

namespace {

void load_series(Network& n, const Data& data, const int64_t* batch, int count, int steps) {
    const int lanes = n.vectors * WIDTH;
    float* hidden = (float*)n.hidden.vectors();
    for (int channel = 0; channel < data.channels; ++channel)
        for (int t = 0; t < steps; ++t) {
            const Track track = n.track[channel];
            float* row = hidden + (size_t)(track.row + (t + 1) * track.stride) * lanes;
            for (int b = 0; b < lanes; ++b)
                row[b] = b < count ? data.series[(batch[b] * data.width + t) * data.channels + channel] : 0.0f;
        }
}

// Fills the lanes; returns the steps to run. Above 0, `padded` is where all sequences are read out.
int load_batch(Network& n, const Data& data, const int64_t* batch, int count, int padded) {
    const int lanes = n.vectors * WIDTH;
    int32_t* symbols = (int32_t*)n.symbols.vectors();
    int steps = padded;
    for (int b = 0; b < lanes; ++b) {
        n.lengths[b] = b < count ? (padded > 0 ? padded : data.lengths[batch[b]]) : 0;
        n.targets[b] = b < count ? data.targets[batch[b]] : 0;
        steps = std::max(steps, n.lengths[b]);
    }
    int32_t* asked = (int32_t*)n.asked.vectors();
    for (int t = 0; data.goal == STEPS && t < steps; ++t)
        for (int b = 0; b < lanes; ++b) asked[t * lanes + b] = b < count ? data.steps[batch[b] * data.width + t] : -1;
    if (data.channels > 0) {  // the first units' states are the series
        load_series(n, data, batch, count, steps);
        return steps;
    }
    for (int t = 0; t < steps; ++t)
        for (int b = 0; b < lanes; ++b) symbols[t * lanes + b] = b < count ? data.tokens[batch[b] * data.width + t] : 0;
    return steps;
}

// Bias and input table of the faithful protocol, from its two biases and its embedding.
void refresh_tied(const Wiring& w, const Weights& weights) {
    const int size = w.tied_inputs, units = w.units;
    if (size == 0) return;
    std::fill_n(weights.bias, (size_t)w.channels * units, 0.0f);
    for (int gate = 0; gate < w.gates; ++gate) {
        float* forward = weights.bias + w.forward_channel[gate] * units;
        float* recurrent = weights.bias + w.recurrent_channel[gate] * units;
        for (int u = 0; u < units; ++u) forward[u] += weights.bias_ih[gate * units + u];
        for (int u = 0; u < units; ++u) recurrent[u] += weights.bias_hh[gate * units + u];
        for (int h = 0; h < w.inputs; ++h) {
            const float* row = weights.tied_input + (size_t)(gate * w.inputs + h) * size;
            for (int symbol = 0; symbol < w.symbols; ++symbol) {
                float total = 0;
                for (int j = 0; j < size; ++j) total += row[j] * weights.embedding[symbol * size + j];
                weights.input[(size_t)(h * w.gates + gate) * w.symbols + symbol] = total;
            }
        }
    }
}

void collect_tied(const Wiring& w, const Weights& weights, const Weights& gradient) {
    const int size = w.tied_inputs, units = w.units;
    if (size == 0) return;
    std::fill_n(gradient.embedding, (size_t)w.symbols * size, 0.0f);
    std::fill_n(gradient.tied_input, (size_t)w.gates * w.inputs * size, 0.0f);
    for (int gate = 0; gate < w.gates; ++gate) {
        for (int u = 0; u < units; ++u) {
            gradient.bias_ih[gate * units + u] = gradient.bias[w.forward_channel[gate] * units + u];
            gradient.bias_hh[gate * units + u] = gradient.bias[w.recurrent_channel[gate] * units + u];
        }
        for (int h = 0; h < w.inputs; ++h) {
            const size_t row = (size_t)(gate * w.inputs + h) * size;
            for (int symbol = 0; symbol < w.symbols; ++symbol) {
                const float g = gradient.input[(size_t)(h * w.gates + gate) * w.symbols + symbol];
                for (int j = 0; j < size; ++j) {
                    gradient.tied_input[row + j] += g * weights.embedding[symbol * size + j];
                    gradient.embedding[symbol * size + j] += g * weights.tied_input[row + j];
                }
            }
        }
    }
}

template <Cell C, int V>
double run_epoch(Network& n, bool training, const Weights& weights, const Weights& gradient, const Flat& flat,
                 int64_t& steps_taken, const Data& data, int64_t& hits) {
    const Wiring& w = n.wiring;
    constexpr int lanes = V * WIDTH;
    double total = 0;
    refresh_tied(w, weights);
    n.take_weights(weights);
    for (int64_t i = 0; i < data.count; ++i) {
        const int64_t begin = data.starts[i], end = data.starts[i + 1];
        int padded = 0;
        if (w.read_padded)
            for (int64_t j = begin; j < end; ++j) padded = std::max(padded, data.lengths[data.batches[j]]);
        double asked = 0;
        for (int64_t j = begin; data.weights != nullptr && j < end; ++j) asked += data.weights[data.batches[j]];
        const float scale = (float)(1.0 / asked);
        if (training) {
            n.clear_gradients();
            std::fill_n(gradient.readout, w.classes * w.outputs, 0.0f);
            std::fill_n(gradient.readout_bias, w.classes, 0.0f);
        }
        for (int64_t part = begin; part < end; part += lanes) {
            const int count = (int)std::min<int64_t>(lanes, end - part);
            const int steps = load_batch(n, data, data.batches + part, count, padded);
            forward_pass<C, V>(n, weights, steps);
            if (data.goal == STEPS) {
                total += read_steps<V>(n, weights, data, scale, training, steps, hits);
            } else {
                read_last<V>(n, weights);
                if (data.goal == PLAIN)
                    total += loss_and_score_gradient(n.scores.data(), w.classes, lanes, n.lengths.data(),
                                                     n.targets.data(), end - begin, hits);
                else if (data.goal == CLASSES)
                    total += last_classes<V>(n, data, scale, training, hits);
                else
                    total += squared_errors(n, data, data.batches + part, count, lanes, end - begin, training);
                if (training) pull_readout<V>(n, weights, gradient, steps);
            }
            if (training) backward_pass<C, V>(n, steps);
        }
        if (!training) continue;
        if (!std::isfinite(total)) return total;
        n.give_gradients(gradient);
        if (data.goal == STEPS) give_readout(n, gradient);
        collect_tied(w, weights, gradient);
        clipped_adam(flat, flat.learning_rate, ++steps_taken);
        refresh_tied(w, weights);
        n.take_weights(weights);
    }
    return total;
}

template <Cell C, class... Arguments>
double run_lanes(Network& n, Arguments&&... arguments) {
    switch (n.vectors) {
        case 1: return run_epoch<C, 1>(n, arguments...);
        case 2: return run_epoch<C, 2>(n, arguments...);
        default: return run_epoch<C, MOST_VECTORS>(n, arguments...);
    }
}

template <class... Arguments>
double run_cell(Network& n, Arguments&&... arguments) {
    switch (n.wiring.cell) {
        case TANH: return run_lanes<TANH>(n, arguments...);
        case RELU: return run_lanes<RELU>(n, arguments...);
        case GRU: return run_lanes<GRU>(n, arguments...);
        default: return run_lanes<LSTM>(n, arguments...);
    }
}

}  // namespace

extern "C" {

// A network ready to run, or null where memory is short.
void* nnstruct_create(const Wiring* wiring, int32_t batch_size, int32_t longest) {
    try {
        Network* network = new Network();
        if (network->prepare(*wiring, batch_size, longest)) return network;
        delete network;
    } catch (const std::bad_alloc&) {
    }
    return nullptr;
}

void nnstruct_destroy(void* network) { delete static_cast<Network*>(network); }

// Returns the sum of the examples' losses, not finite as soon as training diverges; adds to `hits`.
double nnstruct_run_epoch(void* network, int32_t training, const Weights* weights, const Weights* gradient,
                          const Flat* flat, int64_t* steps_taken, const Data* data, int64_t* hits) {
    FlushSubnormals quick;
    return run_cell(*static_cast<Network*>(network), training != 0, *weights, *gradient, *flat, *steps_taken, *data, *hits);
}

// tanh (0) or the logistic function (1) of `size` values; for tests of their precision.
void nnstruct_activation(int32_t which, const float* x, float* y, int64_t size) {
    for (int64_t begin = 0; begin < size; begin += WIDTH) {
        Vec v{};
        const size_t bytes = sizeof(float) * (size_t)std::min<int64_t>(WIDTH, size - begin);
        std::memcpy((void*)&v, x + begin, bytes);
        v = which == 0 ? hyperbolic_tangent(v) : sigmoid(v);
        std::memcpy((void*)(y + begin), &v, bytes);
    }
}

}  // extern "C"
