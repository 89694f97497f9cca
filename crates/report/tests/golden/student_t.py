"""Writes src/statistics/student_t_values.rs: Student-t values to 17 digits.

Run as `python tests/golden/student_t.py > src/statistics/student_t_values.rs`
in the crate's folder, with Python 3.11 and mpmath 1.3.0 at 40 digits.
"""

from mpmath import betainc, mp, mpf, nstr, sqrt

mp.dps = 40


def cdf(t, dof):
    t, dof = mpf(t), mpf(dof)
    if t < 0:
        return 1 - cdf(-t, dof)
    return 1 - betainc(dof / 2, mpf(1) / 2, 0, dof / (dof + t * t), regularized=True) / 2


def quantile(p, dof):
    low, high = mpf(-1), mpf(1)
    while cdf(low, dof) > p:
        low *= 2
    while cdf(high, dof) < p:
        high *= 2
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle, dof) < p else (low, middle)
    return high


def rust(x):
    return repr(float(nstr(x, 25)))


print("// Written by tests/golden/student_t.py (mpmath 1.3.0, 40 digits).")
print("/// (p, degrees of freedom, quantile).")
print("pub(super) const QUANTILES: &[(f64, f64, f64)] = &[")
for dof in ["1", "2", "3", "4", "9", "29", "100", "2.5", "10000"]:
    for p in ["0.6", "0.95", "0.975", "0.995", "0.9995", "0.025", "0.000001"]:
        # The double nearest to p, so that both sides mean the same number.
        print(f"    ({float(p)!r}, {float(dof)!r}, {rust(quantile(mpf(float(p)), dof))}),")
print("];")
print("/// (t, degrees of freedom, P(T <= t)).")
print("pub(super) const PROBABILITIES: &[(f64, f64, f64)] = &[")
for dof in ["1", "2", "3", "7.5", "30", "1000"]:
    for t in ["0.0", "0.001", "0.5", "1.0", "2.0", "4.303", "12.706", "-0.75", "-3.0"]:
        print(f"    ({t}, {float(dof)!r}, {rust(cdf(mpf(float(t)), dof))}),")
print("];")
xs = [mpf(x) for x in ["5.1", "4.9", "5.6", "5.8", "6.0"]]
m = sum(xs) / 5
half = quantile(mpf("0.975"), 4) * sqrt(sum((x - m) ** 2 for x in xs) / 4 / 5)
print("/// The 95 % interval of the mean of 5.1, 4.9, 5.6, 5.8, 6.0.")
print(f"pub(super) const INTERVAL: (f64, f64) = ({rust(m - half)}, {rust(m + half)});")
