// Vectors of as many numbers as the processor adds at once, and what the loss does with them.
// The vector types are those of GCC and Clang; N is float or double.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "call.hpp"

namespace {  // compiled into one library, loss.cpp

#ifdef __AVX512F__
constexpr int BYTES = 64, ROWS = 8;
#else
constexpr int BYTES = 32, ROWS = 4;
#endif
constexpr int VECTORS = 2;  // side by side in a tile of ROWS rows: one step of a product
constexpr int LINE = 64;    // bytes of a cache line

template <class N, int COUNT> struct Lanes {
  typedef N type __attribute__((vector_size(COUNT * sizeof(N))));
};
template <class N> constexpr int WIDTH = BYTES / sizeof(N);
template <class N> constexpr int PANEL = VECTORS * WIDTH<N>;
template <class N> using Vector = typename Lanes<N, WIDTH<N>>::type;

template <class N> Vector<N> load(const N *from) {
  Vector<N> v;
  std::memcpy(&v, from, BYTES);
  return v;
}

// The first `left` numbers, which may be none, then zeros.
template <class N> Vector<N> load(const N *from, Integer left) {
  if (left >= WIDTH<N>) return load(from);
  Vector<N> v{};
  if (left > 0) std::memcpy(&v, from, left * sizeof(N));
  return v;
}

template <class N> void store(N *to, Vector<N> v) { std::memcpy(to, &v, BYTES); }

template <class N> Vector<N> least(Vector<N> a, Vector<N> b) { return a < b ? a : b; }

// All lanes of a vector in one number, half onto half.
template <class N, int COUNT, class Join>
N folded(typename Lanes<N, COUNT>::type v, const Join &join) {
  if constexpr (COUNT == 1) {
    return v[0];
  } else {
    typename Lanes<N, COUNT / 2>::type low, high;
    std::memcpy(&low, &v, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char *>(&v) + sizeof low, sizeof high);
    return folded<N, COUNT / 2>(join(low, high), join);
  }
}
template <class N> N sum(Vector<N> v) {
  return folded<N, WIDTH<N>>(v, [](auto a, auto b) { return decltype(a)(a + b); });
}
// As many numbers in double precision, and their sum.
template <class N> using Doubles = typename Lanes<double, WIDTH<N>>::type;
template <class N> Doubles<N> doubles(Vector<N> v) {
  return __builtin_convertvector(v, Doubles<N>);
}
template <class N> double total(Doubles<N> v) {
  return folded<double, WIDTH<N>>(v, [](auto a, auto b) { return decltype(a)(a + b); });
}
template <class N> N smallest(Vector<N> v) {
  return folded<N, WIDTH<N>>(v, [](auto a, auto b) { return decltype(a)(a < b ? a : b); });
}

constexpr double inverse_factorial(int k) { return k ? inverse_factorial(k - 1) / k : 1.0; }

// exp(x), 1 of x > 0, and 0 where products of two would not be normal numbers, which are slow.
template <class N> inline __attribute__((always_inline)) Vector<N> exponential(Vector<N> x) {
  constexpr bool single = sizeof(N) == 4;
  using Whole = std::conditional_t<single, int32_t, int64_t>;
  using Bits = typename Lanes<Whole, WIDTH<N>>::type;
  constexpr int MANTISSA = single ? 23 : 52, DEGREE = single ? 7 : 13;
  constexpr N LEAST = single ? -38.0 : -340.0;
  constexpr N ROUND = 1.5 * (Integer(1) << MANTISSA);  // what is added to it becomes whole
  constexpr N LN2 = single ? 0.693359375 : 6.93145751953125e-1;  // few digits: n LN2 is exact
  constexpr N REST = 0.69314718055994530942 - double(LN2);
  const Vector<N> below = x > 0 ? Vector<N>{} : x;
  const Vector<N> inside = below < LEAST ? Vector<N>{} + LEAST : below;
  const Vector<N> rounded = inside * N(1.4426950408889634) + ROUND;  // n is in its last bits
  const Vector<N> n = rounded - ROUND, r = inside - n * LN2 - n * REST;
  Vector<N> p = Vector<N>{} + N(inverse_factorial(DEGREE));
#pragma GCC unroll 16
  for (int k = DEGREE - 1; k >= 0; k--) p = p * r + N(inverse_factorial(k));
  const Vector<N> found = (Vector<N>)((Bits)p + ((Bits)rounded << MANTISSA));  // p 2^n
  return x < LEAST ? Vector<N>{} : found;
}

template <class N, int STEP, bool UPPER, int... L>
Vector<N> exchanged(Vector<N> a, Vector<N> b, std::integer_sequence<int, L...>) {
  return __builtin_shufflevector(
      a, b, (L & STEP ? (UPPER ? L : L - STEP) + WIDTH<N> : UPPER ? L + STEP : L)...);
}

template <class N, int STEP> void transpose_blocks(Vector<N> *rows) {
  if constexpr (STEP > 0) {
    constexpr auto lanes = std::make_integer_sequence<int, WIDTH<N>>();
#pragma GCC unroll 16
    for (int i = 0; i < WIDTH<N>; i++)
      if (!(i & STEP)) {
        const Vector<N> a = rows[i], b = rows[i + STEP];
        rows[i] = exchanged<N, STEP, false>(a, b, lanes);
        rows[i + STEP] = exchanged<N, STEP, true>(a, b, lanes);
      }
    transpose_blocks<N, STEP / 2>(rows);
  }
}

// A square of WIDTH rows and columns.
template <class N> void transpose(const N *from, Integer from_row, N *to, Integer to_row) {
  Vector<N> rows[WIDTH<N>];
#pragma GCC unroll 16
  for (int i = 0; i < WIDTH<N>; i++) rows[i] = load(from + i * from_row);
  transpose_blocks<N, WIDTH<N> / 2>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < WIDTH<N>; i++) store(to + i * to_row, rows[i]);
}

