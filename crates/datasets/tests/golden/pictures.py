"""Pictures of every kind that is read, what Pillow makes of them, and what timm makes of that.

Run in this folder as `python pictures.py`, with Pillow 13.0.0 (libjpeg-turbo 3.2.0), torch 2.15.0,
torchvision 0.29.0, timm 1.0.31 and numpy. Writes

- pictures/*.png, *.jpg: synthetic pictures, gradients with texture;
- pictures.safetensors: `rgb.FILE` u8 [H, W, 3], `Image.open(FILE).convert("RGB")`, and
  `timm.FILE.HxW.CROP` f32 [3, H, W], timm's evaluation transform of it;
- preprocess.txt: for pictures given by a formula, one line `height width size_h size_w crop_pct
  sha256`, the digest of the bytes of timm's f32 result, little endian.
"""

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform

torch.set_num_threads(1)
HERE = Path(__file__).parent
OUT = HERE / "pictures"


def texture(height, width, channels, levels=256):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(channels):
        gradient = (x / width * (c + 1) + y / height * (3 - c)) / 4
        waves = np.sin(x * (0.35 + 0.2 * c)) * np.cos(y * (0.55 - 0.1 * c))
        edges = ((x // 7 + y // (5 + c)) % 2) * 0.25
        planes.append(gradient * 0.5 + waves * 0.15 + edges + 0.05)
    values = np.clip(np.stack(planes, -1), 0, 1)
    return np.round(values * (levels - 1)).astype(np.uint16 if levels > 256 else np.uint8)


def png(name, colour_type, depth, rows, *extra):
    """Writes the kinds that Pillow cannot write. `rows`: bytes of each row."""
    height = len(rows)
    chunk = lambda kind, data: (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    width = WIDTH
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    body = chunk(b"IHDR", header) + b"".join(chunk(*e) for e in extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (OUT / name).write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def write_files():
    OUT.mkdir(exist_ok=True)
    rgb = lambda h, w: Image.fromarray(texture(h, w, 3))
    rgb(45, 67).save(OUT / "landscape.png")
    rgb(61, 33).save(OUT / "portrait.png")
    rgb(17, 20).save(OUT / "small.png")
    Image.fromarray(texture(28, 35, 1)[..., 0]).save(OUT / "grey.png")
    Image.fromarray(texture(28, 35, 2), "LA").save(OUT / "grey_alpha.png")
    Image.fromarray(texture(28, 35, 4), "RGBA").save(OUT / "rgba.png")
    rgb(28, 35).quantize(32).save(OUT / "palette.png")
    rgb(28, 35).quantize(8).save(OUT / "palette_transparent.png", transparency=3)
    Image.fromarray(texture(28, 35, 1)[..., 0]).convert("1").save(OUT / "bits.png")
    Image.fromarray(texture(28, 35, 1, 65536)[..., 0] // 150).save(OUT / "grey16.png")
    big = lambda array: [row.astype(">u2").tobytes() for row in array]
    png("rgb16.png", 2, 16, big(texture(20, WIDTH, 3, 65536)))
    png("rgba16.png", 6, 16, big(texture(20, WIDTH, 4, 65536)))
    png("grey_alpha16.png", 4, 16, big(texture(20, WIDTH, 2, 65536)))
    four = texture(20, WIDTH, 1, 16)[..., 0]
    packed = [bytes(int(a) << 4 | int(b) for a, b in zip(r[::2], r[1::2])) for r in four]
    png("grey4.png", 0, 4, packed)
    png("grey4_transparent.png", 0, 4, packed, (b"tRNS", struct.pack(">H", 7)))

    photo = rgb(43, 61)
    photo.save(OUT / "s444.jpg", quality=90, subsampling="4:4:4")
    photo.save(OUT / "s422.jpg", quality=90, subsampling="4:2:2")
    photo.save(OUT / "s420.jpg", quality=90, subsampling="4:2:0")
    photo.save(OUT / "progressive.jpg", quality=80, progressive=True)
    photo.convert("L").save(OUT / "grey.jpg", quality=90)
    photo.convert("CMYK").save(OUT / "cmyk.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(OUT / "turned.jpg", quality=90, exif=exif)
    photo.save(OUT / "png_inside.jpg", format="PNG")


WIDTH = 26
CASES = [((24, 24), 0.9), ((24, 24), 0.875), ((24, 24), 1.0)]
MORE = [((16, 28), 0.9), ((24, 24), 1.3), ((32, 32), 0.9)]


def transform(size, crop_pct):
    """As timm's validation builds it from a model's configuration."""
    return create_transform((3, *size), is_training=False, interpolation="bicubic", crop_pct=crop_pct)


def formula(height, width):
    i = np.arange(height * width * 3, dtype=np.uint64)
    noise = (i * 2654435761) % 2**32 >> 24
    y, x = i // (3 * width), i // 3 % width
    return ((noise + x * 3 + y * 5) // 2 % 256).astype(np.uint8).reshape(height, width, 3)


def main():
    write_files()
    tensors = {}
    for path in sorted(OUT.iterdir()):
        image = Image.open(path).convert("RGB")
        tensors[f"rgb.{path.name}"] = torch.from_numpy(np.array(image))
        if path.name in ("landscape.png", "portrait.png", "small.png", "rgba.png"):
            for size, crop_pct in CASES + (MORE if path.name != "rgba.png" else []):
                name = f"timm.{path.name}.{size[0]}x{size[1]}.{crop_pct}"
                tensors[name] = transform(size, crop_pct)(image)
    save_file(tensors, HERE / "pictures.safetensors")

    lines = []
    shapes = [(375, 500), (500, 375), (333, 500), (224, 224), (248, 331), (97, 1001), (1200, 801), (31, 29), (500, 334)]
    for height, width in shapes:
        image = Image.fromarray(formula(height, width))
        for size, crop_pct in [((224, 224), 0.9), ((224, 224), 0.875), ((384, 384), 1.0), ((160, 224), 0.9)]:
            result = transform(size, crop_pct)(image).numpy().astype("<f4")
            digest = hashlib.sha256(result.tobytes()).hexdigest()
            lines.append(f"{height} {width} {size[0]} {size[1]} {crop_pct} {digest}\n")
    (HERE / "preprocess.txt").write_text("".join(lines))


main()
