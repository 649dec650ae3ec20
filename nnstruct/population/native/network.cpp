// Sorting a network's wiring, and moving weights and gradients between its order and the flat arrays'.
#include "network.h"

#include <algorithm>

namespace {

// A list of edges by source, in the order of the weights: entry k of a row belongs to weight k.
template <class Function>
void each_edge(const Wiring& w, bool recurrent, int row, Function function) {
    const int starts = recurrent ? w.recurrent_starts : w.forward_starts;
    const int targets = recurrent ? w.recurrent_targets : w.forward_targets;
    const int32_t* start = (recurrent ? w.recurrent_start : w.forward_start) + (size_t)row * starts;
    const int32_t* target = (recurrent ? w.recurrent_target : w.forward_target) + (size_t)row * targets;
    for (int u = 0; u < w.units; ++u)
        for (int k = start[u]; k < start[u + 1]; ++k) function(u, (int)target[k], k);
}

struct Edge {
    int32_t key, source, position;
};

void fill(InEdges& list, int keys, std::vector<Edge>& edges, const std::vector<Track>& track, int ahead, int width) {
    std::stable_sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.key < b.key; });
    list.start.assign(keys + 1, 0);
    for (const Edge& edge : edges) {
        ++list.start[edge.key + 1];
        const Track& t = track[edge.source];
        list.source.push_back({t.row + ahead * t.stride, t.stride});
        list.position.push_back(edge.position);
    }
    for (int key = 0; key < keys; ++key) list.start[key + 1] += list.start[key];
    list.weight.assign(edges.size() * width, 0.0f);
}

}  // namespace

bool Network::prepare(const Wiring& given, int batch_size, int longest_sequence) {
    wiring = given;
    longest = longest_sequence;
    const Wiring& w = wiring;
    for (vectors = 1; vectors < MOST_VECTORS && vectors * WIDTH < batch_size;) vectors *= 2;
    input_row.assign(w.input_row, w.input_row + w.units);
    output_unit.assign(w.output_unit, w.output_unit + w.outputs);
    sum_start.assign(w.sum_start, w.sum_start + w.units + 1);
    sum_source.assign(w.sum_source, w.sum_source + sum_start.back());
    computes.assign(w.computes, w.computes + w.units);
    table_width = (w.symbols + WIDTH - 1) / WIDTH * WIDTH;
    table.assign((size_t)w.inputs * w.gates * table_width, 0.0f);
    find_blocks();
    sort_in_edges();
    sort_out_edges();
    return allocate();
}

// A cut before unit u is possible unless a recurrent edge leads from u or behind it to before u.
void Network::find_blocks() {
    const Wiring& w = wiring;
    std::vector<int32_t> held(w.units + 1, 0);
    each_edge(w, true, 0, [&](int source, int target, int) {
        if (source > target) {
            ++held[target + 1];
            --held[source + 1];
        }
    });
    track.resize(w.units);
    int depth = 0, rows = 0;
    for (int u = 0; u < w.units; ++u) {
        depth += held[u];
        const bool sums = computes[u] != 1 && depth == 0;
        const bool joins = u > 0 && (depth > 0 || (sums && blocks.back().sums));
        if (!joins) blocks.push_back({u, u, sums, false, {}});
        blocks.back().end = u + 1;
        blocks.back().sums &= sums;
        blocks.back().mixed |= sum_start[u + 1] > sum_start[u];
    }
    for (const Block& block : blocks) {
        const int size = block.end - block.begin;
        for (int u = block.begin; u < block.end; ++u) track[u] = {rows + u - block.begin, size};
        rows += size * (longest + 1);
    }
}

void Network::sort_in_edges() {
    const Wiring& w = wiring;
    std::vector<Edge> edges;
    each_edge(w, true, 0, [&](int source, int target, int k) { edges.push_back({target, source, k}); });
    fill(recurrent_in, w.units, edges, track, 0, w.gates);
    const bool shared = w.forward_rows == 1;
    edges.clear();
    if (shared) each_edge(w, false, 0, [&](int source, int target, int k) { edges.push_back({target, source, k}); });
    fill(forward_in, w.units, edges, track, 1, w.gates);
    edges.clear();
    for (int gate = 0; !shared && gate < w.gates; ++gate)
        each_edge(w, false, gate, [&](int source, int target, int k) {
            edges.push_back({target * w.gates + gate, source, gate * w.forward_edges + k});
        });
    fill(gate_in, w.units * w.gates, edges, track, 1, 1);
}

