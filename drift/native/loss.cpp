// Forces of the drifting loss on a CPU, group after group; equations: specs/symbols.md.
//
// Letters as in drift/loss.py: G generated samples, T targets of which the first G are these, S
// features. Of a group there are
//
//   y [T, S]      targets about the mean of the generated samples
//   dist [T, G]   distances, then the normalised ones
//   a [R, T, G]   coefficients of each temperature
//
// Vectors run along samples, so that sums over targets are sums of vectors. Scratch is that of one
// group and stays in cache. Rows are padded; what lies there is a number that nothing is made of.

#include "vectors.hpp"

// A call of the loss; _Call of drift/native/__init__.py is the same.
struct Call {
  Integer generated, targets, features, repelling, clouds;
  const void *cloud[3];  // generated, unconditional where there are any, positive
  Integer samples[3], group_stride[3], row_stride[3];
  const void *weight;  // [B, T]
  Integer temperatures;
  const double *rates;  // -1 / tau
  double floor, clip, close, raw_mask, mask;
  Integer in_kernel;
};

namespace {

template <class N> class Group {
 public:
  Group(const Call &of, Integer temperatures)
      : call(of), G(of.generated), T(of.targets), S(of.features), y_row(padded<N>(S)),
        row(padded<N>(G)), lanes(up(G, WIDTH<N>)), rows(std::max(up(T, ROWS), up(G, PANEL<N>))),
        y(rows * y_row), spare(y_row), x(y_row * row), dist(rows * row), a(temperatures * rows * row),
        norm(rows), centre(y_row), near_sample(row), near_target(rows), over_targets(row),
        sides(2 * row) {}

  // Samples about the mean of the generated ones, and their squared norms.
  void take(Integer b) {
    N *const middle = centre, *to = y;
    std::fill_n(middle, y_row, N(0));
    for (Integer i = 0; i < G; i++) {
      const N *from = sample(0, b, i);
      for (Integer s = 0; s < S; s += WIDTH<N>) store(middle + s, load(middle + s) + load(from + s));
    }
    for (Integer s = 0; s < S; s++) middle[s] /= G;
    Integer j = 0;
    for (Integer cloud = 0; cloud < call.clouds; cloud++)
      for (Integer k = 0; k < call.samples[cloud]; k++, j++, to += y_row) {
        const N *from = sample(cloud, b, k);
        Vector<N> squares{};
        for (Integer s = 0; s < S; s += WIDTH<N>) {
          const Vector<N> v = load(from + s) - load(middle + s);
          store(to + s, v);
          squares += v * v;
        }
        norm[j] = sum<N>(squares);
      }
    weight = static_cast<const N *>(call.weight) + b * T;
  }

  // d = sqrt(max(|x|^2 + |y|^2 - 2 x y, clip)); figures [3]: means of d w and of w, and one.
  void distances(double *figures) {
    for (Integer i = 0; i < lanes; i += WIDTH<N>)
      for (Integer s = 0; s < S; s += WIDTH<N>)
        transpose(y + i * y_row + s, y_row, x + s * row + i, row);
    product<N>({y, y_row, 1}, x, row, S, dist, row, T, up(G, PANEL<N>));
    double weighted = 0, weights = 0;
    for (Integer j = 0; j < T; j++) {
      N *d = dist + j * row;
      bool close = false;
      for (Integer i = 0; i < G; i++) {
        d[i] = norm[i] + norm[j] - 2 * d[i];
        close |= i != j && d[i] < N(call.close) * (norm[i] + norm[j]);
      }
      if (close) subtract_close(j);
      if (j < G) d[j] = 0;
      for (Integer i = 0; i < G; i++) d[i] = std::sqrt(d[i] < N(call.clip) ? N(call.clip) : d[i]);
      Doubles<N> sums{};
      for (Integer i = 0; i < G; i += WIDTH<N>) sums += doubles<N>(load(d + i, G - i));
      weighted += double(weight[j]) * total<N>(sums);
      weights += double(weight[j]);
    }
    figures[0] = weighted / double(G * T), figures[1] = weights / double(T), figures[2] = 1;
  }

  // dist [T, G] as it is kept from one pass to the next.
  void keep(N *to) {
    for (Integer j = 0; j < T; j++) std::copy_n(dist + j * row, G, to + j * G);
  }
  void recall(const N *from) {
    for (Integer j = 0; j < T; j++) std::copy_n(from + j * G, G, dist + j * row);
  }

  // Distances over their mean, each sample's own one masked.
  void normalise(N scale) {
    for (Integer j = 0; j < T; j++) {
      N *d = dist + j * row;
      if (j < G) d[j] += N(call.raw_mask);
      for (Integer i = 0; i < G; i++) d[i] /= scale;
      if (j < G) d[j] += N(call.mask);
      std::fill(d + G, d + lanes, FAR);
    }
  }

  // a of all temperatures.
  void coefficients() {
    nearest();
    for (Integer r = 0; r < call.temperatures; r++) {
      N *of_one = a + r * rows * row;
      affinities(of_one, N(call.rates[r] / 2));
      cross_weights(of_one);
    }
  }

  // out [R, G, S] = a y, and products [R, R], the means of F F' over G and S and over `square`.
  void forces(N *out, double *products, double square) {
    const Integer R = call.temperatures, size = G * S;
    for (Integer r = 0; r < R; r++)
      product<N>({a + r * rows * row, 1, row}, y, y_row, T, out + r * size, S, G, S);
    std::fill_n(products, R * R, 0.0);
    for (Integer start = 0; start < size; start += BLOCK)
      for (Integer r = 0; r < R; r++)
        for (Integer q = 0; q <= r; q++)
          products[r * R + q] += inner(out + r * size + start, out + q * size + start,
                                       std::min(BLOCK, size - start));
    for (Integer r = 0; r < R; r++)
      for (Integer q = 0; q <= r; q++)
        products[q * R + r] = products[r * R + q] /= double(size) * square;
  }

 private:
  static constexpr Integer BLOCK = 1024;  // entries of forces that are multiplied while in cache
  static constexpr N FAR = 1e30;  // of a sample that there is none of: its exponential is zero

  // A sample that can be read in whole vectors, at most until the next one is asked for.
  const N *sample(Integer cloud, Integer b, Integer k) const {
    const N *from = static_cast<const N *>(call.cloud[cloud]) + b * call.group_stride[cloud] +
                    k * call.row_stride[cloud];
    if (S % WIDTH<N> == 0) return from;
    std::copy_n(from, S, +spare);
    return spare;
  }

  // |x - y|^2 of the pairs of one target for which the expansion has lost its digits.
  void subtract_close(Integer j) {
    N *d = dist + j * row;
    for (Integer i = 0; i < G; i++)
      if (d[i] < N(call.close) * (norm[i] + norm[j])) {
        Vector<N> squares{};
        for (Integer s = 0; s < S; s += WIDTH<N>) {
          const Vector<N> v = load(y + i * y_row + s) - load(y + j * y_row + s);
          squares += v * v;
        }
        d[i] = sum<N>(squares);
      }
  }

  // The smallest distance of each sample and of each target: softmaxes are taken relative to them.
  void nearest() {
    std::fill_n(+near_sample, row, FAR);
    for (Integer j = 0; j < T; j++) {
      Vector<N> of_target = Vector<N>{} + FAR;
      const bool counts = !call.in_kernel || weight[j] > 0;
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> d = load(dist + j * row + i);
        of_target = least<N>(of_target, d);
        if (counts) store(near_sample + i, least<N>(load(near_sample + i), d));
      }
      near_target[j] = smallest<N>(of_target);
    }
  }

