// Forces of the drifting loss on a CPU, group after group; equations: specs/symbols.md.
//
// Letters as in drift/loss.py: G generated samples, T targets of which the first G are these, S
// features. Of a group there are
//
//   y [T, .]      some features of the targets about the mean of the generated samples
//   dist [T, G]   distances
//   a [R, T, G]   coefficients of each temperature
//
// Vectors run along samples, so that sums over targets are sums of vectors. Samples are read some
// features at a time, and the next ones are fetched while these are multiplied: nothing of a
// group's size but pairs is held. Rows are padded; what lies there is a number that nothing is
// made of.

#include "call.hpp"
#include "coefficients.hpp"
#include "vectors.hpp"

namespace {

template <class N> class Group {
 public:
  Group(const Call &of, Integer temperatures, bool measures)
      : call(of), G(of.generated), T(of.targets), S(of.features), R(temperatures),
        lanes(up(G, WIDTH<N>)), row(padded<N>(G)), rows(std::max(up(T, ROWS), up(G, PANEL<N>))),
        sample(T), y(rows * (measures ? DEPTH : PANEL<N>)), x(measures * DEPTH * row),
        dist(rows * row), norm(measures * rows * WIDTH<N>), own(row), a(of, temperatures),
        inner(R * R * WIDTH<N>) {}

  // Where the samples of a group are.
  void take(Integer b) {
    auto to = sample.begin();
    for (Integer cloud = 0; cloud < call.clouds; cloud++) {
      const N *from = static_cast<const N *>(call.cloud[cloud]) + b * call.group_stride[cloud];
      for (Integer k = 0; k < call.samples[cloud]; k++) *to++ = from + k * call.row_stride[cloud];
    }
    weight = static_cast<const N *>(call.weight) + b * T;
  }

  // d = sqrt(max(|x|^2 + |y|^2 - 2 x y, clip)) [T, .] and the mean of the generated samples [S];
  // figures [3]: means of d w and of w, and one.
  void distances(N *to, Integer to_row, N *centre, double *figures) {
    std::fill_n(+norm, T * WIDTH<N>, N(0));
    for (Integer s = 0; s < S; s += DEPTH) multiply(s, centre);
    mirror();
    for (Integer j = 0; j < T; j++) norm[j] = sum<N>(load(norm + j * WIDTH<N>));
    std::fill(std::copy_n(+norm, G, +own), own + lanes, FAR<N>);  // of which no pair is close
    Doubles<N> weighted{};
    for (Integer j = 0; j < T; j++, to += to_row) {
      square(j);
      const N *d = dist + j * row, clip = call.clip;
      for (Integer i = 0; i < lanes; i++) to[i] = std::sqrt(d[i] < clip ? clip : d[i]);
      Vector<N> sums{};
      for (Integer i = 0; i < G; i += WIDTH<N>) sums += load(to + i, G - i);
      weighted += doubles<N>(sums) * double(weight[j]);
    }
    figures[0] = total<N>(weighted) / double(G * T), figures[2] = 1;
    figures[1] = std::accumulate(weight, weight + T, 0.0) / double(T);
  }

  // Of distances [T, .] that are divided by `scale`.
  void coefficients(const N *from, Integer from_row, double scale) {
    a.find(from, from_row, dist, weight, scale);
  }

  // out[r] [G, S] = a y, and products [R, R], the means of F F' over G and S and over `square`.
  void forces(const N *centre, N *const *out, Integer offset, double *products, double square) {
    std::fill_n(+inner, R * R * WIDTH<N>, 0.0);
    for (Integer s = 0; s < S; s += PANEL<N>) {
      gather<false>(s, PANEL<N>, centre);
      auto ahead = next<PANEL<N>>(s, up(G, ROWS) / ROWS * R, T);
      for (Integer i = 0; i < G; i += ROWS) {
        const Integer high = std::min<Integer>(ROWS, G - i);
        const Integer wide = std::min<Integer>(PANEL<N>, S - s);
        const Integer at = offset + i * S + s;
        for (Integer r = 0; r < R; r++) pull(a.of(r) + i * T, out[r] + at, high, wide, ahead);
        for (Integer r = 0; r < R; r++)
          for (Integer q = 0; q <= r; q++)
            add_products(out[r] + at, out[q] + at, high, wide, inner + (r * R + q) * WIDTH<N>);
      }
    }
    for (Integer r = 0; r < R; r++)
      for (Integer q = 0; q <= r; q++) {
        Doubles<N> sums;
        std::memcpy(&sums, inner + (r * R + q) * WIDTH<N>, sizeof sums);
        products[q * R + r] = products[r * R + q] = total<N>(sums) / (double(G * S) * square);
      }
  }

  // Scratch for distances that are kept nowhere else.
  N *own_distances() { return dist; }
  Integer own_row() const { return row; }

 private:
  static constexpr Integer DEPTH = 4 * LINE / sizeof(N);  // features that are multiplied at once

  // y [T, wide], features from s on about the centre; their squares are added to the norms.
  template <bool NORMS> void gather(Integer s, Integer wide, const N *centre) {
    for (Integer v = 0; v < wide; v += WIDTH<N>) {
      const Integer left = S - s - v;
      const Vector<N> middle = load(centre + s + v, left);
      for (Integer j = 0; j < T; j++) {
        const Vector<N> centred = load(sample[j] + s + v, left) - middle;
        store(y + j * wide + v, centred);
        if (NORMS) store(norm + j * WIDTH<N>, load(norm + j * WIDTH<N>) + centred * centred);
      }
    }
  }

  // dist [T, G] += y x^T over DEPTH features from s on.
  void multiply(Integer s, N *centre) {
    const Integer wide = std::min(DEPTH, S - s);
    for (Integer v = s; v < s + wide; v += WIDTH<N>) {
      Vector<N> middle{};
      for (Integer i = 0; i < G; i++) middle += load(sample[i] + v, S - v);
      middle /= Vector<N>{} + N(G);
      std::memcpy(centre + v, &middle, std::min<Integer>(WIDTH<N>, s + wide - v) * sizeof(N));
    }
    gather<true>(s, DEPTH, centre);
    for (Integer i = 0; i < lanes; i += WIDTH<N>)
      for (Integer v = 0; v < wide; v += WIDTH<N>)
        transpose(y + i * DEPTH + v, DEPTH, x + v * row + i, row);
    const Integer squares = G / PANEL<N>, copied = squares * (squares - 1) / 2 * (PANEL<N> / ROWS);
    auto ahead = next<DEPTH>(s, up(T, ROWS) / ROWS * (up(G, PANEL<N>) / PANEL<N>) - copied, wide);
    using Fetches = decltype(ahead);
    const auto product = s ? tile<N, false, true, Fetches> : tile<N, false, false, Fetches>;
    for (Integer j = 0; j < T; j += ROWS)
      for (Integer i = first_of(j); i < G; i += PANEL<N>)
        product(y + j * DEPTH, DEPTH, x + i, row, wide, dist + j * row + i, row, ahead);
  }

  // Products of two generated samples are the same either way round. Of whole squares of PANEL by
  // PANEL of them those behind the diagonal are multiplied, which begin here, and then copied.
  Integer first_of(Integer j) const {
    return j < G / PANEL<N> * PANEL<N> ? j / PANEL<N> * PANEL<N> : 0;
  }

  void mirror() {
    for (Integer j = 0; j < G / PANEL<N> * PANEL<N>; j += WIDTH<N>)
      for (Integer i = 0; i < first_of(j); i += WIDTH<N>)
        transpose(dist + i * row + j, row, dist + j * row + i, row);
  }

  // The WIDE features behind those from s on, to be fetched during some tiles of this depth.
  template <Integer WIDE> auto next(Integer s, Integer tiles, Integer depth) {
    static_assert(WIDE * sizeof(N) % LINE == 0);
    Ahead<N, WIDE * sizeof(N) / LINE> ahead(sample, s + WIDE, tiles * up(depth, STRETCH) / STRETCH);
    if (s + WIDE >= S) ahead.last = 0;
    return ahead;
  }

  // |x|^2 + |y|^2 - 2 x y of one target. Where that has lost its digits the pair is subtracted.
  void square(Integer j) {
    N *d = dist + j * row;
    if (j < G) d[j] = -FAR<N>;
    Vector<N> least_left = Vector<N>{} + FAR<N>;
    for (Integer i = 0; i < lanes; i += WIDTH<N>) {
      const Vector<N> both = load(own + i) + norm[j], squared = both - 2 * load(d + i);
      store(d + i, squared);
      least_left = least<N>(squared - N(call.close) * both, least_left);
    }
    if (smallest<N>(least_left) < 0) subtract_close(j);
    if (j < G) d[j] = 0;
  }

  void subtract_close(Integer j) {
    N *d = dist + j * row;
    for (Integer i = 0; i < G; i++)
      if (d[i] < N(call.close) * (norm[i] + norm[j])) {
        Vector<N> squares{};
        for (Integer s = 0; s < S; s += WIDTH<N>) {
          const Vector<N> v = load(sample[i] + s, S - s) - load(sample[j] + s, S - s);
          squares += v * v;
        }
        d[i] = sum<N>(squares);
      }
  }

  // Some forces of one temperature, out [high, wide] of rows of S.
  template <class Fetches>
  void pull(const N *of_rows, N *out, Integer high, Integer wide, Fetches &ahead) {
    if (high == ROWS && wide == PANEL<N>)
      return tile<N, true, false>(of_rows, ROWS, y, PANEL<N>, T, out, S, ahead);
    alignas(LINE) N edge[ROWS * PANEL<N>];
    tile<N, true, false>(of_rows, ROWS, y, PANEL<N>, T, edge, PANEL<N>, ahead);
    for (Integer k = 0; k < high; k++) std::copy_n(edge + k * PANEL<N>, wide, out + k * S);
  }

  void add_products(const N *one, const N *other, Integer high, Integer wide, double *to) {
    Vector<N> products[VECTORS] = {};  // not one, which would wait for itself
    for (Integer k = 0; k < high * S; k += S)
      for (int v = 0; v < VECTORS; v++) {
        const Integer at = v * WIDTH<N>;
        products[v] += load(one + k + at, wide - at) * load(other + k + at, wide - at);
      }
    Doubles<N> sums;
    std::memcpy(&sums, to, sizeof sums);
    for (const Vector<N> &some : products) sums += doubles<N>(some);
    std::memcpy(to, &sums, sizeof sums);
  }

  const Call &call;
  const Integer G, T, S, R, lanes, row, rows;
  const N *weight = nullptr;
  std::vector<const N *> sample;
  Scratch<N> y, x, dist, norm, own;
  Coefficients<N> a;
  Scratch<double> inner;
};

// Distances as they are kept: rows of whole lines.
template <class N> Integer kept_row(const Call &call) {
  return up(call.generated, LINE / sizeof(N));
}

// Groups from `begin` on: figures [B, 3], centres [B, S], and distances where they are kept.
template <class N>
void measure(const Call *call, Integer begin, Integer end, N *dist, N *centres, double *figures) {
  Group<N> group(*call, 0, true);
  const Integer row = dist ? kept_row<N>(*call) : group.own_row();
  for (Integer b = begin; b < end; b++) {
    group.take(b);
    group.distances(dist ? dist + b * call->targets * row : group.own_distances(), row,
                    centres + b * call->features, figures + 3 * b);
  }
}

// forces [R] of [B, G, S] before any norm and products [B, R R + 1], of distances as `measure` kept
// them; the last is one.
template <class N>
void pull(const Call *call, Integer begin, Integer end, const N *dist, N *centres, double scale,
          double square, N *const *forces, double *products) {
  double figures[3];
  const Integer R = call->temperatures, size = call->generated * call->features;
  Group<N> group(*call, R, !dist);
  const Integer row = dist ? kept_row<N>(*call) : group.own_row();
  for (Integer b = end; b-- > begin;) {  // the last ones measured may still be in cache
    group.take(b);
    N *const centre = centres + b * call->features, *const own = group.own_distances();
    if (!dist) group.distances(own, row, centre, figures);
    group.coefficients(dist ? dist + b * call->targets * row : own, row, scale);
    group.forces(centre, forces, b * size, products + b * (R * R + 1), square);
    products[b * (R * R + 1) + R * R] = 1;
  }
}

// The forces of the first temperature become the sum of all, each times its share; losses [B] are
// products times factors [R R + 1].
template <class N>
void add(const Call *call, Integer begin, Integer end, N *const *forces, const double *shares,
         const double *products, const double *factors, N *losses) {
  const Integer size = call->generated * call->features;
  const Integer many = call->temperatures * call->temperatures + 1;
  for (Integer b = begin; b < end; b++)
    losses[b] = std::inner_product(factors, factors + many, products + b * many, 0.0);
  for (Integer k = begin * size; k < end * size; k += WIDTH<N>) {
    const Integer left = end * size - k;
    Vector<N> sums = load(forces[0] + k, left) * N(shares[0]);
    for (Integer r = 1; r < call->temperatures; r++)
      sums += load(forces[r] + k, left) * N(shares[r]);
    std::memcpy(forces[0] + k, &sums, std::min<Integer>(left, WIDTH<N>) * sizeof(N));
  }
}

}  // namespace

#define FOR(N, NAME)                                                                              \
  void measure_##NAME(const Call *call, Integer begin, Integer end, N *dist, N *centres,         \
                      double *figures) {                                                          \
    measure(call, begin, end, dist, centres, figures);                                            \
  }                                                                                               \
  void pull_##NAME(const Call *call, Integer begin, Integer end, const N *dist, N *centres,      \
                   double scale, double square, N *const *forces, double *products) {            \
    pull(call, begin, end, dist, centres, scale, square, forces, products);                       \
  }                                                                                               \
  void add_##NAME(const Call *call, Integer begin, Integer end, N *const *forces,                \
                  const double *shares, const double *products, const double *factors,          \
                  N *losses) {                                                                    \
    add(call, begin, end, forces, shares, products, factors, losses);                             \
  }

extern "C" {
// figures [B, columns] -> their sums over groups.
void total_float64(Integer groups, Integer columns, const double *figures, double *sums) {
  std::fill_n(sums, columns, 0.0);
  for (Integer k = 0; k < groups * columns; k++) sums[k % columns] += figures[k];
}
FOR(float, float32)
FOR(double, float64)
}
