"""Fits q in exp(r) - 1 = r + r^2 q(r) on |r| <= ln(2)/2 and prints the coefficients that elementwise.h holds.

    pip install mpmath && python csrc/kernels/fit_expm1.py

Weighted least squares on Chebyshev points with Lawson's reweighting, which tends to the minimax polynomial of the
relative error of exp(r) - 1 (Lawson 1961; Trefethen, Approximation Theory and Approximation Practice, ch. 10).
"""

import mpmath as mp

mp.mp.dps = 50


def fit(degree: int, points: int = 120, rounds: int = 40) -> tuple[list[mp.mpf], mp.mpf]:
    bound = mp.log(2) / 2 * mp.mpf("1.0001")
    r = [bound * mp.cos(mp.pi * (2 * i + 1) / (2 * points)) for i in range(points)]
    q = [(mp.expm1(x) - x) / x**2 for x in r]
    relative = [x**2 / mp.expm1(x) for x in r]  # turns an error of q into a relative error of exp(r) - 1
    lawson = [mp.mpf(1) / points] * points
    best: tuple[list[mp.mpf], mp.mpf] = ([], mp.inf)
    for _ in range(rounds):
        rows = mp.matrix(
            [[mp.sqrt(w) * s * x**k for k in range(degree + 1)] for x, s, w in zip(r, relative, lawson, strict=True)]
        )
        target = mp.matrix([mp.sqrt(w) * s * y for y, s, w in zip(q, relative, lawson, strict=True)])
        coefficients = list(mp.lu_solve(rows.T * rows, rows.T * target))
        error = [abs(s * (mp.polyval(coefficients[::-1], x) - y)) for x, s, y in zip(r, relative, q, strict=True)]
        if max(error) < best[1]:
            best = (coefficients, max(error))
        weights = [w * e for w, e in zip(lawson, error, strict=True)]
        lawson = [w / sum(weights) for w in weights]
    return best


for name, degree, digits in (("float", 4, 9), ("double", 9, 17)):
    coefficients, error = fit(degree)
    print(f"{name}: relative error {mp.nstr(error, 3)}, 2^{mp.nstr(mp.log(error, 2), 4)}")
    for k, c in enumerate(coefficients):
        print(f"  q{k} = {mp.nstr(c, digits)}")
