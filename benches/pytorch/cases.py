"""What PyTorch runs in each case: the step of the paper's released code in the fastest eager form found.

Each builder makes models, images and labels once and returns a function without arguments: one timed run. The
opponent is to be at its best. What was compared, in CPU time on one thread of an AMD EPYC with AVX2 (torch 2.15.0,
timm 1.0.31):

- AdamW on deit_tiny: fused 8 ms, single tensors 26 ms, foreach 42 ms. So fused.
- timm's fused attention, its default (`scaled_dot_product_attention`), saves 13 % of deit_tiny's time in training and
  in inference; with Swin's additive bias it makes no difference beyond the noise. So the default.
- `inference_mode` or `no_grad`, and other settings of glibc's malloc: no difference beyond the noise.
- `view_as_real` in place of the released code's stack of real and imaginary part: the spectral loss takes 15 % less.
  Left as released, since that is what is compared; in the whole step it is less than one part in a hundred.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import timm
import torch
import torch.nn.functional as F
from timm.optim import param_groups_weight_decay
from torch import Tensor, nn

Run = Callable[[], None]

ALPHA, TAU, SMOOTHING = 0.9, 1.0, 0.1
CLASSES, IMAGE = 1000, (3, 224, 224)


@dataclass(frozen=True)
class Pairs:
    """Which layers are compared, by index, and the weight of the spectral loss: the paper's recipes."""

    student: Sequence[int]
    teacher: Sequence[int]
    weight: float


TRUNK = Pairs((0, 1, 6, 7, 8, 9, 10, 11), (0, 1, 18, 19, 20, 21, 22, 23), 0.2)
STAGES = Pairs((0, 1, 2, 3), (0, 1, 2, 3), 0.05)


def pairs_of(student: str) -> Pairs:
    """The layer pairs for a student: stages for Swin, blocks for DeiT."""
    return STAGES if student.startswith("swin") else TRUNK


def precision(dtype: str) -> Callable[[], contextlib.AbstractContextManager]:
    """A maker of contexts for the forward passes: autocast for bf16, nothing for f32."""
    if dtype == "bf16":
        return lambda: torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext


def model(name: str) -> nn.Module:
    """A model with drawn weights, without drop path (the paper's recipes have none)."""
    return timm.create_model(name, pretrained=False, drop_path_rate=0.0)


def frozen(name: str, dtype: str) -> nn.Module:
    """A model for inference. For bf16 its linear layers and convolutions are rounded once: autocast would round the
    same weights in every call, as it keeps no copy of a weight that takes no gradient. The results are the same bits.
    """
    made = model(name).eval().requires_grad_(False)
    if dtype == "bf16":
        for module in made.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                module.to(torch.bfloat16)
    return made


def with_taps(net: nn.Module, images: Tensor, layers: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """Logits [B, K] and the feature maps [B, C, H, W] of `layers`, out of one pass."""
    features, taps = net.forward_intermediates(images, indices=list(layers), norm=False, output_fmt="NCHW")
    return net.forward_head(features), taps


def spectral_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """One pair's loss as the released code computes it: the teacher's channels average-pooled to the student's count,
    `rfft2` in float32 with norm "ortho", real and imaginary parts stacked, mean squared error."""
    if student.shape[1] < teacher.shape[1]:
        teacher = F.adaptive_avg_pool3d(teacher, (student.shape[1], None, None))

    def parts(x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x.float(), dim=(2, 3), norm="ortho")
        return torch.stack([spectrum.real, spectrum.imag], dim=1)

    return F.mse_loss(parts(student), parts(teacher))


def total_loss(
    logits: Tensor,
    taps: list[Tensor],
    teacher_logits: Tensor,
    teacher_taps: list[Tensor],
    labels: Tensor,
    weight: float,
) -> Tensor:
    """(1 - a) CE + a tau^2 KL(teacher || student) + w times the mean of the spectral losses."""
    hard = F.cross_entropy(logits.float(), labels, label_smoothing=SMOOTHING)
    log_p = F.log_softmax(logits.float() / TAU, dim=1)
    log_q = F.log_softmax(teacher_logits.float() / TAU, dim=1)
    soft = F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)
    spectral = torch.stack([spectral_loss(s, t) for s, t in zip(taps, teacher_taps, strict=True)]).mean()
    return (1 - ALPHA) * hard + ALPHA * TAU**2 * soft + weight * spectral


def optimiser(net: nn.Module) -> torch.optim.Optimizer:
    """AdamW of the paper's recipe; no decay for vectors, biases, tokens, position embeddings and tables."""
    groups = param_groups_weight_decay(net, 0.05, no_weight_decay_list=net.no_weight_decay())
    return torch.optim.AdamW(groups, lr=5e-4, betas=(0.9, 0.999), eps=1e-8, fused=True)


def batch_of(batch: int) -> tuple[Tensor, Tensor]:
    """Images [B, 3, 224, 224] and labels [B], drawn."""
    return torch.randn(batch, *IMAGE), torch.randint(CLASSES, (batch,))


def step(student: str, teacher: str, batch: int, dtype: str) -> Run:
    """A distillation step: teacher without gradient, student, loss, backward, AdamW."""
    ours, theirs, pairs, casts = model(student).train(), frozen(teacher, dtype), pairs_of(student), precision(dtype)
    adamw = optimiser(ours)
    images, labels = batch_of(batch)

    def run() -> None:
        with torch.no_grad(), casts():
            teacher_logits, teacher_taps = with_taps(theirs, images, pairs.teacher)
        with casts():
            logits, taps = with_taps(ours, images, pairs.student)
        loss = total_loss(logits, taps, teacher_logits, teacher_taps, labels, pairs.weight)
        adamw.zero_grad(set_to_none=True)
        loss.backward()
        adamw.step()

    return run


def train(student: str, batch: int, dtype: str) -> Run:
    """A step of ordinary training: forward, cross entropy, backward, AdamW."""
    net, casts = model(student).train(), precision(dtype)
    adamw = optimiser(net)
    images, labels = batch_of(batch)

    def run() -> None:
        with casts():
            logits = net(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=SMOOTHING)
        adamw.zero_grad(set_to_none=True)
        loss.backward()
        adamw.step()

    return run


def infer(student: str, batch: int, dtype: str) -> Run:
    """Logits, nothing else."""
    net, casts = frozen(student, dtype), precision(dtype)
    images, _ = batch_of(batch)

    def run() -> None:
        with torch.inference_mode(), casts():
            net(images)

    return run


def loss(shape: Sequence[int]) -> Run:
    """The spectral loss and its gradient for the student's features; both sides have `shape` [B, C, H, W]."""
    student, teacher = torch.randn(*shape, requires_grad=True), torch.randn(*shape)

    def run() -> None:
        student.grad = None
        spectral_loss(student, teacher).backward()

    return run