void Network::sort_out_edges() {
    const Wiring& w = wiring;
    std::vector<int32_t> block_of(w.units);
    for (size_t b = 0; b < blocks.size(); ++b)
        for (int u = blocks[b].begin; u < blocks[b].end; ++u) block_of[u] = (int)b;
    struct OutEdge {
        int32_t block, outside, recurrent, source, row, position;
    };
    std::vector<OutEdge> edges;
    for (int recurrent = 0; recurrent < 2; ++recurrent)
        for (int gate = 0; gate < w.gates; ++gate) {
            const int32_t* channel = recurrent ? w.recurrent_channel : w.forward_channel;
            const int offset = recurrent ? w.gates * w.forward_edges + gate * w.recurrent_edges : gate * w.forward_edges;
            const int row = !recurrent && w.forward_rows > 1 ? gate : 0;
            each_edge(w, recurrent, row, [&](int source, int target, int k) {
                const int block = block_of[target], local = target - blocks[block].begin;
                edges.push_back({block, block_of[source] != block, recurrent, source,
                                 local * w.channels + channel[gate], offset + k});
            });
        }
    auto group = [](const OutEdge& e) { return std::make_tuple(e.block, e.outside, e.recurrent, e.source); };
    std::stable_sort(edges.begin(), edges.end(), [&](const OutEdge& a, const OutEdge& b) { return group(a) < group(b); });
    now.assign(w.units, {});
    later.assign(w.units, {});
    gradient_row.assign(w.units, -1);
    auto keep_gradient = [&](int unit) {
        if (gradient_row[unit] < 0) gradient_row[unit] = gradient_rows++ * (longest + 1);
    };
    for (int unit : output_unit) keep_gradient(unit);
    for (size_t i = 0, end; i < edges.size(); i = end) {
        const OutEdge& first = edges[i];
        for (end = i; end < edges.size() && group(edges[end]) == group(first); ++end) {
            out.row.push_back(edges[end].row);
            out.position.push_back(edges[end].position);
        }
        const Range range{(int32_t)i, (int32_t)end};
        if (first.outside) {
            blocks[first.block].outside.push_back({first.source, first.recurrent != 0, range});
            keep_gradient(first.source);
        } else {
            (first.recurrent ? later : now)[first.source] = range;
        }
    }
    out.weight.assign(edges.size(), 0.0f);
    share_gradients(block_of);
    for (int source : sum_source) keep_gradient(source);
    handed_start.assign(1, 0);
    for (int u = 0; u < w.units; ++u) {
        for (int e = sum_start[u]; e < sum_start[u + 1]; ++e)
            if (gradient_row[u] < 0 || gradient_row[sum_source[e]] != gradient_row[u])
                handed_row.push_back(gradient_row[sum_source[e]]);
        handed_start.push_back((int32_t)handed_row.size());
    }
}

// What goes into one plain sum alone has that sum's gradient.
void Network::share_gradients(const std::vector<int32_t>& block_of) {
    std::vector<int32_t> count(wiring.units, 0);
    for (int source : sum_source) ++count[source];
    for (int u = wiring.units - 1; u >= 0; --u)
        for (int e = sum_start[u]; e < sum_start[u + 1]; ++e) {
            const int source = sum_source[e];
            if (blocks[block_of[u]].sums && gradient_row[u] >= 0 && count[source] == 1 && gradient_row[source] < 0)
                gradient_row[source] = gradient_row[u];
        }
}

