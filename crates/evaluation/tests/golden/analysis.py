"""Reference values from NumPy for the analysis of layers: tests/golden/analysis.safetensors.

Run from this folder, with numpy 2.4.6 and safetensors 0.8.0:

    python analysis.py

One model with two layers, in float32: layer 3 [5, 12, 6, 8] (even sizes, mixed channels, one large
value), layer 8 [5, 7, 5, 5] (odd sizes). All values are computed in float64 from these. Per layer L
the file holds L.x and every quantity below under its name; the random channel orders are those of the
crate's own Philox streams, made here by a second implementation.
"""

import numpy as np
from safetensors.numpy import save_file

SEED, PERMUTATIONS, PERMUTATION_IMAGES = 9, 20, 3
M32, M64 = (1 << 32) - 1, (1 << 64) - 1


def philox(key, lower, upper):
    """One block of Philox4x32-10 (Salmon et al., 2011) under a key of 64 bits."""
    c = [lower & M32, lower >> 32, upper & M32, upper >> 32]
    k0, k1 = key & M32, key >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & M32, (p0 >> 32) ^ c[3] ^ k1, p0 & M32]
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c


def child(key, kind, ident):
    w = philox(key[0], ident, key[1] ^ int.from_bytes(kind, "big"))
    return (w[0] | w[1] << 32, w[2] | w[3] << 32)


def named(key, name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & M64
    return child(key, b"by name ", h)


def permutation(key, n):
    words = (w for block in range(1 << 20) for w in philox(key[0], block, key[1]))

    def below(n):
        product = (next(words) | next(words) << 32) * n
        while product & M64 < (1 << 64) % n:
            product = (next(words) | next(words) << 32) * n
        return product >> 64

    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = below(last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def spectrum(x):
    return np.abs(np.fft.fft(x, axis=1) / x.shape[1])


def entropy(p):
    p = p[p > 0] / p.sum()
    return -(p * np.log(p)).sum()


rng = np.random.default_rng(4)
even = np.einsum("cd,bdhw->bchw", rng.normal(size=(12, 12)), rng.normal(size=(5, 12, 6, 8))) * 0.4
even += 0.5 * rng.normal(size=(1, 12, 1, 1))
even[2, 4, 1, 3] = 40.0
layers = {3: even.astype(np.float32), 8: (rng.normal(size=(5, 7, 5, 5)) * 2 - 1).astype(np.float32)}
low, high = min(x.min() for x in layers.values()), max(x.max() for x in layers.values())

out = {}
for layer, x32 in layers.items():
    x = x32.astype(np.float64)
    _, c, h, w = x.shape
    s = spectrum(x)
    half = np.moveaxis(s, 1, 0).reshape(c, -1)[: c // 2 + 1]
    put = lambda name, value: out.__setitem__(f"{layer}.{name}", np.atleast_1d(np.asarray(value, np.float64)))
    amplitude = s.mean(axis=(0, 2, 3))
    put("amplitude", amplitude)
    put("intensity", amplitude.mean())
    put("rms", np.sqrt((x**2).mean()))
    put("normalised", amplitude.mean() * np.sqrt(c) / (0.8862 * np.sqrt((x**2).mean())))
    put("sd", half.std(axis=1))
    put("min", half.min(axis=1))
    put("max", half.max(axis=1))
    for q in [5, 50, 95]:
        put(f"p{q}", np.percentile(half, q, axis=1, method="inverted_cdf"))
    put("spectral_entropy", entropy(amplitude) / np.log(c))
    put("feature_entropy", entropy(np.histogram(x, bins=100, range=(low, high))[0]))
    put("own_range_entropy", entropy(np.histogram(x, bins=100)[0]))
    put("spatial", np.abs(np.fft.rfft2(x, norm="ortho")).mean(axis=(0, 1)).ravel())
    full = np.abs(np.fft.fft2(x, norm="ortho")).mean(axis=(0, 1))
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
    ring = np.floor(min(h, w) * radius + 0.5 + 1e-12)
    put("radial", [full[ring == r].mean() for r in range(min(h, w) // 2 + 1)])
    vectors = np.moveaxis(x, 1, -1).reshape(-1, c)
    put("effective_rank", np.exp(entropy(np.linalg.eigvalsh(np.cov(vectors.T)).clip(0))))

    first = x[:PERMUTATION_IMAGES]
    stream = child(named((SEED, 0), "channel permutation"), b"by index", layer)
    orders = [permutation(child(stream, b"by index", p), c) for p in range(PERMUTATIONS)]
    spectra = np.stack([spectrum(first[:, order]).mean(axis=(0, 2, 3)) for order in orders])
    put("permuted_own", spectrum(first).mean(axis=(0, 2, 3))[: c // 2 + 1])
    put("permuted_mean", spectra.mean(axis=0)[: c // 2 + 1])
    put("permuted_band", np.percentile(spectra, [5, 95], axis=0)[:, : c // 2 + 1].ravel())
    put("permuted_intensity", [spectrum(first).mean(), *np.percentile(spectra.mean(axis=1), [5, 95])])
    out[f"{layer}.x"] = x32

save_file({name: np.ascontiguousarray(value) for name, value in out.items()}, "analysis.safetensors")
