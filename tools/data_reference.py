"""Reference values of Pillow and torchvision for tests/evaluation/data/reference.json.

The picture is a formula, so that the test can make it too: value(x, y, c) = (x*x*7 + y*y*3 + x*y*(5 + c) + c*85) % 256.
Each entry holds what a pipeline makes of it: a digest of all values and the first and last eight of them.

    tools/.venv/bin/python tools/data_reference.py > tests/evaluation/data/reference.json
"""

import base64
import io
import json

import cv2
import numpy as np
from PIL import Image
from torchvision import transforms

WIDTH, HEIGHT = 61, 43


def picture() -> Image.Image:
    y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
    return Image.fromarray(((x * x * 7 + y * y * 3 + x * y * (5 + c) + c * 85) % 256).astype(np.uint8))


def smooth() -> Image.Image:
    """Slow waves: what JPEG files are made of here."""
    y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
    wave = 127 + 90 * np.sin(x / (7 + c)) * np.cos(y / (5 + 2 * c)) + 30 * ((x // 8 + y // 8) % 2)
    return Image.fromarray(np.clip(wave, 0, 255).astype(np.uint8))


def digest(values: np.ndarray) -> dict:
    """FNV-1a over the bytes."""
    h = 0xCBF29CE484222325
    for b in np.ascontiguousarray(values).tobytes():
        h = ((h ^ b) * 0x100000001B3) % 2**64
    flat = values.reshape(-1)
    numbers = [float(v) for v in (*flat[:8], *flat[-8:])]
    return {"shape": list(values.shape), "fnv1a": f"{h:016x}", "ends": numbers}


def resized(how: str, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(picture().resize(size, getattr(Image.Resampling, how)))


def letterbox(size: int) -> np.ndarray:
    """As ultralytics' LetterBox."""
    image = np.asarray(picture())
    h, w = image.shape[:2]
    r = min(size / h, size / w)
    nw, nh = round(w * r), round(h * r)
    dw, dh = (size - nw) / 2, (size - nh) / 2
    image = cv2.resize(image, (nw, nh), interpolation=cv2.INTER_LINEAR)
    top, bottom = round(dh - 0.1), round(dh + 0.1)
    left, right = round(dw - 0.1), round(dw + 0.1)
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(114, 114, 114))


def jpeg(image: Image.Image, **options) -> dict:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    pixels = np.asarray(Image.open(io.BytesIO(out.getvalue())))
    return {"file": base64.b16encode(out.getvalue()).decode().lower(), **digest(pixels)}


def main() -> None:
    reference = {"resize": [], "jpeg": {}}
    for how in ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS"):
        for size in ((20, 17), (100, 90), (61, 20), (33, 43)):
            reference["resize"].append({"how": how.lower(), "to": size, **digest(resized(how, size))})
    for size in ((20, 17), (100, 90), (122, 86)):
        out = cv2.resize(np.asarray(picture()), size, interpolation=cv2.INTER_LINEAR)
        reference["resize"].append({"how": "linear", "to": size, **digest(out)})
    imagenet = transforms.Compose([
        transforms.Resize(32),
        transforms.CenterCrop(28),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    reference["imagenet"] = digest(imagenet(picture()).numpy())
    reference["small_crop"] = digest(np.asarray(transforms.CenterCrop((50, 70))(picture())))
    reference["grey"] = digest(np.asarray(picture().convert("L")))
    reference["letterbox"] = digest(letterbox(64))
    for name, options in {
        "quarter": {"subsampling": 2, "quality": 90},
        "half": {"subsampling": 1, "quality": 75},
        "full": {"subsampling": 0, "quality": 95},
        "progressive": {"subsampling": 2, "quality": 80, "progressive": True},
    }.items():
        reference["jpeg"][name] = jpeg(smooth(), **options)
    reference["jpeg"]["grey"] = jpeg(smooth().convert("L"), quality=85)
    # One entry a line.
    print(json.dumps(reference, separators=(",", ":")).replace("},", "},\n"))


if __name__ == "__main__":
    main()
