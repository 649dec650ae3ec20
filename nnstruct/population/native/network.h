// The wiring of one network, sorted for the loops, and the arrays in which they work.
#pragma once

#include <tuple>
#include <vector>

#include "buffer.h"

enum Cell { TANH, RELU, GRU, LSTM };

// Most vectors in a row of lanes: more would leave the registers.
constexpr int MOST_VECTORS = 4, PREFETCHED_STEPS = 2;
// In Wiring::computes: a channel of a series, whose values are data.
constexpr int GIVEN = 2;

// As nnstruct.population.native.bridge lays them out; arrays are C-contiguous.
struct Wiring {
    int32_t cell, units, gates, channels, classes, outputs, inputs, symbols, first_symbol, read_padded, every_step;
    int32_t forward_rows, forward_starts, forward_targets, forward_edges;
    int32_t recurrent_starts, recurrent_targets, recurrent_edges;
    int32_t tied_inputs;  // size of the embedding; 0 in the clean protocol
    const int32_t *forward_start, *forward_target;      // [rows, starts], [rows, targets]
    const int32_t *recurrent_start, *recurrent_target;  // [1, starts], [1, targets]
    const int32_t *forward_channel, *recurrent_channel;
    const int32_t *input_row, *output_unit, *sum_start, *sum_source, *computes;
};

struct Weights {
    float *forward, *recurrent, *bias, *input, *readout, *readout_bias;
    float *tied_input, *embedding, *bias_ih, *bias_hh;
};

// A row of lanes that moves by a stride with each time step.
struct Track {
    int32_t row, stride;
};

// Edges by target. An entry has one weight, or one for each gate.
struct InEdges {
    std::vector<int32_t> start, position;
    std::vector<Track> source;
    std::vector<float> weight;
};

// Edges by source, one entry for each gate. `row` is the target's place among its block's gradients.
struct OutEdges {
    std::vector<int32_t> row, position;
    std::vector<float> weight;
};

struct Range {
    int32_t begin = 0, end = 0;
};

// A unit outside a block whose edges lead into it.
struct Outside {
    int32_t source;
    bool recurrent;
    Range edges;
};

// Units that need each other's state of the step before: time runs inside, blocks follow each other.
struct Block {
    int32_t begin, end;
    bool sums, mixed;  // units that only add up others of the same step; some that do so among others
    std::vector<Outside> outside;
};

struct Network {
    Wiring wiring;
    int vectors;  // in a row of lanes
    int longest;
    std::vector<Block> blocks;
    std::vector<Track> track;           // [N] a unit's states; row + stride * (t + 1) after step t
    std::vector<int32_t> gradient_row;  // [N] where the gradients of its states stand, or -1
    int gradient_rows = 0;
    InEdges forward_in, recurrent_in;  // shared by all gates
    InEdges gate_in;                   // of one gate: start [N * gates]
    OutEdges out;
    std::vector<Range> now, later;  // [N] edges within the block, to this step and to the next
    std::vector<float> table;       // [I, g, padded symbols]
    int table_width;
    std::vector<int32_t> input_row, output_unit, sum_start, sum_source, computes;
    std::vector<int32_t> handed_start, handed_row;  // gradient rows of a unit's summands, shared ones left out

    Buffer hidden, memory, gates, gradients, delta, carry, edge_sums, bias_sums, input_sums, symbols, last;
    Buffer asked;                      // int32 [step][lanes]: classes, where every step is read out
    Buffer step_scores, readout_sums;  // [classes], and what the gradient of the read-out sums up from
    std::vector<int32_t> lengths, targets;
    std::vector<float> scores;

    bool prepare(const Wiring& given, int batch_size, int longest_sequence);
    void take_weights(const Weights& weights);
    void clear_gradients();
    void give_gradients(const Weights& gradients) const;

  private:
    void find_blocks();
    void sort_in_edges();
    void sort_out_edges();
    void share_gradients(const std::vector<int32_t>& block_of);
    bool allocate();
};
