"""What timm, torchvision and Pillow make of the same draws.

Run in this folder as `python views.py`, after pictures.py, with Pillow 13.0.0, torch 2.15.0, torchvision 0.29.0,
timm 1.0.31 and numpy 2.4.6. The class `Stream` is the random stream of crates/base/src/random.rs, written from its
description; Python's, numpy's and torch's generators are replaced by it, keyed as the crate keys its views. Writes

- tall.png: a part of a picture, more than twice as high as wide;
- views.safetensors: `grey.FILE` u8 [H, W], `Image.open(FILE).convert("L")`;
  `timm.FILE.HxW.CROP` f32 [1, H, W], timm's evaluation transform of that;
  `../tall.png.HxW.CROP` f32 [3, H, W], the same of that in colours;
  `crop FILE MODE HxW SCALE SCALE RATIO RATIO KEY` u8 [C, H, W], timm's RandomResizedCropAndInterpolation (bicubic) of
  the picture in this mode, KEY = seed.epoch.index.repeat; `resize FILE HxW` u8 [3, H, W], Pillow's bicubic;
  `noise` f32 [6], the first values of an erased box; `mix.levels` u8 [4, 3, 8, 6], and `mix.N.values` f32 and
  `mix.N.targets` f32 [4, 5], timm's Mixup of line N of draws.txt, without smoothing, of the normalised levels;
- draws.txt: `erase KEY HxW PROBABILITY: TOP LEFT HEIGHT WIDTH` (or `none`), timm's RandomErasing, and
  `mix SEED.EPOCH.NUMBER HxW MIXUP CUTMIX PROBABILITY SWITCH: SHARE [TOP LEFT HEIGHT WIDTH]` (or `none`), Mixup.
"""

import math
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import timm.data.mixup
import timm.data.random_erasing
import timm.data.transforms
import torch
import torchvision.transforms as tv
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform

torch.set_num_threads(1)
HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
MASK = 2**64 - 1


def philox(counter, key):
    """Philox4x32-10."""
    c, k = list(counter), list(key)
    for r in range(10):
        if r:
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
    return c


def halves(x):
    return [x & 0xFFFFFFFF, x >> 32]


