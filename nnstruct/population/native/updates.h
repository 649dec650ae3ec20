// What ends each training step, whatever the network: the loss, and an update of all parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

struct Flat {
    float *parameters, *gradient, *first, *second;
    int64_t size;
    double learning_rate, clip_norm, beta1, beta2, epsilon;
};

// Sum of cross-entropies; scores [classes][lanes] become the gradient of the mean loss of `count` examples.
// A lane without an example has length 0.
inline double loss_and_score_gradient(float* scores, int classes, int lanes, const int32_t* lengths,
                                      const int32_t* targets, int64_t count, int64_t& hits) {
    const float scale = 1.0f / (float)count;
    double loss = 0;
    for (int b = 0; b < lanes; ++b) {
        if (lengths[b] == 0) {
            for (int k = 0; k < classes; ++k) scores[k * lanes + b] = 0;
            continue;
        }
        int best = 0;
        for (int k = 1; k < classes; ++k)
            if (scores[k * lanes + b] > scores[best * lanes + b]) best = k;
        const int target = targets[b];
        const float top = scores[best * lanes + b], own = scores[target * lanes + b];
        float total = 0;
        for (int k = 0; k < classes; ++k) total += scores[k * lanes + b] = std::exp(scores[k * lanes + b] - top);
        loss += std::log(total) + top - own;
        hits += best == target;
        for (int k = 0; k < classes; ++k) scores[k * lanes + b] *= scale / total;
        scores[target * lanes + b] -= scale;
    }
    return loss;
}

// Clips the gradient's norm, then takes one step of Adam (Kingma and Ba, 2015) in place.
inline void clipped_adam(const Flat& flat, double learning_rate, int64_t step) {
    const int64_t size = flat.size;
    double parts[8] = {};
    const float* __restrict gradient = flat.gradient;
    for (int64_t p = 0; p < size; p += 8)
        for (int64_t i = 0; i < std::min<int64_t>(8, size - p); ++i) parts[i] += (double)gradient[p + i] * gradient[p + i];
    double squares = 0;
    for (double part : parts) squares += part;
    const double ratio = flat.clip_norm / (std::sqrt(squares) + 1e-6);
    const float factor = (float)(ratio < 1.0 ? ratio : 1.0);
    const float rate = (float)(learning_rate / (1.0 - std::pow(flat.beta1, (double)step)));
    const float correction = (float)(1.0 / std::sqrt(1.0 - std::pow(flat.beta2, (double)step)));
    const float b1 = (float)flat.beta1, b2 = (float)flat.beta2, epsilon = (float)flat.epsilon;
    float *__restrict parameters = flat.parameters, *__restrict first = flat.first, *__restrict second = flat.second;
    for (int64_t p = 0; p < size; ++p) {
        const float g = gradient[p] * factor;
        const float m = b1 * first[p] + (1.0f - b1) * g, v = b2 * second[p] + (1.0f - b2) * g * g;
        first[p] = m;
        second[p] = v;
        parameters[p] -= rate * m / (std::sqrt(v) * correction + epsilon);
    }
}

