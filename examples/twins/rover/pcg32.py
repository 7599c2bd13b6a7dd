"""PCG32 (PCG-XSH-RR 64/32): the one stream of random numbers that both twins draw from.

State and increment are 64-bit; a stream is chosen by the increment, which is odd.

    draw       x = state; state = x * 6364136223846793005 + increment  (mod 2^64)
               y = ((x >> 18) ^ x) >> 27  (its low 32 bits), rotated right by x >> 59
    seed       state = 0; draw; state += seed; draw
    below(n)   draws are refused until one is >= 2^32 mod n; that one mod n is uniform on 0 .. n-1
"""

from __future__ import annotations

MULTIPLIER = 6364136223846793005
MASK64, MASK32 = (1 << 64) - 1, (1 << 32) - 1


class Pcg32:
    """One stream."""

    def __init__(self, seed: int, stream: int) -> None:
        self.increment = ((stream << 1) | 1) & MASK64
        self.state = 0
        self.draw()
        self.state = (self.state + seed) & MASK64
        self.draw()

    def draw(self) -> int:
        """The next number, 0 .. 2^32 - 1."""
        before = self.state
        self.state = (before * MULTIPLIER + self.increment) & MASK64
        word = (((before >> 18) ^ before) >> 27) & MASK32
        turn = before >> 59
        return ((word >> turn) | (word << (-turn & 31))) & MASK32

    def below(self, bound: int) -> int:
        """Uniform on 0 .. bound - 1."""
        least = (1 << 32) % bound
        while True:
            drawn = self.draw()
            if drawn >= least:
                return drawn % bound
