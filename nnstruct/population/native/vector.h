// Vectors of float32 as wide as the machine's registers, and the functions of a cell on them.
//
// Comparisons are written so that NaN passes through: a diverged network must stay visible.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

typedef float Vec __attribute__((vector_size(4 * WIDTH), may_alias));
typedef int32_t IntVec __attribute__((vector_size(4 * WIDTH), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE Vec splat(float x) { return x - Vec{}; }

// The value in a register: compilers otherwise load it again for each use as an operand.
INLINE Vec held(Vec x) {
#if defined(__AVX512F__)
    asm("" : "+v"(x));
#elif defined(__AVX__)
    asm("" : "+x"(x));
#endif
    return x;
}

INLINE Vec at_least(Vec x, float bound) {
#if defined(__AVX512F__)
    return (Vec)_mm512_max_ps(_mm512_set1_ps(bound), (__m512)x);
#else
    const Vec b = splat(bound);
    return x < b ? b : x;
#endif
}

INLINE Vec at_most(Vec x, float bound) {
#if defined(__AVX512F__)
    return (Vec)_mm512_min_ps(_mm512_set1_ps(bound), (__m512)x);
#else
    const Vec b = splat(bound);
    return x > b ? b : x;
#endif
}

INLINE Vec divide(Vec a, Vec b) {
#if defined(__AVX512F__)
    // An estimate to 14 bits and one step of Newton's; two units in the last place, and no wait for the divider.
    const Vec r = (Vec)_mm512_rcp14_ps((__m512)b);
    return a * (r * (2.0f - b * r));
#else
    return a / b;
#endif
}

INLINE float sum(Vec x) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)x);
#else
    float total = 0;
    for (int i = 0; i < WIDTH; ++i) total += x[i];
    return total;
#endif
}

// exp(-x) to 3e-7 for |x| <= 87, never zero nor infinite: 2^n times a polynomial of degree 5, minimax
// for the rest in [-ln 2 / 2, ln 2 / 2].
INLINE Vec exponential_of_negative(Vec x) {
    x = at_most(at_least(x, -87.0f), 87.0f);
    const float log2e = -1.44269504f, magic = 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer
    const Vec shifted = x * log2e + magic;
    const Vec n = shifted - magic;
    const Vec r = (x + n * 0.693359375f) - n * 2.12194440e-4f;  // n ln 2 in two parts, the first exact
    const Vec r2 = r * r;
    const Vec low = 1.0f + r * -0.99999964f, middle = 0.49998897f + r * -0.16667575f;
    const Vec high = 0.041915379f + r * -0.0082976157f;
    const Vec p = low + r2 * (middle + r2 * high);
    return (Vec)((IntVec)p + ((IntVec)shifted << 23));
}

INLINE Vec sigmoid(Vec x) { return divide(splat(1.0f), 1.0f + exponential_of_negative(x)); }

// tanh(x) = x P(x^2) / Q(x^2) on [-8.5, 8.5], a minimax fit: 1e-8 in exact arithmetic, 4e-7 in float32.
INLINE Vec hyperbolic_tangent(Vec x) {
    x = at_most(at_least(x, -8.5f), 8.5f);
    const Vec s = x * x, s2 = s * s;
    const Vec p = (1.0f + s * 0.13413239f) + s2 * ((0.003534017f + s * 2.1250878e-05f) + s2 * 1.4268989e-08f);
    const Vec q = (1.0f + s * 0.46746561f) + s2 * ((0.026022714f + s * 0.00033488485f) + s2 * 8.1450275e-07f);
    return at_most(at_least(divide(x * p, q), -1.0f), 1.0f);
}

// Gradients that fade over many steps become subnormal, which some processors handle a hundred times
// slower. They count as zero while this lives; the calling thread's own mode returns afterwards.
class FlushSubnormals {
#if defined(__SSE__)
    unsigned before_ = _mm_getcsr();

  public:
    FlushSubnormals() { _mm_setcsr(before_ | 0x8040); }
    ~FlushSubnormals() { _mm_setcsr(before_); }
#else
  public:
    FlushSubnormals() {}
    ~FlushSubnormals() {}
#endif
};
