"""A model of takeovers, as its user trains it.

    python model.py train TRAINING_SET.parquet MODEL.json INPUT,INPUT,…
    python model.py score MODEL.json ROWS.json

`score` prints what the library says of rows, which are objects of inputs: a probability and a contribution of each input.
"""
import json
import sys

import numpy as np
import pandas as pd
import xgboost


def matrix(rows, inputs, label=None):
    """Nulls are missing, truth values are 1 and 0."""
    return xgboost.DMatrix(pd.DataFrame({name: rows[name].astype("float64") for name in inputs}), label=label)


def train(training_set, path, names):
    rows = pd.read_parquet(training_set)
    inputs = names.split(",")
    data = matrix(rows, inputs, rows["is_takeover"].astype("float64"))
    settings = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "min_child_weight": 1, "seed": 1, "nthread": 1}
    xgboost.train(settings, data, num_boost_round=20).save_model(path)


def score(path, rows_path):
    booster = xgboost.Booster(model_file=path)
    with open(rows_path, encoding="utf-8") as file:
        rows = pd.DataFrame(json.load(file))
    data = matrix(rows, booster.feature_names)
    contributions = booster.predict(data, pred_contribs=True)[:, :-1]
    said = {
        "scores": booster.predict(data).astype(np.float64).tolist(),
        "contributions": [dict(zip(booster.feature_names, row.astype(np.float64).tolist())) for row in contributions],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    {"train": train, "score": score}[sys.argv[1]](*sys.argv[2:])
