"""Trains one model of each library on one training set, as somebody in Python would, and says what each scores.

    python one_of_each.py FOLDER

FOLDER gets training.parquet, the files that the libraries write, pickles of scikit-learn, and scores.json: by model, the probabilities of the
rows that it learned from.
"""
import json
import pickle
import sys
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = Path(sys.argv[1])
random = np.random.default_rng(7)
rows = 600
amount = random.exponential(80.0, size=rows).round(2)
count = random.poisson(2.0, size=rows) + 1
average = np.where(random.random(rows) < 0.2, np.nan, amount / count)
inputs = pd.DataFrame(
    {"amount": amount, "tx_count_1min": count, "avg_amount_1h": average, "is_burst": count > 3}
)
frauds = (random.random(rows) < 1 / (1 + np.exp(3 - amount / 60 - count / 3))).astype(int)
split = np.where(np.arange(rows) < 500, "training", "test")
inputs.assign(split=split, is_fraud=frauds).to_parquet(folder / "training.parquet", index=False)

learned, labels = inputs[split == "training"], frauds[split == "training"]
filled = learned.fillna(0.0)
quiet = {"n_jobs": 1, "random_state": 1}

boosted = xgboost.XGBClassifier(n_estimators=12, max_depth=3, **quiet).fit(learned, labels)
boosted.save_model(folder / "xgboost.json")
boosted.save_model(folder / "xgboost.ubj")
leaves = lightgbm.LGBMClassifier(n_estimators=12, num_leaves=7, verbose=-1, **quiet).fit(learned, labels)
leaves.booster_.save_model(folder / "lightgbm.txt")
histogram = HistGradientBoostingClassifier(max_iter=12, random_state=1).fit(learned, labels)
joblib.dump(histogram, folder / "histogram.joblib", compress=3)
linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(filled, labels)
(folder / "linear.pkl").write_bytes(pickle.dumps(linear))

scores = {
    name: model.predict_proba(of)[:, 1].astype("float64").tolist()
    for name, model, of in [
        ("xgboost", boosted, learned),
        ("lightgbm", leaves, learned),
        ("histogram", histogram, learned),
        ("linear", linear, filled),
    ]
}
(folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
