"""Average precision side by side with pycocotools.

Without arguments: the detections in `fixtures/coco_detections.json` get the numbers that stand there, which a test
of the program asserts. `--write` draws them anew. With `--annotations`, `--predictions` and `--report`, an
evaluation of the program (`onnx-prune eval ... --predictions p.jsonl --report r.json`) is judged again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy
from program import ROOT
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FIXTURE = ROOT / "fixtures" / "coco_detections.json"
CLASSES = 5
PICTURES = 40
TOLERANCE = 1e-6


def evaluate(truth: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """COCO's twelve numbers, and the average precision of each class."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    none = lambda x: None if x == -1 else float(x)
    precision = judge.eval["precision"]  # threshold, recall, class, area, limit

    def mean(values: numpy.ndarray) -> float | None:
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    classes = [
        [mean(precision[:, :, k, 0, 2]), mean(precision[0, :, k, 0, 2])]
        for k in range(precision.shape[2])
    ]
    return {"stats": [none(x) for x in judge.stats], "classes": classes}


def as_coco(data: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The fixture in COCO's own form."""
    truth = {
        "info": {},
        "images": [{"id": i + 1} for i in range(data["images"])],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(data["classes"])],
        "annotations": [
            {"id": n + 1, "image_id": i + 1, "category_id": k + 1, "bbox": box, "area": area, "iscrowd": crowd}
            for n, (i, k, box, area, crowd) in enumerate(data["objects"])
        ],
    }
    found = [
        {"image_id": i + 1, "category_id": k + 1, "bbox": box, "score": score}
        for i, k, box, score in data["detections"]
    ]
    return truth, found


def draw() -> dict[str, Any]:
    """Objects of all sizes, crowds, misses, false alarms, equal scores, one overfull picture; the last class has no object."""
    rng = random.Random(0)
    objects, detections = [], []
    moved = lambda box, by: [round(v + rng.uniform(-by, by) * box[2 + n % 2], 2) for n, v in enumerate(box)]
    for i in range(PICTURES):
        for _ in range(rng.choice([0, 1, 2, 3, 6])):
            k = rng.randrange(CLASSES - 1)
            width, height = (round(2 ** rng.uniform(2.5, 8), 2) for _ in range(2))
            box = [round(rng.uniform(0, 400), 2), round(rng.uniform(0, 400), 2), width, height]
            crowd = int(rng.random() < 0.12)
            area = round(width * height * rng.uniform(0.4, 1), 2)
            objects.append([i, k, box, area, crowd])
            for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
                wrong = rng.random() < 0.1
                score = round(rng.uniform(0.05, 1), 1 if rng.random() < 0.3 else 4)
                detections.append([i, (k + wrong) % CLASSES, moved(box, rng.choice([0.01, 0.05, 0.2])), score])
        for _ in range(rng.choice([0, 1, 3])):
            box = [round(rng.uniform(0, 400), 2) for _ in range(2)] + [round(rng.uniform(4, 150), 2) for _ in range(2)]
            detections.append([i, rng.randrange(CLASSES), box, round(rng.uniform(0.01, 0.7), 3)])
    # More detections of one class in one picture than count.
    box = [50.0, 50.0, 40.0, 40.0]
    objects.append([0, 0, box, 1600.0, 0])
    for _ in range(110):
        detections.append([0, 0, moved(box, 0.5), round(rng.uniform(0.2, 0.9), 3)])
    # Boxes that overlap not at all, exactly, and by exactly one half.
    objects.append([1, 1, [0.0, 0.0, 64.0, 64.0], 4096.0, 0])
    detections += [[1, 1, [0.0, 0.0, 64.0, 64.0], 0.5], [1, 1, [0.0, 0.0, 64.0, 32.0], 0.5], [1, 1, [64.0, 0.0, 64.0, 64.0], 0.5]]
    rng.shuffle(detections)
    return {"images": PICTURES, "classes": CLASSES, "objects": objects, "detections": detections}


def write() -> None:
    data = draw()
    data["pycocotools"] = evaluate(*as_coco(data))
    lines = lambda rows: "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"
    parts = [f'"{key}": {lines(value) if isinstance(value, list) else json.dumps(value)}' for key, value in data.items()]
    FIXTURE.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def differences(expected: list[float | None], got: list[float | None]) -> list[float]:
    assert [x is None for x in expected] == [x is None for x in got], (expected, got)
    return [abs(a - b) for a, b in zip(expected, got) if a is not None and b is not None]


def judge_again(annotations: Path, predictions: Path, report: Path) -> float:
    """Largest difference between the program's figures and pycocotools' on the program's own detections."""
    truth = json.loads(annotations.read_text())
    truth.setdefault("info", {})
    images = {Path(image["file_name"]).name: image["id"] for image in truth["images"]}
    categories = {category["name"]: category["id"] for category in truth["categories"]}
    models = json.loads(report.read_text())["models"]
    worst = 0.0
    for model in models:
        found = []
        for line in predictions.read_text().splitlines():
            one = json.loads(line)
            if one["model"] == model["model"]:
                image = images[Path(one["sample"]).name]
                for box in one["boxes"]:
                    category = categories[box["class"]]
                    found.append({"image_id": image, "category_id": category, "bbox": box["bbox"], "score": box["score"]})
        expected = evaluate(truth, found)
        got = [figure["value"] for figure in model["figures"][:12]]
        worst = max([worst, *differences(expected["stats"], got)])
        print(f"{model['model']}: mAP {expected['stats'][0]} by pycocotools, {got[0]} by the program")
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="draw the fixture anew")
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    if args.write:
        write()
    elif args.annotations:
        worst = judge_again(args.annotations, args.predictions, args.report)
        print(f"largest difference {worst:.1e}")
        assert worst <= TOLERANCE
    else:
        data = json.loads(FIXTURE.read_text())
        again = evaluate(*as_coco(data))
        worst = max(differences(data["pycocotools"]["stats"], again["stats"]))
        print(f"mAP {again['stats'][0]}, largest difference {worst:.1e}")
        assert worst <= TOLERANCE


if __name__ == "__main__":
    main()
