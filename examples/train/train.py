"""Trains the models of the fraud service, chooses their thresholds and scores the test rows.

    python train.py PLAN.json TRAINING_SET.parquet FOLDER

1. PLAN.json names models with their kind and inputs; a missing value is replaced as the input says, or stays missing.
   The training set has a column `split`: training, validation or test.
2. Each model learns from the training rows; boosting stops when the validation rows no longer gain by it.
3. Thresholds are those that cost least on the validation rows; see `thresholds`.
4. FOLDER gets NAME.model for each model, models.json with its format, size and thresholds, and scores.parquet: the test
   rows, with a column of scores for each model.
"""
import json
import platform
import sys
import tempfile
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import sklearn
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[2] / "cli" / "python"))
import export_sklearn  # noqa: E402

# Rounds that may pass without a gain.
PATIENCE = 25


def vectors(rows, inputs):
    """One row of numbers for each transaction, as the serving function makes it."""
    columns = {}
    for item in inputs:
        values = rows[item["feature"]].astype("float64")
        columns[item["feature"]] = values if item["imputation"] is None else values.fillna(item["imputation"])
    return pd.DataFrame(columns)


def train_xgboost(plan, training, validation, seed):
    model = xgboost.XGBClassifier(
        n_estimators=plan["rounds"],
        max_depth=4,
        learning_rate=0.1,
        min_child_weight=4,
        subsample=0.8,
        colsample_bytree=0.7,
        reg_lambda=2.0,
        eval_metric="aucpr",
        early_stopping_rounds=PATIENCE,
        random_state=seed,
        # One thread: sums in another order would make another model.
        n_jobs=1,
    )
    model.fit(*training, eval_set=[validation], verbose=False)
    rounds = model.best_iteration + 1
    # What came after the best round is not kept.
    best = model.get_booster()[:rounds]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        best.save_model(path)
        text = path.read_text(encoding="utf-8")
    return text, "xgboost-json", lambda x: model.predict_proba(x)[:, 1], f"{rounds} trees"


def train_lightgbm(plan, training, validation, seed):
    model = lightgbm.LGBMClassifier(
        n_estimators=plan["rounds"],
        num_leaves=15,
        learning_rate=0.1,
        min_child_samples=40,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.7,
        reg_lambda=2.0,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
    callbacks = [lightgbm.early_stopping(PATIENCE, verbose=False)]
    model.fit(*training, eval_set=[validation], eval_metric="average_precision", callbacks=callbacks)
    rounds = model.best_iteration_
    text = model.booster_.model_to_string(num_iteration=rounds)
    return text, "lightgbm-text", lambda x: model.predict_proba(x)[:, 1], f"{rounds} trees"


def train_logistic_regression(_plan, training, _validation, seed):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000, random_state=seed))
    model.fit(*training)
    text = json.dumps(export_sklearn.export(model), allow_nan=False)
    return text, "logistic-regression", lambda x: model.predict_proba(x)[:, 1], "scaled"


KINDS = {
    "xgboost": train_xgboost,
    "lightgbm": train_lightgbm,
    "logistic-regression": train_logistic_regression,
}


def thresholds(scores, is_fraud, amounts, costs):
    """The two thresholds that would have cost least.

    A fraud that is let through costs its amount, a review costs an analyst's time and finds out, and an honest customer who
    is blocked costs more. With everything up to `review` let through and everything above `block` blocked, the total is
        (amount of frauds up to review - reviews up to review) + (reviews up to block + honest ones above block)
    of which each half depends on one threshold alone. Where the halves disagree (review above block), nothing is reviewed.
    """
    order = np.argsort(scores, kind="stable")
    ordered, fraud, amount = scores[order], is_fraud[order] == 1, amounts[order]
    # Between different scores only, and below and above all of them. Midway, so that no rounding crosses it.
    cuts = np.flatnonzero(np.diff(ordered) > 0) + 1
    cuts = np.concatenate([[0], cuts, [len(ordered)]])
    values = np.concatenate([[0.0], (ordered[cuts[1:-1] - 1] + ordered[cuts[1:-1]]) / 2, [1.0]])
    missed = np.concatenate([[0], np.cumsum(np.where(fraud, amount, 0))])[cuts]
    honest_above = (~fraud).sum() - np.concatenate([[0], np.cumsum(~fraud)])[cuts]
    reviews = costs["review"] * cuts
    by_review, by_block = missed - reviews, reviews + costs["honestBlocked"] * honest_above
    review, block = int(np.argmin(by_review)), int(np.argmin(by_block))
    if review > block:
        review = block = int(np.argmin(missed + costs["honestBlocked"] * honest_above))
    return {"review": round(float(values[review]), 6), "block": round(float(values[block]), 6)}


def main(plan_path, training_set, folder):
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    rows = pd.read_parquet(training_set)
    split = {name: rows[rows["split"] == name] for name in ("training", "validation", "test")}
    models = {}
    test = split["test"]
    scored = test[["transaction_id", "user_id", "timestamp", "is_fraud"]].assign(amount=test["amount"].astype("float64"))
    for item in plan["models"]:
        pairs = {name: (vectors(part, item["inputs"]), part["is_fraud"].to_numpy()) for name, part in split.items()}
        train = KINDS[item["kind"]]
        text, model_format, score, size = train(item, pairs["training"], pairs["validation"], plan["seed"])
        Path(folder, f"{item['name']}.model").write_text(text, encoding="utf-8")
        validation = score(pairs["validation"][0]).astype("float64")
        labels = pairs["validation"][1]
        amounts = split["validation"]["amount"].astype("float64").to_numpy()
        models[item["name"]] = {
            "format": model_format,
            "size": size,
            "thresholds": thresholds(validation, labels, amounts, plan["costs"]),
            "validation": {
                "aucRoc": float(roc_auc_score(labels, validation)),
                "averagePrecision": float(average_precision_score(labels, validation)),
            },
        }
        scored[item["key"]] = score(pairs["test"][0]).astype("float64")
    scored.to_parquet(Path(folder, "scores.parquet"), index=False)
    versions = {
        "python": platform.python_version(),
        "xgboost": xgboost.__version__,
        "lightgbm": lightgbm.__version__,
        "scikit-learn": sklearn.__version__,
    }
    Path(folder, "models.json").write_text(json.dumps({"versions": versions, "models": models}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
