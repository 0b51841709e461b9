"""Tunes a model on days before the test week, trains it and scores the test week.

    python tune.py TUNING.parquet VALIDATION.parquet TRAINING.parquet TEST.parquet FOLDER

1. Every candidate learns from the tuning days and is measured on the validation days, which lie as far behind them as the
   test week lies behind the training days. The one of the highest average precision is chosen.
2. The chosen one learns from the training days. The test week is scored once, by it alone.
3. FOLDER gets model.json as the feature store reads it, result.json, and scores.parquet: the test rows with their scores.
"""
import itertools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

HANDBOOK = Path(__file__).parent.parent
sys.path[:0] = [str(HANDBOOK), str(HANDBOOK.parents[1] / "cli" / "python")]
import export_sklearn  # noqa: E402
from train import CARDS_CHECKED_PER_DAY, INPUTS, SEED, card_precision, load  # noqa: E402

KEY = "handbook_model@1"
QUANTILES = 101


def forest(leaf, inputs_tried):
    return RandomForestClassifier(
        n_estimators=100, min_samples_leaf=leaf, max_features=inputs_tried, random_state=SEED, n_jobs=-1
    )


def boosted(depth, rounds):
    return xgboost.XGBClassifier(
        n_estimators=rounds,
        max_depth=depth,
        learning_rate=0.05,
        subsample=0.8,
        colsample_bytree=0.7,
        random_state=SEED,
        n_jobs=1,
    )


def candidates():
    for leaf, inputs_tried in itertools.product((1, 3, 5), ("sqrt", 0.5)):
        name = f"random forest, leaves of {leaf}, {inputs_tried} of the inputs at a split"
        yield name, lambda leaf=leaf, inputs_tried=inputs_tried: forest(leaf, inputs_tried)
    for depth, rounds in itertools.product((3, 4), (100, 200)):
        yield f"XGBoost, depth {depth}, {rounds} trees", lambda depth=depth, rounds=rounds: boosted(depth, rounds)


def scores_of(model, rows):
    return model.predict_proba(rows[INPUTS])[:, 1].astype("float64")


def measures(rows, scores):
    return {
        "aucRoc": float(roc_auc_score(rows["fraud"], scores)),
        "averagePrecision": float(average_precision_score(rows["fraud"], scores)),
        "cardPrecision": float(card_precision(rows, scores, CARDS_CHECKED_PER_DAY)),
    }


def export(model):
    if not isinstance(model, xgboost.XGBClassifier):
        return "sklearn-trees", json.dumps(export_sklearn.export(model), allow_nan=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(path)
        return "xgboost-json", path.read_text(encoding="utf-8")


def reference(rows):
    features = {}
    for name in INPUTS:
        values = rows[name].to_numpy()
        quantiles = np.quantile(values, np.linspace(0, 1, QUANTILES), method="nearest")
        features[name] = {
            "mean": float(values.mean()),
            "stddev": float(values.std()),
            "minimum": float(values.min()),
            "maximum": float(values.max()),
            "nulls": 0,
            "quantiles": [float(value) for value in quantiles],
        }
    return {"rows": len(rows), "features": features}


def main(tuning_path, validation_path, training_path, test_path, folder):
    tuning, validation = load(tuning_path), load(validation_path)
    tried = []
    for name, create in candidates():
        model = create().fit(tuning[INPUTS], tuning["fraud"])
        precision = float(average_precision_score(validation["fraud"], scores_of(model, validation)))
        tried.append({"name": name, "averagePrecision": precision})
        print(f"  {name}: {precision:.3f} on the validation days", flush=True)
    chosen = max(tried, key=lambda each: each["averagePrecision"])["name"]
    training, test = load(training_path), load(test_path)
    model = dict(candidates())[chosen]().fit(training[INPUTS], training["fraud"])
    scores = scores_of(model, test)
    model_format, text = export(model)
    Path(folder, "model.json").write_text(text, encoding="utf-8")
    test[["transaction_id", "customer_id", "timestamp", "amount"]].assign(
        is_fraud=test["fraud"].astype("int64"), **{KEY: scores}
    ).to_parquet(Path(folder, "scores.parquet"), index=False)
    result = {
        "chosen": chosen,
        "tried": tried,
        "format": model_format,
        "test": measures(test, scores),
        "reference": reference(training),
    }
    Path(folder, "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
