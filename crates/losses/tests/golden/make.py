"""Reference values from PyTorch for crates/losses: features.safetensors and logits.safetensors.

Run from this folder, with torch 2.15.0 (CPU) and safetensors:

    python make.py

features.safetensors, per case <B>x<C_student>x<C_teacher>x<H>x<W>, inputs float32:

    <case>.student, <case>.teacher  [B, C, H, W]
    <case>.value32                  the spectral loss computed in float32, as SpectralKD's released code does
    <case>.value64, <case>.grad64   the same in float64, and its gradient for the student
    <case>.mse64                    plain MSE of the same (pooled) features in float64

logits.safetensors, all float64 but the labels: `student`, `teacher` [6, 5], `targets` [6], and per function and
setting its value and gradient for the student; and the whole training loss `total.<type>` with its gradients for the
logits and for the student features of case 2x3x6x5x8.
"""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.manual_seed(0)


def pooled(student, teacher):
    if student.shape[1] < teacher.shape[1]:
        return F.adaptive_avg_pool3d(teacher, (student.shape[1], None, None))
    return teacher


def spectral_loss(student, teacher):
    def parts(x):
        spectrum = torch.fft.rfft2(x, dim=(2, 3), norm="ortho")
        return torch.stack([spectrum.real, spectrum.imag], dim=1)

    return F.mse_loss(parts(student), parts(pooled(student, teacher)))


def save(name, tensors):
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, f"{name}.safetensors")


features = {}
for case in [
    (2, 6, 6, 7, 7), (2, 4, 10, 7, 7),
    (2, 3, 3, 14, 14), (2, 3, 7, 14, 14),
    (1, 1, 1, 56, 56), (1, 1, 2, 56, 56),
    (2, 3, 3, 5, 8), (2, 3, 6, 5, 8), (2, 4, 5, 8, 5),
    (3, 2, 4, 1, 1), (3, 2, 2, 3, 2), (3, 2, 3, 2, 1),
]:  # fmt: skip
    b, c_s, c_t, h, w = case
    name = "x".join(map(str, case))
    student, teacher = torch.randn(b, c_s, h, w), torch.randn(b, c_t, h, w) + 0.2
    features[f"{name}.student"], features[f"{name}.teacher"] = student, teacher
    features[f"{name}.value32"] = spectral_loss(student, teacher)
    s, t = student.double().requires_grad_(), teacher.double()
    loss = spectral_loss(s, t)
    features[f"{name}.value64"] = loss
    (features[f"{name}.grad64"],) = torch.autograd.grad(loss, s)
    features[f"{name}.mse64"] = F.mse_loss(s, pooled(s, t))
save("features", features)

student = (3 * torch.randn(6, 5, dtype=torch.float64)).requires_grad_()
teacher = 3 * torch.randn(6, 5, dtype=torch.float64)
targets = torch.tensor([0, 4, 2, 2, 1, 3])
logits = {"student": student, "teacher": teacher, "targets": targets}


def soft(tau):
    log_p = F.log_softmax(student / tau, dim=1)
    log_q = F.log_softmax(teacher / tau, dim=1)
    return tau**2 * F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)


def ce(smoothing):
    return F.cross_entropy(student, targets, label_smoothing=smoothing)


hard = F.cross_entropy(student, teacher.argmax(dim=1))
values = {"hard": hard}
values |= {f"ce.{smoothing}": ce(smoothing) for smoothing in (0.0, 0.1, 0.3)}
values |= {f"soft.{tau}": soft(tau) for tau in (0.5, 1.0, 3.0)}
for name, value in values.items():
    logits[f"{name}.value"] = value
    (logits[f"{name}.grad"],) = torch.autograd.grad(value, student, retain_graph=True)

# The whole loss with alpha 0.7, tau 2, smoothing 0.1, beta 1.5, feature weight 0.2.
alpha, beta, weight = 0.7, 1.5, 0.2
ours = features["2x3x6x5x8.student"].double().requires_grad_()
feature = beta * weight * spectral_loss(ours, features["2x3x6x5x8.teacher"].double())
totals = {
    "none": ce(0.1),
    "features-only": (1 - alpha) * ce(0.1) + feature,
    "soft": (1 - alpha) * ce(0.1) + alpha * soft(2.0) + feature,
    "hard": (1 - alpha) * ce(0.1) + alpha * hard + feature,
}
for name, value in totals.items():
    logits[f"total.{name}.value"] = value
    grads = torch.autograd.grad(value, (student, ours), retain_graph=True, allow_unused=True)
    logits[f"total.{name}.logits_grad"] = grads[0]
    if grads[1] is not None:
        logits[f"total.{name}.feature_grad"] = grads[1]
save("logits", logits)