bool Network::allocate() {
    const Wiring& w = wiring;
    size_t most = 0, rows = (size_t)w.units * (longest + 1), v = vectors;
    for (const Block& block : blocks)
        if (!block.sums) most = std::max<size_t>(most, block.end - block.begin);
    const bool gated = w.cell == GRU || w.cell == LSTM, memories = w.cell == LSTM || (!gated && !sum_source.empty());
    lengths.assign(v * WIDTH, 0);
    targets.assign(v * WIDTH, 0);
    scores.assign(v * WIDTH * w.classes, 0.0f);
    const bool enough = hidden.allocate(rows * v) && memory.allocate(memories ? rows * v : 0) &&
                        gates.allocate(gated ? 4 * rows * v : 0) &&
                        gradients.allocate((size_t)gradient_rows * (longest + 1) * v) &&
                        delta.allocate(2 * most * w.channels * v) && carry.allocate(most * v) &&
                        edge_sums.allocate(out.row.size()) && bias_sums.allocate((size_t)w.units * w.channels) &&
                        input_sums.allocate((size_t)w.inputs * w.gates * w.symbols) &&
                        symbols.allocate((size_t)longest * v) && last.allocate((size_t)w.outputs * v) &&
                        asked.allocate(w.every_step ? (size_t)longest * v : 0) &&
                        step_scores.allocate((size_t)w.classes * v) &&
                        readout_sums.allocate(w.every_step ? (size_t)w.classes * (w.outputs + 1) : 0);
    if (!enough) return false;
    for (const Track& t : track) {
        std::memset((void*)(hidden.vectors() + t.row * v), 0, v * sizeof(Vec));
        if (w.cell == LSTM) std::memset((void*)(memory.vectors() + t.row * v), 0, v * sizeof(Vec));
    }
    return true;
}

void Network::take_weights(const Weights& given) {
    const Wiring& w = wiring;
    const int gates = w.gates, borders = gates * w.forward_edges;
    auto take = [&](InEdges& list, const float* weight, int edges) {
        for (size_t e = 0; e < list.position.size(); ++e)
            for (int gate = 0; gate < gates; ++gate)
                list.weight[e * gates + gate] = weight[(size_t)gate * edges + list.position[e]];
    };
    take(forward_in, given.forward, w.forward_edges);
    take(recurrent_in, given.recurrent, w.recurrent_edges);
    for (size_t e = 0; e < gate_in.position.size(); ++e) gate_in.weight[e] = given.forward[gate_in.position[e]];
    for (size_t e = 0; e < out.position.size(); ++e) {
        const int p = out.position[e];
        out.weight[e] = p < borders ? given.forward[p] : given.recurrent[p - borders];
    }
    for (int row = 0; row < w.inputs * gates; ++row)
        std::copy_n(given.input + (size_t)row * w.symbols, w.symbols, table.begin() + (size_t)row * table_width);
}

void Network::clear_gradients() {
    const Wiring& w = wiring;
    std::memset((void*)edge_sums.vectors(), 0, out.row.size() * sizeof(Vec));
    std::memset((void*)bias_sums.vectors(), 0, (size_t)w.units * w.channels * sizeof(Vec));
    std::memset((void*)input_sums.vectors(), 0, (size_t)w.inputs * w.gates * w.symbols * sizeof(Vec));
    if (w.every_step)
        std::memset((void*)readout_sums.vectors(), 0, (size_t)w.classes * (w.outputs + 1) * sizeof(Vec));
}

void Network::give_gradients(const Weights& gradient) const {
    const Wiring& w = wiring;
    const int borders = w.gates * w.forward_edges;
    for (size_t e = 0; e < out.position.size(); ++e) {
        const int p = out.position[e];
        (p < borders ? gradient.forward[p] : gradient.recurrent[p - borders]) = sum(edge_sums.vectors()[e]);
    }
    for (int u = 0; u < w.units; ++u)
        for (int c = 0; c < w.channels; ++c)
            gradient.bias[(size_t)c * w.units + u] = sum(bias_sums.vectors()[(size_t)u * w.channels + c]);
    for (int row = 0; row < w.inputs * w.gates; ++row)
        for (int s = w.first_symbol; s < w.symbols; ++s)
            gradient.input[(size_t)row * w.symbols + s] = sum(input_sums.vectors()[(size_t)row * w.symbols + s]);
}
