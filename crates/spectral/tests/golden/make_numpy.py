"""Reference values from NumPy for crates/spectral: tests/golden/numpy.safetensors.

Run from this folder, with numpy 2.4.6 and safetensors:

    python make_numpy.py

Everything is float64; complex arrays are stored as [2, ...] (re, im). Per size `n` or `HxW`, even and odd:

    <size>.{x,z}                 a real and a complex signal, [2, n, 3] (transformed along axis 1) or [2, H, W]
    <size>.half                  numbers [2, ..., n/2+1, ...] that are no half spectrum of anything, for the inverse
    <size>.<norm>.<op>           numpy.fft.<op> of x (rfft*, and fft* as `real_fft*`), of z (fft*, ifft*), of half (irfft*)
    <size>.over.<op>             rfft2 and fft2 of a [H, 2, W] view over axes (2, 0), ortho
    shift.<n>.{x,fftshift,ifftshift}
    <HxW>.{amplitude,phase,power} of rfft2 ortho
    <HxW>.radial, <HxW>.bands    means of the ortho amplitude over rings and bands of the full spectrum, by the formulas
                                 below
    <HxW>.low_pass               irfft2 of the bins with radius <= 0.2
    resize.<n>to<m>.{x,out}      the definition of scipy.signal.resample, from numpy.fft
"""

import numpy as np
from safetensors.numpy import save_file

rng = np.random.default_rng(4)
out = {}


def put(name, value):
    value = np.asarray(value)
    if np.iscomplexobj(value):
        value = np.stack([value.real, value.imag])
    out[name] = np.ascontiguousarray(value, dtype=np.float64)


def complex_normal(*shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


for n in [1, 2, 5, 8]:
    x, z, half = rng.normal(size=(2, n, 3)), complex_normal(2, n, 3), complex_normal(2, n // 2 + 1, 3)
    put(f"{n}.x", x), put(f"{n}.z", z), put(f"{n}.half", half)
    for norm in ["backward", "ortho", "forward"]:
        put(f"{n}.{norm}.rfft", np.fft.rfft(x, axis=1, norm=norm))
        put(f"{n}.{norm}.real_fft", np.fft.fft(x, axis=1, norm=norm))
        put(f"{n}.{norm}.fft", np.fft.fft(z, axis=1, norm=norm))
        put(f"{n}.{norm}.ifft", np.fft.ifft(z, axis=1, norm=norm))
        put(f"{n}.{norm}.irfft", np.fft.irfft(half, n, axis=1, norm=norm))

for h, w in [(1, 4), (5, 7), (4, 6), (6, 5)]:
    size = f"{h}x{w}"
    x, z, half = rng.normal(size=(2, h, w)), complex_normal(2, h, w), complex_normal(2, h, w // 2 + 1)
    put(f"{size}.x", x), put(f"{size}.z", z), put(f"{size}.half", half)
    for norm in ["backward", "ortho", "forward"]:
        put(f"{size}.{norm}.rfft2", np.fft.rfft2(x, norm=norm))
        put(f"{size}.{norm}.real_fft2", np.fft.fft2(x, norm=norm))
        put(f"{size}.{norm}.fft2", np.fft.fft2(z, norm=norm))
        put(f"{size}.{norm}.ifft2", np.fft.ifft2(z, norm=norm))
        put(f"{size}.{norm}.irfft2", np.fft.irfft2(half, (h, w), norm=norm))
    turned = x.transpose(1, 0, 2)
    put(f"{size}.over.rfft2", np.fft.rfft2(turned, axes=(2, 0), norm="ortho"))
    put(f"{size}.over.fft2", np.fft.fft2(turned, axes=(2, 0), norm="ortho"))

    spectrum = np.fft.rfft2(x, norm="ortho")
    put(f"{size}.amplitude", np.abs(spectrum))
    put(f"{size}.phase", np.angle(spectrum))
    put(f"{size}.power", np.abs(spectrum) ** 2)

    full = np.abs(np.fft.fft2(x, norm="ortho"))
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
    smallest = min(h, w)
    ring = np.floor(smallest * radius + 0.5 + 1e-9).astype(int)
    put(f"{size}.radial", np.stack([full[:, ring == r].mean(axis=1) for r in range(smallest // 2 + 1)], axis=1))
    edges = [0.0, 0.1, 0.3, 0.8]
    bands = [full[:, (low <= radius) & (radius < high)].mean(axis=1) for low, high in zip(edges, edges[1:])]
    put(f"{size}.bands", np.stack(bands, axis=1))
    put(f"{size}.low_pass", np.fft.ifft2(np.fft.fft2(x) * (radius <= 0.2)).real)

for n in [1, 2, 5, 6]:
    x = rng.normal(size=(n, 3))
    put(f"shift.{n}.x", x)
    put(f"shift.{n}.fftshift", np.fft.fftshift(x, axes=0))
    put(f"shift.{n}.ifftshift", np.fft.ifftshift(x, axes=0))


def resample(x, m):
    """scipy.signal.resample along the last axis (its complex branch, on the full spectrum)."""
    n = x.shape[-1]
    spectrum, low = np.fft.fft(x), min(n, m)
    new = np.zeros(x.shape[:-1] + (m,), dtype=complex)
    positive = (low + 1) // 2
    new[..., :positive] = spectrum[..., :positive]
    if positive > 1:
        new[..., 1 - positive :] = spectrum[..., 1 - positive :]
    if low % 2 == 0 and m > n:
        new[..., low // 2] = spectrum[..., low // 2] / 2
        new[..., m - low // 2] = spectrum[..., low // 2] / 2
    elif low % 2 == 0:
        new[..., low // 2] = spectrum[..., low // 2] + spectrum[..., n - low // 2]
    return np.fft.ifft(new).real * (m / n)


for n, m in [(4, 6), (4, 5), (5, 8), (6, 4), (7, 4), (8, 5), (5, 3), (3, 1), (1, 3), (14, 7)]:
    x = rng.normal(size=(2, n))
    put(f"resize.{n}to{m}.x", x)
    put(f"resize.{n}to{m}.out", resample(x, m))

save_file(out, "numpy.safetensors")
