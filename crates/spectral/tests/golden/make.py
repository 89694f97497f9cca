"""Reference values from PyTorch for crates/spectral: tests/golden/spectral.safetensors.

Run from this folder, with torch 2.15.0 (CPU) and safetensors:

    python make.py

Everything is float64. Per case the file holds

    rfft2.<H>x<W>.{x,y}             a signal [2, 3, H, W] and a cotangent [2, 2, 3, H, W/2+1]
    rfft2.<H>x<W>.<norm>.{out,grad} torch.fft.rfft2(x, norm) as (re, im), and the gradient of sum(out * y)
    pool.<C>to<K>.{x,y,out,grad}    adaptive_avg_pool3d over the channels of [2, C, 3, 4], and its gradient
    channels.<C>.{x,amplitude,intensity,rms}
                                    mean |fft(x, channel axis) / C| over batch and space of [3, C, 4, 5], its mean
                                    over all bins, and sqrt(mean x^2)
"""

import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.manual_seed(0)
out = {}


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


for h, w in [(7, 7), (14, 14), (5, 8), (8, 5), (1, 6), (6, 1), (13, 2)]:
    x = normal(2, 3, h, w).requires_grad_()
    y = normal(2, 2, 3, h, w // 2 + 1)
    out[f"rfft2.{h}x{w}.x"], out[f"rfft2.{h}x{w}.y"] = x.detach(), y
    for norm in ["backward", "ortho", "forward"]:
        spectrum = torch.view_as_real(torch.fft.rfft2(x, norm=norm)).movedim(-1, 0)
        (grad,) = torch.autograd.grad((spectrum * y).sum(), x)
        out[f"rfft2.{h}x{w}.{norm}.out"], out[f"rfft2.{h}x{w}.{norm}.grad"] = spectrum.detach(), grad

for c, k in [(8, 4), (10, 4), (7, 3), (5, 1), (3, 5)]:
    x, y = normal(2, c, 3, 4).requires_grad_(), normal(2, k, 3, 4)
    pooled = torch.nn.functional.adaptive_avg_pool3d(x, (k, None, None))
    (grad,) = torch.autograd.grad((pooled * y).sum(), x)
    for name, value in dict(x=x.detach(), y=y, out=pooled.detach(), grad=grad).items():
        out[f"pool.{c}to{k}.{name}"] = value

for c in [1, 6, 13, 24]:
    x = normal(3, c, 4, 5) + 0.3
    amplitude = (torch.fft.fft(x, dim=1) / c).abs().mean(dim=(0, 2, 3))
    out[f"channels.{c}.x"], out[f"channels.{c}.amplitude"] = x, amplitude
    out[f"channels.{c}.intensity"] = amplitude.mean()
    out[f"channels.{c}.rms"] = x.square().mean().sqrt()

save_file({name: value.contiguous() for name, value in out.items()}, "spectral.safetensors")
