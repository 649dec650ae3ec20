// Sparse multilayer perceptrons: each weight by itself, a batch's examples side by side in vectors.
#include "buffer.h"
#include "updates.h"

namespace {

// Lanes that a unit's sums keep in registers from its first weight to its last.
constexpr int VECTORS = 8, LANES = VECTORS * WIDTH;

enum Activation { IDENTITY, RELU, TANH };

// As nnstruct.population.native.perceptron lays them out. Units stand layer by layer, inputs first.
struct Layers {
    int32_t count;              // layers with weights
    const int32_t* sizes;       // [count + 1]
    const int32_t* activation;  // [count]
    const int64_t* starts;      // [units behind the input + 1]: where each one's weights begin
    const int32_t* sources;     // [weights]: the unit that each one reads
    const int32_t* inputs;      // [sizes[0]]: columns of the data that have a weight at all
};

struct Examples {
    const float* inputs;  // [n, width]
    const int32_t* targets;
    int64_t width;
    const int64_t *batches, *starts;  // positions of all batches, and where each begins
    int64_t count;
};

void load(const Layers& layers, const Examples& data, const int64_t* chosen, int count, Vec* values) {
    for (int v = 0; v < VECTORS; ++v) {
        const float* rows[WIDTH];
        for (int k = 0; k < WIDTH; ++k) {
            const int b = std::min(v * WIDTH + k, count - 1);  // lanes behind the last repeat it, unseen
            rows[k] = data.inputs + chosen[b] * data.width;
        }
        for (int i = 0; i < layers.sizes[0]; ++i) {
            const int column = layers.inputs[i];
            float lane[WIDTH];
            for (int k = 0; k < WIDTH; ++k) lane[k] = rows[k][column];
            std::memcpy((void*)&values[i * VECTORS + v], lane, sizeof lane);
        }
    }
}

INLINE Vec activated(int kind, Vec x) {
    if (kind == RELU) return at_least(x, 0.0f);
    return kind == TANH ? hyperbolic_tangent(x) : x;
}

// The gradient that a unit's sum gets, from that of its value y.
INLINE Vec through(int kind, Vec gradient, Vec y) {
    if (kind == RELU) return y > 0.0f ? gradient : Vec{};
    return kind == TANH ? gradient * (1.0f - y * y) : gradient;
}

void forward(const Layers& layers, const float* weights, const float* biases, Vec* values) {
    int unit = layers.sizes[0], first = unit;
    for (int layer = 0; layer < layers.count; ++layer) {
        for (const int end = unit + layers.sizes[layer + 1]; unit < end; ++unit) {
            Vec sums[VECTORS];
            for (int v = 0; v < VECTORS; ++v) sums[v] = splat(biases[unit - first]);
            for (int64_t e = layers.starts[unit - first]; e < layers.starts[unit - first + 1]; ++e) {
                const Vec* source = values + (size_t)layers.sources[e] * VECTORS;
                const Vec weight = splat(weights[e]);
                for (int v = 0; v < VECTORS; ++v) sums[v] += weight * source[v];
            }
            for (int v = 0; v < VECTORS; ++v)
                values[(size_t)unit * VECTORS + v] = activated(layers.activation[layer], sums[v]);
        }
    }
}

// `deltas` holds the gradients of the last layer's sums, and zero for all other units but the inputs.
void backward(const Layers& layers, const float* weights, const Vec* values, Vec* deltas, float* weight_gradient,
              float* bias_gradient) {
    const int first = layers.sizes[0];
    int unit = first;
    for (int layer = 0; layer < layers.count; ++layer) unit += layers.sizes[layer + 1];
    for (int layer = layers.count - 1; layer >= 0; --layer) {
        for (const int begin = unit - layers.sizes[layer + 1]; unit > begin;) {
            --unit;
            Vec delta[VECTORS], total{};
            for (int v = 0; v < VECTORS; ++v) {
                const size_t place = (size_t)unit * VECTORS + v;
                delta[v] = through(layers.activation[layer], deltas[place], values[place]);
                total += delta[v];
            }
            bias_gradient[unit - first] += sum(total);
            for (int64_t e = layers.starts[unit - first]; e < layers.starts[unit - first + 1]; ++e) {
                const size_t source = (size_t)layers.sources[e] * VECTORS;
                Vec even = delta[0] * values[source], odd = delta[1] * values[source + 1];
                for (int v = 2; v < VECTORS; v += 2) {
                    even += delta[v] * values[source + v];
                    odd += delta[v + 1] * values[source + v + 1];
                }
                weight_gradient[e] += sum(even + odd);
                if (layer == 0) continue;
                const Vec weight = splat(weights[e]);
                for (int v = 0; v < VECTORS; ++v) deltas[source + v] += weight * delta[v];
            }
        }
    }
}

}  // namespace

extern "C" {

// One pass over a split. `flat` holds the weights, then the biases of the units behind the input. Returns the
// sum of the examples' losses, not finite as soon as training diverges, or -1 where memory is short; adds to
// `hits`. `rates` has the learning rate of each training step, from the first on.
double nnstruct_perceptron_epoch(int32_t training, const Layers* given, const Flat* flat, const double* rates,
                                 int64_t* steps_taken, const Examples* examples, int64_t* hits) {
    FlushSubnormals quick;
    const Layers& layers = *given;
    const Examples& data = *examples;
    int units = 0;
    for (int layer = 0; layer <= layers.count; ++layer) units += layers.sizes[layer];
    const int first = layers.sizes[0], classes = layers.sizes[layers.count];
    const int64_t edges = layers.starts[units - first];
    Buffer values, deltas;
    if (!values.allocate((size_t)units * VECTORS) || (training && !deltas.allocate((size_t)units * VECTORS)))
        return -1.0;
    float* scores = (float*)(values.vectors() + (size_t)(units - classes) * VECTORS);
    int32_t lengths[LANES], targets[LANES];
    double total = 0;
    for (int64_t i = 0; i < data.count; ++i) {
        const int64_t begin = data.starts[i], end = data.starts[i + 1];
        if (training) std::fill_n(flat->gradient, flat->size, 0.0f);
        for (int64_t part = begin; part < end; part += LANES) {
            const int count = (int)std::min<int64_t>(LANES, end - part);
            load(layers, data, data.batches + part, count, values.vectors());
            for (int b = 0; b < LANES; ++b) {
                lengths[b] = b < count;
                targets[b] = b < count ? data.targets[data.batches[part + b]] : 0;
            }
            forward(layers, flat->parameters, flat->parameters + edges, values.vectors());
            total += loss_and_score_gradient(scores, classes, LANES, lengths, targets, end - begin, *hits);
            if (!training) continue;
            float* rows = (float*)(deltas.vectors() + (size_t)first * VECTORS);
            std::fill_n(rows, (size_t)(units - first - classes) * LANES, 0.0f);
            std::memcpy((void*)(deltas.vectors() + (size_t)(units - classes) * VECTORS), scores,
                        sizeof(float) * (size_t)classes * LANES);
            backward(layers, flat->parameters, values.vectors(), deltas.vectors(), flat->gradient,
                     flat->gradient + edges);
        }
        if (!training) continue;
        if (!std::isfinite(total)) return total;
        clipped_adam(*flat, rates[*steps_taken], *steps_taken + 1);
        ++*steps_taken;
    }
    return total;
}

}  // extern "C"
