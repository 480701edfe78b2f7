"""Fits P in F(-w) = exp(-w^2 / 2) t P(u), F the standard normal distribution function, w >= 0, and prints the coefficients
that elementwise.h holds.

    pip install mpmath && python csrc/kernels/fit_normal.py

t = 4 / (4 + w) brings w from 0 to `highest`, beyond which F(-w) is soon subnormal, onto [t0, 1], where P is smooth; u is t
moved onto [-1, 1], where its powers lose no places. The polynomial is the interpolant at Chebyshev points.
"""

import mpmath as mp

mp.mp.dps = 50


def fit(degree: int, highest: int) -> tuple[list[mp.mpf], mp.mpf]:
    t0 = mp.mpf(4) / (4 + highest)

    def p(u: mp.mpf) -> mp.mpf:
        t = t0 + (1 - t0) * (u + 1) / 2
        w = 4 / t - 4
        return mp.exp(w**2 / 2) * mp.erfc(w / mp.sqrt(2)) / 2 / t

    coefficients = mp.chebyfit(p, [-1, 1], degree + 1)
    points = [mp.cos(mp.pi * i / 500) for i in range(501)]
    return coefficients[::-1], max(abs(mp.polyval(coefficients, u) / p(u) - 1) for u in points)


for name, degree, highest, digits in (("float", 9, 13, 9), ("double", 22, 37, 17)):
    found, error = fit(degree, highest)
    print(f"{name}: relative error {mp.nstr(error, 3)}, 2^{mp.nstr(mp.log(error, 2), 4)}")
    for k, c in enumerate(found):
        print(f"  p{k} = {mp.nstr(c, digits)}")
