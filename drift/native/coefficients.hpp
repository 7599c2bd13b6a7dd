// Coefficients of the pairs of one group, of all temperatures; letters as in loss.cpp.

#pragma once

#include "call.hpp"
#include "vectors.hpp"

namespace {

// Of a sample that there is none of: its exponential is zero.
template <class N> constexpr N FAR = 1e30;

template <class N> class Coefficients {
 public:
  Coefficients(const Call &of, Integer temperatures)
      : call(of), G(of.generated), T(of.targets), R(temperatures), lanes(up(G, WIDTH<N>)),
        row(padded<N>(G)), pair((R > 0) * T * row), a(R * lanes * T), near_sample(row),
        near_target(T), shift(row), of_sample(row), of_target(T), sides(2 * row) {}

  // a of all temperatures, of distances [T, .] that are divided by `scale`, and weights [T]. `held`
  // is room for [T, .], which may be where the distances are.
  void find(const N *from, Integer from_row, N *held, const N *of_targets, double scale) {
    dist = held, weight = of_targets;
    nearest(from, from_row, N(call.raw_mask + call.mask * scale));
    for (Integer r = 0; r < R; r++) {
      const N rate = call.rates[r] / (2 * scale);
      const bool close = !call.in_kernel && spread * -rate < SPREAD;
      close ? exponentials<true>(rate) : exponentials<false>(rate);
      affinities();
      cross_weights(a + r * lanes * T);
    }
  }

  // Those of one temperature: sample i of target j is at [(i - i % ROWS) T + j ROWS + i % ROWS].
  const N *of(Integer r) const { return a + r * lanes * T; }

 private:
  static constexpr N SPREAD = 20;  // of exponents: what underflows then is no part of any sum

  // Distances, each sample's own one masked, and the smallest of each sample and of each target:
  // softmaxes are taken relative to them.
  void nearest(const N *from, Integer from_row, N mask) {
    std::fill_n(+near_sample, row, FAR<N>);
    for (Integer j = 0; j < T; j++, from += from_row) {
      N *to = dist + j * row;
      if (to != from) std::copy_n(from, G, to);
      std::fill(to + G, to + lanes, FAR<N>);
      if (j < G) to[j] += mask;
      Vector<N> smallest_here = Vector<N>{} + FAR<N>;
      const bool counts = !call.in_kernel || weight[j] > 0;
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> d = load(to + i);
        smallest_here = least<N>(smallest_here, d);
        if (counts) store(near_sample + i, least<N>(load(near_sample + i), d));
      }
      near_target[j] = smallest<N>(smallest_here);
    }
    const auto [low, high] = std::minmax_element(+near_target, near_target + T);
    least_near = *low;
    spread = std::max(*high, *std::max_element(+near_sample, near_sample + G)) - *low;
  }

  // Softmaxes over targets, p, and over samples, q. The roots of their exponentials are e and f, so
  // that no pair needs a root: pair = e f, and the roots of p q are that times two shares. Where
  // the smallest distances are CLOSE to each other, f is e times a number of each side.
  template <bool CLOSE> void exponentials(N rate) {
    std::fill_n(+of_sample, row, N(0));
    for (Integer i = 0; CLOSE && i < lanes; i += WIDTH<N>)
      store(shift + i, exponential<N>((load(near_sample + i) - least_near) * rate));
    for (Integer j = 0; j < T; j++) {
      const N inside = call.in_kernel ? weight[j] : N(1);
      const N back = CLOSE ? std::exp((least_near - near_target[j]) * rate) : N(0);
      Vector<N> over_samples{};
      for (Integer i = 0; i < lanes; i += WIDTH<N>) {
        const Vector<N> d = load(dist + j * row + i);
        const Vector<N> e = exponential<N>((d - load(near_sample + i)) * rate);
        const Vector<N> f = CLOSE ? e * (load(shift + i) * back)
                                  : exponential<N>((d - near_target[j]) * rate);
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

  const Call &call;
  const Integer G, T, R, lanes, row;
  const N *weight = nullptr;
  N *dist = nullptr;
  N least_near = 0, spread = 0;  // of the smallest distances: the smallest, and up to the largest
  Scratch<N> pair, a, near_sample, near_target, shift, of_sample, of_target, sides;
};

}  // namespace
