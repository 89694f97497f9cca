"""One training step of SpectralKD's released code (arXiv 2412.19055), on small models, for `cargo xtask step`.

Run from this folder, with torch 2.15.0, timm 1.0.31 and safetensors:

    python make.py

The step is written out after the released code's engine and losses: student and teacher see the same images;
cross-entropy with label smoothing 0.1 times 1 - alpha, tau^2 times the batch mean of KL(teacher || student) times alpha,
and per pair of layers the mean squared error of the stacked real and imaginary parts of the ortho rfft2, teacher
channels pooled to the student's by adaptive_avg_pool3d, the mean over pairs times w; AdamW over timm's parameter
groups. Features are timm's forward_intermediates (un-normed, NCHW, without prefix tokens). Everything in float64; what
is stored as input is rounded to float32 first.

Per case `deit` (CaiT -> DeiT, pooled channels) and `swin` (Swin -> Swin, all four stages):

    <case>-student.safetensors, <case>-teacher.safetensors   the weights, timm's names, float32
    <case>-images.safetensors                                images [B, C, H, W] float32, labels [B] int64
    <case>-expected.safetensors                              loss.<name>, grad.<parameter>, after.<parameter>, float32
                                                             of the float64 results
"""

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.models.cait import Cait
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_weight_decay

assert timm.__version__ == "1.0.31", timm.__version__
torch.manual_seed(0)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

ALPHA, TAU, SMOOTHING, LR, DECAY = 0.9, 1.0, 0.1, 5e-4, 0.05


def draw(model):
    """Weights of which every tensor matters, exactly representable in float32."""
    for name, value in model.named_parameters():
        noise = torch.randn_like(value)
        if "norm" in name and name.endswith("weight"):
            value.data = 1 + 0.2 * noise
        elif "gamma" in name:
            value.data = 0.4 + 0.1 * noise
        elif name.endswith("bias"):
            value.data = 0.1 * noise
        elif "proj_l" in name or "proj_w" in name:
            value.data = torch.eye(len(value)) + 0.2 * noise
        elif "pos_embed" in name or "token" in name or "table" in name:
            value.data = 0.3 * noise
        else:
            value.data = noise / value[0].numel() ** 0.5
        value.data = value.data.float().double()
    return model


def features(model, images, layers):
    logits_norm = model.forward_intermediates(images, indices=layers, output_fmt="NCHW", norm=False)
    final, maps = logits_norm
    return model.forward_head(final), maps


def spectral(student, teacher):
    if student.shape[1] < teacher.shape[1]:
        teacher = F.adaptive_avg_pool3d(teacher, (student.shape[1], None, None))
    a, b = (torch.fft.rfft2(x, norm="ortho") for x in (student, teacher))
    return F.mse_loss(torch.stack([a.real, a.imag], -1), torch.stack([b.real, b.imag], -1))


def case(name, student, teacher, images, labels, pairs, weight):
    student, teacher = draw(student), draw(teacher).eval()
    student.train()
    float32 = lambda model: {n: v.detach().float().contiguous() for n, v in model.named_parameters()}
    save_file(float32(student), f"{name}-student.safetensors")
    save_file(float32(teacher), f"{name}-teacher.safetensors")
    save_file({"images": images.float(), "labels": labels}, f"{name}-images.safetensors")

    with torch.no_grad():
        target, taught = features(teacher, images, [t for _, t in pairs])
    logits, maps = features(student, images, [s for s, _ in pairs])
    ce = F.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
    kl = TAU**2 * F.kl_div(
        F.log_softmax(logits / TAU, 1), F.log_softmax(target / TAU, 1), reduction="batchmean", log_target=True
    )
    fft = sum(spectral(s, t) for s, t in zip(maps, taught)) / len(pairs)
    total = (1 - ALPHA) * ce + ALPHA * kl + weight * fft
    total.backward()
    expected = {"loss.total": total, "loss.cross-entropy": ce, "loss.kl": kl, "loss.spectral": fft}
    expected |= {f"grad.{n}": v.grad.clone() for n, v in student.named_parameters()}
    groups = param_groups_weight_decay(student, DECAY, student.no_weight_decay())
    torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8).step()
    expected |= {f"after.{n}": v for n, v in student.named_parameters()}
    save_file({n: v.detach().float().contiguous() for n, v in expected.items()}, f"{name}-expected.safetensors")


def batch(channels, size, classes):
    images = torch.randn(3, channels, size, size).float().double()
    return images, torch.randint(classes, (3,))


deit = VisionTransformer(img_size=20, patch_size=4, in_chans=3, num_classes=7, embed_dim=12, depth=3, num_heads=3)
cait = Cait(img_size=20, patch_size=4, in_chans=3, num_classes=7, embed_dim=16, depth=4, num_heads=2, init_values=0.1)
case("deit", deit, cait, *batch(3, 20, 7), [(0, 0), (1, 2), (2, 3)], 0.2)

swin = dict(img_size=32, patch_size=2, in_chans=3, num_classes=5, window_size=4, num_heads=(1, 1, 2, 2), embed_dim=4)
small, tiny = SwinTransformer(depths=(1, 1, 3, 1), **swin), SwinTransformer(depths=(1, 1, 1, 1), **swin)
case("swin", tiny, small, *batch(3, 32, 5), [(i, i) for i in range(4)], 0.05)
