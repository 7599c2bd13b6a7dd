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
#include "vectors.hpp"

namespace {

template <class N> class Group {
 public:
  Group(const Call &of, Integer temperatures, bool measures)
      : call(of), G(of.generated), T(of.targets), S(of.features), R(temperatures),
        lanes(up(G, WIDTH<N>)), row(padded<N>(G)), rows(std::max(up(T, ROWS), up(G, PANEL<N>))),
        sample(T), y(rows * (measures ? DEPTH : PANEL<N>)), x(measures * DEPTH * row),
        dist(rows * row), norm(measures * rows * WIDTH<N>), own(row), pair((R > 0) * T * row),
        a(R * lanes * T), near_sample(row), near_target(rows), of_sample(row), of_target(rows),
        sides(2 * row), inner(R * R * WIDTH<N>) {}

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
    for (Integer j = 0; j < T; j++) norm[j] = sum<N>(load(norm + j * WIDTH<N>));
    std::fill(std::copy_n(+norm, G, +own), own + lanes, FAR);  // of which no pair is close
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

  // a of all temperatures, of distances [T, .] that are divided by `scale`.
  void coefficients(const N *from, Integer from_row, double scale) {
    nearest(from, from_row, N(call.raw_mask + call.mask * scale));
    for (Integer r = 0; r < R; r++) {
      exponentials(call.rates[r] / (2 * scale));
      affinities();
      cross_weights(a + r * lanes * T);
    }
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
        for (Integer r = 0; r < R; r++) pull(a + (r * lanes + i) * T, out[r] + at, high, wide, ahead);
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
  static constexpr N FAR = 1e30;  // of a sample that there is none of: its exponential is zero

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
    auto ahead = next<DEPTH>(s, up(T, ROWS) / ROWS * up(G, PANEL<N>) / PANEL<N>, wide);
    const auto product = s ? tile<N, false, true, decltype(ahead)> : tile<N, false, false, decltype(ahead)>;
    for (Integer j = 0; j < T; j += ROWS)
      for (Integer i = 0; i < G; i += PANEL<N>)
        product(y + j * DEPTH, DEPTH, x + i, row, wide, dist + j * row + i, row, ahead);
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
    if (j < G) d[j] = -FAR;
    Vector<N> least_left = Vector<N>{} + FAR;
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

  // Distances, each sample's own one masked, and the smallest of each sample and of each target:
  // softmaxes are taken relative to them.
  void nearest(const N *from, Integer from_row, N mask) {
    std::fill_n(+near_sample, row, FAR);
    for (Integer j = 0; j < T; j++, from += from_row) {
      N *to = dist + j * row;
      if (to != from) std::copy_n(from, G, to);
      std::fill(to + G, to + lanes, FAR);
      if (j < G) to[j] += mask;
      Vector<N> smallest_here = Vector<N>{} + FAR;
      const bool counts = !call.in_kernel || weight[j] > 0;
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> d = load(to + i);
        smallest_here = least<N>(smallest_here, d);
        if (counts) store(near_sample + i, least<N>(load(near_sample + i), d));
      }
      near_target[j] = smallest<N>(smallest_here);
    }
  }

  // Softmaxes over targets, p, and over samples, q. The roots of their exponentials are e and f, so
  // that no pair needs a root: pair = e f, and the roots of p q are that times two shares.
  void exponentials(N rate) {
    std::fill_n(+of_sample, row, N(0));
    for (Integer j = 0; j < T; j++) {
      const N inside = call.in_kernel ? weight[j] : N(1);
      Vector<N> over_samples{};
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> d = load(dist + j * row + i);
        const Vector<N> e = exponential<N>((d - load(near_sample + i)) * rate);
        const Vector<N> f = exponential<N>((d - near_target[j]) * rate);
        store(of_sample + i, load(of_sample + i) + inside * e * e);
        over_samples += f * f;
        store(pair + j * row + i, e * f);
      }
      of_target[j] = sum<N>(over_samples);
    }
    for (Integer i = 0; i < lanes; i++) of_sample[i] = std::sqrt(1 / double(of_sample[i]));
    for (Integer j = 0; j < T; j++)
      of_target[j] = std::sqrt((call.in_kernel ? weight[j] : 1.0) / double(of_target[j]));
  }

  // pair = A = sqrt(max(p q, floor)) w_j, and the sums of both sides.
  void affinities() {
    std::fill_n(+sides, 2 * row, N(0));
    const Vector<N> floor = Vector<N>{} + N(std::sqrt(call.floor));
    for (Integer j = 0; j < T; j++) {
      N *side = sides + (j < call.repelling) * row, *of_pair = pair + j * row;
      const N outside = call.in_kernel ? N(1) : weight[j];
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> root = load(of_pair + i) * of_target[j] * load(of_sample + i);
        const Vector<N> affinity = (root < floor ? floor : root) * outside;
        store(of_pair + i, affinity);
        store(side + i, load(side + i) + affinity);
      }
    }
    for (Integer i = 0; i < lanes; i++) sides[i] = -sides[i];
  }

  // a_j = A_j times the other side's sum, negative where a target repels; as `tile` reads them, the
  // ROWS samples of a tile side by side.
  void cross_weights(N *to) {
    for (Integer j = 0; j < T; j++, to += ROWS)
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const N *other = sides + (j >= call.repelling) * row;
        const Vector<N> signed_weights = load(pair + j * row + i) * load(other + i);
        for (int k = 0; k < WIDTH<N>; k += ROWS)
          std::memcpy(to + (i + k) * T, reinterpret_cast<const N *>(&signed_weights) + k,
                      ROWS * sizeof(N));
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
  Scratch<N> y, x, dist, norm, own, pair, a, near_sample, near_target, of_sample, of_target, sides;
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
FOR(float, float32)
FOR(double, float64)
}