class Stream:
    def __init__(self, seed, purpose=None):
        self.key, self.drawn = (seed, 0), 0
        if purpose is not None:
            self.key = self.named(purpose).key

    def child(self, kind, number):
        upper = self.key[1] ^ int.from_bytes(kind, "big")
        w = philox(halves(number) + halves(upper), halves(self.key[0]))
        child = Stream(0)
        child.key = (w[0] | w[1] << 32, w[2] | w[3] << 32)
        return child

    def named(self, name):
        h = 0xCBF29CE484222325
        for byte in name.encode():
            h = ((h ^ byte) * 0x100000001B3) & MASK
        return self.child(b"by name ", h)

    def at(self, number):
        return self.child(b"by index", number)

    def next_u32(self):
        block = philox(halves(self.drawn // 4) + halves(self.key[1]), halves(self.key[0]))
        self.drawn += 1
        return block[(self.drawn - 1) % 4]

    def random(self):
        low = self.next_u32()
        return ((low | self.next_u32() << 32) >> 11) / 2**53

    def uniform(self, a, b):
        return a + (b - a) * self.random()

    def randint(self, a, b):
        """Both ends included, as Python's."""
        return a + int(self.random() * (b - a + 1))

    def normal(self):
        u = 1 - self.random()
        v = self.random()
        return math.sqrt(-2 * math.log(u)) * math.cos(math.tau * v)

    def ln_gamma(self, shape):
        boosted = shape + 1 if shape < 1 else shape
        d = boosted - 1 / 3
        c = 1 / math.sqrt(9 * d)
        while True:
            x = self.normal()
            v = (1 + c * x) ** 3
            u = 1 - self.random()
            if v > 0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
                break
        ln = math.log(d) + math.log(v)
        return ln + math.log(1 - self.random()) / shape if shape < 1 else ln

    def beta(self, a, b):
        x = self.ln_gamma(a)
        return 1 / (1 + math.exp(self.ln_gamma(b) - x))


def of_view(purpose, key):
    seed, epoch, index, repeat = key
    return Stream(seed, purpose).at(epoch).at(index | repeat << 32)


def dots(numbers):
    return ".".join(map(str, numbers))


def greys(tensors):
    for path in sorted(PICTURES.iterdir()):
        image = Image.open(path).convert("L")
        tensors[f"grey.{path.name}"] = torch.from_numpy(np.array(image))
        if path.name in ("landscape.png", "grey.png", "palette.png"):
            for size, crop_pct in [((24, 24), 0.9), ((16, 28), 0.875), ((32, 32), 0.9)]:
                transform = create_transform(
                    (1, *size), is_training=False, interpolation="bicubic", crop_pct=crop_pct, mean=(0.4,), std=(0.3,)
                )
                tensors[f"timm.{path.name}.{size[0]}x{size[1]}.{crop_pct}"] = transform(image)


class TorchDraws:
    """torchvision's draws out of a stream."""

    def __init__(self, stream):
        self.stream, self.kept = stream, (torch.Tensor.uniform_, torch.randint)

    def __enter__(self):
        torch.Tensor.uniform_ = lambda tensor, a, b: tensor.fill_(self.stream.uniform(a, b))
        torch.randint = lambda low, high, size: torch.tensor([self.stream.randint(low, high - 1)])

    def __exit__(self, *_):
        torch.Tensor.uniform_, torch.randint = self.kept


def tall(tensors):
    """More than twice as high as wide: Pillow 13 resizes the columns first."""
    image = Image.open(PICTURES / "landscape.png").convert("RGB").crop((0, 0, 18, 45))
    image.save(HERE / "tall.png")
    for size, crop_pct in [((12, 12), 0.9), ((10, 14), 0.875), ((24, 24), 0.9)]:
        transform = create_transform((3, *size), is_training=False, interpolation="bicubic", crop_pct=crop_pct)
        tensors[f"../tall.png.{size[0]}x{size[1]}.{crop_pct}"] = transform(image)


def crops(tensors):
    usual = ((0.08, 1.0), (3 / 4, 4 / 3))
    cases = [(usual, "RGB", (16, 16), file, (7, 3, i, 0)) for i, file in enumerate(["landscape", "portrait", "small"])]
    cases += [(usual, "RGB", (20, 12), "landscape", (7, 3, 4_000_000_000, repeat)) for repeat in range(3)]
    cases += [(usual, "L", (16, 16), file, (0, 0, i, 2)) for i, file in enumerate(["landscape", "grey"])]
    cases += [(usual, "RGB", (16, 16), "grey", (0, 1, 1, 1))]
    # Enlarged; too wide, too high and too large for any attempt, so that the centre is taken.
    cases += [(((0.01, 0.05), usual[1]), "RGB", (16, 16), "portrait", (1, 0, i, 0)) for i in range(2)]
    for scale, ratio in [((0.9, 1.0), (2.5, 3.0)), ((0.9, 1.0), (0.1, 0.2)), ((1.0, 1.0), (1.3, 1.7))]:
        cases += [((scale, ratio), "RGB", (12, 12), "landscape", (2**63 + 5, 2**40, 9, 0))]
    for (scale, ratio), mode, size, file, key in cases:
        image = Image.open(PICTURES / f"{file}.png").convert(mode)
        timm.data.transforms.random = of_view("crop", key)
        crop = timm.data.transforms.RandomResizedCropAndInterpolation
        transform = crop(size, scale, ratio, interpolation="bicubic")
        result = np.array(transform(image))
        # torchvision draws in single precision: the same but for roundings, which these cases are without.
        timm.data.transforms.random = of_view("crop", key)
        parameters = crop.get_params(image, scale, ratio)
        with TorchDraws(of_view("crop", key)):
            assert tuple(tv.RandomResizedCrop.get_params(image, scale, ratio)) == parameters, key
        print(file, image.size[::-1], scale, ratio, parameters)
        result = result if mode == "RGB" else result[..., None]
        name = f"crop {file} {mode} {size[0]}x{size[1]} {scale[0]!r} {scale[1]!r} {ratio[0]!r} {ratio[1]!r} {dots(key)}"
        tensors[name] = torch.from_numpy(result).permute(2, 0, 1).contiguous()
    timm.data.transforms.random = random
    for file, size in [("landscape", (30, 91)), ("landscape", (40, 30)), ("small", (9, 40)), ("small", (16, 19))]:
        resized = Image.open(PICTURES / f"{file}.png").convert("RGB").resize(size[::-1], Image.BICUBIC)
        tensors[f"resize {file} {size[0]}x{size[1]}"] = torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()


def erasing(lines):
    keys = [(3, e, i, r) for e in range(2) for i in (0, 1, 2, 70_000) for r in range(3)]
    for (h, w), probability in [((16, 16), 1.0), ((28, 20), 0.4), ((3, 30), 1.0), ((2, 2), 1.0)]:
        for key in keys:
            timm.data.random_erasing.random = of_view("erase", key)
            erase = timm.data.random_erasing.RandomErasing(probability, device="cpu")
            erased = erase(torch.ones(1, h, w))[0] == 0
            box = "none"
            if erased.any():
                rows, columns = erased.any(1).nonzero(), erased.any(0).nonzero()
                top, left = int(rows[0]), int(columns[0])
                box = f"{top} {left} {int(rows[-1]) - top + 1} {int(columns[-1]) - left + 1}"
            lines.append(f"erase {dots(key)} {h}x{w} {probability}: {box}\n")
    timm.data.random_erasing.random = random


def mixing(tensors, lines):
    h, w = 8, 6
    levels = (np.arange(4 * 3 * h * w, dtype=np.uint64) * 2654435761 % 2**32 >> 24).astype(np.uint8).reshape(4, 3, h, w)
    tensors["mix.levels"] = torch.from_numpy(levels)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    values = torch.from_numpy(levels).float().div(255)
    values = (values - mean[:, None, None]) / std[:, None, None]
    labels = torch.tensor([4, 0, 2, 4])
    cases = [(0.8, 0.0, 1.0, 0.5), (0.0, 1.0, 1.0, 0.5), (0.8, 1.0, 1.0, 0.5), (0.2, 0.3, 0.5, 0.7)]
    for mixup, cutmix, probability, switch in cases:
        for key in [(5, 2, n) for n in range(6)]:
            stream = Stream(key[0], "mix").at(key[1]).at(key[2])
            shares = []
            timm.data.mixup.np = SimpleNamespace(
                sqrt=np.sqrt,
                clip=np.clip,
                random=SimpleNamespace(
                    rand=stream.random,
                    beta=stream.beta,
                    randint=lambda low, high, size: stream.randint(low, high - 1),
                ),
            )
            mixer = timm.data.mixup.Mixup(mixup, cutmix, None, probability, switch, "batch", True, 0.0, 5)
            drawn = {}
            original = timm.data.mixup.cutmix_bbox_and_lam

            def remember(*args, **kwargs):
                drawn["box"], lam = original(*args, **kwargs)
                return drawn["box"], lam

            timm.data.mixup.cutmix_bbox_and_lam = remember
            mix_batch = mixer._mix_batch
            mixer._mix_batch = lambda x: shares.append(mix_batch(x)) or shares[-1]
            mixed, targets = mixer(values.clone(), labels)
            timm.data.mixup.cutmix_bbox_and_lam = original
            end = "none"
            if not (shares[0] == 1.0 and not drawn):
                end = repr(float(shares[0]))
                if drawn:
                    top, bottom, left, right = map(int, drawn["box"])
                    end += f" {top} {left} {bottom - top} {right - left}"
                number = len(lines)
                tensors[f"mix.{number}.values"], tensors[f"mix.{number}.targets"] = mixed, targets
            lines.append(f"mix {dots(key)} {h}x{w} {mixup} {cutmix} {probability} {switch}: {end}\n")
    timm.data.mixup.np = np


def main():
    tensors, lines = {}, []
    tall(tensors)
    greys(tensors)
    crops(tensors)
    erasing(lines)
    noise = of_view("erase noise", (3, 1, 2, 1)).at(0)
    tensors["noise"] = torch.tensor([noise.normal() for _ in range(6)], dtype=torch.float32)
    mixing(tensors, lines)
    save_file(tensors, HERE / "views.safetensors")
    (HERE / "draws.txt").write_text("".join(lines))


main()