  // A = sqrt(max(p_ij q_ij, floor)) w_j: p and q are softmaxes over targets and over samples. The
  // roots of their exponentials are e and f, so that no pair needs a root; rate is -1 / (2 tau).
  void affinities(N *to, N rate) {
    std::fill_n(+over_targets, row, N(0));
    for (Integer j = 0; j < T; j++) {
      const N inside = call.in_kernel ? weight[j] : N(1);
      Vector<N> over_samples{};
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> d = load(dist + j * row + i);
        const Vector<N> e = exponential<N>((d - load(near_sample + i)) * rate);
        const Vector<N> f = exponential<N>((d - near_target[j]) * rate);
        store(over_targets + i, load(over_targets + i) + inside * e * e);
        over_samples += f * f;
        store(to + j * row + i, e * f);
      }
      const N share = std::sqrt(double(inside) / double(sum<N>(over_samples)));
      for (Integer i = 0; i < lanes; i += WIDTH<N>)
        store(to + j * row + i, load(to + j * row + i) * share);
    }
    for (Integer i = 0; i < lanes; i++) over_targets[i] = 1 / std::sqrt(double(over_targets[i]));
    const Vector<N> floor = Vector<N>{} + N(std::sqrt(call.floor));
    for (Integer j = 0; j < T; j++) {
      const N outside = call.in_kernel ? N(1) : weight[j];
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> v = load(to + j * row + i) * load(over_targets + i);
        store(to + j * row + i, (v < floor ? floor : v) * outside);
      }
    }
  }

  // a_j = A_j times the other side's sum, negative where a target repels.
  void cross_weights(N *of_one) {
    N *attracting = sides, *repelling = sides + row;
    std::fill_n(+sides, 2 * row, N(0));
    for (Integer j = 0; j < T; j++) {
      N *sum = j < call.repelling ? repelling : attracting;
      for (Integer i = 0; i < lanes; i += WIDTH<N>)
        store(sum + i, load(sum + i) + load(of_one + j * row + i));
    }
    for (Integer i = 0; i < lanes; i++) attracting[i] = -attracting[i];
    for (Integer j = 0; j < T; j++) {
      const N *factor = j < call.repelling ? attracting : repelling;
      for (Integer i = 0; i < lanes; i += WIDTH<N>)
        store(of_one + j * row + i, load(of_one + j * row + i) * load(factor + i));
    }
  }

  static double inner(const N *one, const N *other, Integer size) {
    Vector<N> sums{};
    Integer k = 0;
    for (; k + WIDTH<N> <= size; k += WIDTH<N>) sums += load(one + k) * load(other + k);
    return total<N>(doubles<N>(sums + load(one + k, size - k) * load(other + k, size - k)));
  }

  const Call &call;
  const Integer G, T, S, y_row, row, lanes, rows;
  const N *weight = nullptr;
  Scratch<N> y, spare, x, dist, a, norm, centre, near_sample, near_target, over_targets, sides;
};