// Numbers of several rows, LINES cache lines of each, that are asked for a few at a time between
// other work: what is asked for all at once is waited for.
template <class N, int LINES> struct Ahead {
  const N *const *rows;
  Integer offset, next, last, at_once;
  Ahead(const std::vector<const N *> &of, Integer offset, Integer times)
      : rows(of.data()), offset(offset), next(0), last(of.size() * LINES),
        at_once((last + times - 1) / times) {}
  void fetch() {
    for (const Integer stop = std::min(next + at_once, last); next < stop; next++)
      __builtin_prefetch(rows[next / LINES] + offset + next % LINES * (LINE / sizeof(N)), 0, 2);
  }
};

constexpr Integer STRETCH = 16;  // steps of a product between which something is fetched

// c [ROWS, PANEL] = a [ROWS, depth] b [depth, PANEL], or that added to c. Element (i, p) of a is
// at a[i row + p], and where columns are BESIDE each other at a[p row + i]: either way the loop
// needs no address but a few that stand in registers.
template <class N, bool BESIDE, bool ADDED, class Fetches>
__attribute__((noinline))  // or its loop lacks registers
void tile(const N *a, Integer row, const N *b, Integer b_row, Integer depth, N *c, Integer c_row,
          Fetches &ahead) {
  const N *rows[ROWS];
  Vector<N> sums[ROWS][VECTORS];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
    rows[i] = a + i * row;
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++)
      sums[i][v] = ADDED ? load(c + i * c_row + v * WIDTH<N>) : Vector<N>{};
  }
  for (Integer start = 0; start < depth; start += STRETCH) {
    ahead.fetch();
    for (Integer v = 0; !ADDED && start < ROWS * STRETCH && v < VECTORS; v++)
      __builtin_prefetch(c + start / STRETCH * c_row + v * WIDTH<N>, 1);
    const Integer stop = std::min(start + STRETCH, depth);
    for (Integer p = start; p < stop; p++, b += b_row) {
      Vector<N> right[VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) right[v] = load(b + v * WIDTH<N>);
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; i++) {
        const N left = BESIDE ? a[i] : rows[i][p];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sums[i][v] += left * right[v];
      }
      if (BESIDE) a += row;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) store(c + i * c_row + v * WIDTH<N>, sums[i][v]);
}

Integer up(Integer n, Integer step) { return (n + step - 1) / step * step; }

// A padded row of n numbers: an odd number of lines, or a column would lie in few sets of a cache.
template <class N> Integer padded(Integer n) {
  return (up(n, PANEL<N>) * Integer(sizeof(N)) / LINE | 1) * LINE / Integer(sizeof(N));
}

// Numbers of one group, from the start of a line on; at first zeros.
template <class N> class Scratch {
 public:
  explicit Scratch(Integer size)
      : held(size + LINE),
        at(held.data() + (-reinterpret_cast<uintptr_t>(held.data()) % LINE) / sizeof(N)) {}
  Scratch(const Scratch &) = delete;
  operator N *() const { return at; }

 private:
  std::vector<N> held;
  N *const at;
};

}  // namespace
