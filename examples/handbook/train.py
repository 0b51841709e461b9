"""Trains the handbook's baseline models on two training sets of ours and measures them.

    python train.py TRAIN.parquet TEST.parquet METRICS.json

1. Both sets are in order of time, one row per transaction: our features, the amount, whether it was a fraud.
2. Inputs are standardised by the mean and deviation of the training set. Models have their libraries' defaults.
3. Each model scores every test transaction; three metrics compare scores with frauds.
"""
import json
import sys

import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

WINDOWS = ("1d", "7d", "30d")
INPUTS = [
    "amount",
    "during_weekend",
    "during_night",
    *(f"customer_{name}_{window}" for window in WINDOWS for name in ("tx_count", "avg_amount")),
    *(f"{name}_{window}" for window in WINDOWS for name in ("terminal_tx_count", "risk")),
]
DAY_MILLIS = 86_400_000
CARDS_CHECKED_PER_DAY = 100
SEED = 0

MODELS = {
    "logistic regression": lambda: LogisticRegression(random_state=SEED),
    "decision tree, depth 2": lambda: DecisionTreeClassifier(max_depth=2, random_state=SEED),
    "decision tree, unlimited": lambda: DecisionTreeClassifier(random_state=SEED),
    "random forest": lambda: RandomForestClassifier(random_state=SEED, n_jobs=-1),
    "XGBoost": lambda: XGBClassifier(random_state=SEED, n_jobs=-1),
    # Before 2.0, XGBoost searched splits exactly in sets of this size, and started from a probability of a half.
    "XGBoost, defaults of 1.x": lambda: XGBClassifier(
        tree_method="exact", base_score=0.5, random_state=SEED, n_jobs=-1
    ),
}


def load(path):
    rows = pd.read_parquet(path)
    # Inputs must be numbers without gaps: a null here is a defect of the training set, not something to fill in.
    missing = rows[INPUTS].isna().sum()
    if missing.any():
        sys.exit(f"train.py: {path} has empty inputs: {missing[missing > 0].to_dict()}")
    return rows.astype({name: float for name in INPUTS})


def card_precision(rows, scores, checked_per_day):
    """Share of true compromises among the cards that an investigator would check, averaged over days.

    A card's score is its highest of the day. A compromised card that was checked is blocked, and not ranked again.
    """
    daily = (
        rows.assign(day=rows["timestamp"] // DAY_MILLIS, score=scores)
        .groupby(["day", "customer_id"], as_index=False)
        .agg(score=("score", "max"), compromised=("fraud", "max"))
    )
    blocked = set()
    precisions = []
    for _, cards in daily.groupby("day"):
        candidates = cards[~cards["customer_id"].isin(blocked)]
        checked = candidates.sort_values("score", ascending=False, kind="stable").head(checked_per_day)
        detected = checked[checked["compromised"] == 1]
        blocked.update(detected["customer_id"])
        precisions.append(len(detected) / checked_per_day)
    return sum(precisions) / len(precisions)


def measure(model, train, test):
    pipeline = make_pipeline(StandardScaler(), model)
    pipeline.fit(train[INPUTS], train["fraud"])
    scores = pipeline.predict_proba(test[INPUTS])[:, 1]
    return {
        "aucRoc": float(roc_auc_score(test["fraud"], scores)),
        "averagePrecision": float(average_precision_score(test["fraud"], scores)),
        "cardPrecision": card_precision(test, scores, CARDS_CHECKED_PER_DAY),
    }


def main(train_path, test_path, metrics_path):
    train, test = load(train_path), load(test_path)
    metrics = {}
    for name, create in MODELS.items():
        print(f"  {name}", flush=True)
        metrics[name] = measure(create(), train, test)
    with open(metrics_path, "w", encoding="utf-8") as file:
        json.dump(metrics, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
