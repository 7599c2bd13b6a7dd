"""256 times the cosine of each heading, rounded: whole numbers, the same on every machine."""

HEADINGS = 64
_QUARTER = (256, 255, 251, 245, 237, 226, 213, 198, 181, 162, 142, 121, 98, 74, 50, 25)
_HALF = (*_QUARTER, 0, *(-value for value in reversed(_QUARTER[1:])))
COSINE = (*_HALF, *(-value for value in _HALF))
