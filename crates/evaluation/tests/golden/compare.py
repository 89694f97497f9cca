"""Reference values from NumPy for the comparison of two models: tests/golden/compare.safetensors.

Run from this folder, with Python 3.11, numpy 2.4.6 and safetensors 0.8.0:

    python compare.py

Every measure is computed from its definition, not by the way of the crate: errors over explicit spectra, the energies of
the two unpaired columns from an FFT along W, resizing by evaluating the trigonometric polynomial, CKA with the centring
matrix, its debiased form from Gram matrices that are not centred, without their diagonals (Song et al., 2012).

    a.<layer>, b.<layer>    features [7, C, H, W], float32, with means far from zero
    <measure>               [A's layers, B's layers], float64
"""

import numpy as np
from safetensors.numpy import save_file

rng = np.random.default_rng(0)
N = 7
A = {0: (4, 6, 6), 3: (4, 5, 5), 4: (9, 4, 7)}
B = {1: (10, 6, 6), 2: (4, 6, 6), 8: (6, 3, 5)}

# What the models see in common, so that CKA is neither 0 nor 1.
common = rng.normal(size=(N, 5))


def features(shape):
    size = int(np.prod(shape))
    x = 30 * rng.normal(size=size) + common @ rng.normal(size=(5, size)) + 3 * rng.normal(size=(N, size))
    return x.reshape(N, *shape).astype(np.float32)


def pooled(x, width):
    c = x.shape[1]
    bins = [range(i * c // width, -(-(i + 1) * c // width)) for i in range(width)]
    return np.stack([x[:, list(b)].mean(axis=1) for b in bins], axis=1)


def resized(x, axis, m):
    """The trigonometric polynomial through n samples, without what is above half of the new rate."""
    n = x.shape[axis]
    if m == n:
        return x
    assert m < n
    x = np.moveaxis(x, axis, -1)
    spectrum = np.fft.fft(x) / n
    out = np.zeros(x.shape[:-1] + (m,), complex)
    t = np.arange(m) / m
    for k in range(-(m // 2), m // 2 + 1):  # for even m both ends, which alias into one bin
        out += spectrum[..., k % n, None] * np.exp(2j * np.pi * k * t)
    return np.moveaxis(out.real, -1, axis)


def amplitude(x):
    return np.abs(np.fft.fft(x, axis=1) / x.shape[1]).mean(axis=(0, 2, 3))


def cka(x, y):
    h = np.eye(N) - 1 / N
    k, l = (h @ (z.reshape(N, -1) @ z.reshape(N, -1).T) @ h for z in (x, y))
    return (k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())


def debiased(x, y):
    def hsic(x, y):
        # Any shift will do, and without one the means would eat the digits.
        x, y = ((z - z[0]).reshape(N, -1) for z in (x, y))
        k, l = x @ x.T, y @ y.T
        np.fill_diagonal(k, 0)
        np.fill_diagonal(l, 0)
        cross = k.sum() * l.sum() / ((N - 1) * (N - 2)) - 2 / (N - 2) * (k @ l).sum()
        return (np.trace(k @ l) + cross) / (N * (N - 3))

    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


out = {f"a.{layer}": features(shape) for layer, shape in A.items()}
out |= {f"b.{layer}": features(shape) for layer, shape in B.items()}
names = ["spectral_loss", "mse", "cka", "spectrum_distance", "cka_debiased", "energy", "energy_dc", "energy_nyquist"]
values = {name: np.zeros((len(A), len(B))) for name in names}
for i, a in enumerate(A):
    for j, b in enumerate(B):
        x, y = out[f"a.{a}"].astype(np.float64), out[f"b.{b}"].astype(np.float64)
        put = lambda name, value: values[name].__setitem__((i, j), value)
        put("cka", cka(x, y))
        put("cka_debiased", debiased(x, y))
        width = min(x.shape[1], y.shape[1])
        x, y = pooled(x, width), pooled(y, width)
        put("spectrum_distance", np.sqrt(np.mean((20 * np.log10(amplitude(x) / amplitude(y))) ** 2)))
        for axis in (2, 3):
            size = min(x.shape[axis], y.shape[axis])
            x, y = resized(x, axis, size), resized(y, axis, size)
        f = np.fft.rfft2(x, norm="ortho") - np.fft.rfft2(y, norm="ortho")
        put("spectral_loss", np.mean(np.stack([f.real, f.imag]) ** 2))
        put("mse", np.mean((x - y) ** 2))
        put("energy", np.sum((x - y) ** 2))
        columns = np.abs(np.fft.fft(x - y, axis=3, norm="ortho")) ** 2
        put("energy_dc", columns[..., 0].sum())
        w = x.shape[3]
        put("energy_nyquist", columns[..., w // 2].sum() if w % 2 == 0 else 0.0)
save_file(out | values, "compare.safetensors")