// Groups from `begin` on: figures [B, 3]; dist [B, T, G] where they are kept.
template <class N>
void measure(const Call *call, Integer begin, Integer end, N *dist, double *figures) {
  Group<N> group(*call, 0);
  for (Integer b = begin; b < end; b++) {
    group.take(b);
    group.distances(figures + 3 * b);
    if (dist) group.keep(dist + b * call->targets * call->generated);
  }
}

// forces [B, R, G, S] before any norm and products [B, R, R], of distances as `measure` kept them.
template <class N>
void pull(const Call *call, Integer begin, Integer end, const N *dist, double scale, double square,
          N *forces, double *products) {
  double figures[3];
  const Integer R = call->temperatures, size = R * call->generated * call->features;
  Group<N> group(*call, R);
  for (Integer b = end; b-- > begin;) {  // the last ones measured may still be in cache
    group.take(b);
    if (dist) group.recall(dist + b * call->targets * call->generated);
    else group.distances(figures);
    group.normalise(N(scale));
    group.coefficients();
    group.forces(forces + b * size, products + b * R * R, square);
  }
}

}  // namespace

extern "C" {
void measure_float32(const Call *call, Integer begin, Integer end, float *dist, double *figures) {
  measure(call, begin, end, dist, figures);
}
void measure_float64(const Call *call, Integer begin, Integer end, double *dist, double *figures) {
  measure(call, begin, end, dist, figures);
}
void pull_float32(const Call *call, Integer begin, Integer end, const float *dist, double scale,
                  double square, float *forces, double *products) {
  pull(call, begin, end, dist, scale, square, forces, products);
}
void pull_float64(const Call *call, Integer begin, Integer end, const double *dist, double scale,
                  double square, double *forces, double *products) {
  pull(call, begin, end, dist, scale, square, forces, products);
}
}
