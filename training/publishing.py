"""stub"""


def publish(model, base, found, samples, out=None):
    import json

    out = out or model
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(found, indent=1, allow_nan=False))
    (out / "samples.jsonl").write_text("".join(json.dumps(s) + "\n" for s in samples))
    return out
