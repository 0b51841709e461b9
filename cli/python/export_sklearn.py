"""Writes a classifier of scikit-learn as JSON that the feature store scores. docs/models.md describes the fields.

    python cli/python/export_sklearn.py model.joblib model.json

reads what joblib.dump or pickle.dump wrote, and writes what "feature-store model package --model model.json" takes. It needs the
scikit-learn that trained the model, and joblib, which comes with it. A pickle may run any code: export your own files alone.
From Python: json.dump(export_sklearn.export(model), file, allow_nan=False).

1. LogisticRegression, alone or after a StandardScaler in a Pipeline, becomes coefficients.
2. DecisionTree, RandomForest, ExtraTrees, GradientBoosting and HistGradientBoosting become trees: arrays over their nodes.
3. What these formats cannot say is refused with a sentence. The score is the probability of the second class.
"""
import argparse
import json
import pickle
import sys

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier


def export(model):
    """The model as a dictionary for json.dump. Raises ValueError when it cannot be one."""
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    *before, estimator = steps
    if len(getattr(estimator, "classes_", ())) != 2:
        raise ValueError(f"{type(estimator).__name__} must be fitted with two classes and one output")
    if isinstance(estimator, LogisticRegression):
        return logistic(model, before, estimator)
    if before:
        raise ValueError(f"{type(estimator).__name__} must stand alone: trees need no scaling")
    return trees(estimator)


def header(model, estimator, file_format):
    names = getattr(model, "feature_names_in_", None)
    return {
        "format": file_format,
        "formatVersion": 1,
        "estimator": f"{type(estimator).__name__} of scikit-learn {sklearn.__version__}",
        "inputNames": None if names is None else list(names),
    }


def logistic(model, before, estimator):
    if len(before) > 1 or not all(isinstance(step, StandardScaler) for step in before):
        raise ValueError("LogisticRegression may stand after one StandardScaler and nothing else")
    if getattr(estimator, "multi_class", "auto") == "multinomial":
        raise ValueError("LogisticRegression with multi_class='multinomial' scores differently; fit it without")
    standardisation = None
    if before:
        count = estimator.coef_.shape[1]
        means = np.zeros(count) if before[0].mean_ is None else before[0].mean_
        scales = np.ones(count) if before[0].scale_ is None else before[0].scale_
        standardisation = {"means": means.tolist(), "scales": scales.tolist()}
    return {
        **header(model, estimator, "logistic-regression"),
        "coefficients": estimator.coef_[0].tolist(),
        "intercept": float(estimator.intercept_[0]),
        "standardisation": standardisation,
    }


def trees(estimator):
    common = {**header(estimator, estimator, "sklearn-trees"), "inputCount": int(estimator.n_features_in_)}
    if isinstance(estimator, HistGradientBoostingClassifier):
        return {
            **common,
            "inputPrecision": "float64",
            "acceptsMissing": True,
            "output": "log-odds",
            "start": float(estimator._baseline_prediction[0, 0]),
            "trees": [histogram_tree(predictor.nodes) for (predictor,) in estimator._predictors],
        }
    if isinstance(estimator, GradientBoostingClassifier):
        if estimator.init is not None and not isinstance(estimator.init, str):
            raise ValueError("GradientBoostingClassifier must start from its prior (init=None) or from 'zero'")
        nothing = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
        rate = estimator.learning_rate
        return {
            **common,
            "inputPrecision": "float32",
            "acceptsMissing": False,
            "output": "log-odds",
            "start": float(estimator._raw_predict_init(nothing)[0, 0]),
            "trees": [tree(stage.tree_, rate * stage.tree_.value[:, 0, 0]) for (stage,) in estimator.estimators_],
        }
    if isinstance(estimator, DecisionTreeClassifier):
        members = [estimator]
    elif isinstance(estimator, (RandomForestClassifier, ExtraTreesClassifier)):
        members = estimator.estimators_
    else:
        raise ValueError(f"{type(estimator).__name__} has no export; see the list at the top of this file")
    return {
        **common,
        "inputPrecision": "float32",
        "acceptsMissing": bool(estimator.__sklearn_tags__().input_tags.allow_nan),
        "output": "probability",
        "start": 0.0,
        "trees": [tree(member.tree_, fractions(member.tree_.value[:, 0, :])) for member in members],
    }


def fractions(values):
    return values[:, 1] / values.sum(axis=1)


def finite(thresholds):
    """A split between missing and everything else has an infinite threshold, which JSON cannot say."""
    greatest = np.finfo(np.float64).max
    return np.clip(thresholds, -greatest, greatest)


def tree(nodes, values):
    is_leaf = nodes.children_left == -1
    return {
        "left": nodes.children_left.tolist(),
        "right": nodes.children_right.tolist(),
        "input": np.where(is_leaf, 0, nodes.feature).tolist(),
        "threshold": np.where(is_leaf, 0.0, finite(nodes.threshold)).tolist(),
        "missingLeft": np.where(is_leaf, 0, nodes.missing_go_to_left).tolist(),
        "value": np.where(is_leaf, values, 0.0).tolist(),
        "weight": nodes.weighted_n_node_samples.tolist(),
    }


def histogram_tree(nodes):
    if nodes["is_categorical"].any():
        raise ValueError("HistGradientBoostingClassifier splits by category; fit it with numbers for categories")
    is_leaf = nodes["is_leaf"].astype(bool)
    return {
        "left": np.where(is_leaf, -1, nodes["left"].astype(np.int64)).tolist(),
        "right": np.where(is_leaf, -1, nodes["right"].astype(np.int64)).tolist(),
        "input": np.where(is_leaf, 0, nodes["feature_idx"]).tolist(),
        "threshold": np.where(is_leaf, 0.0, finite(nodes["num_threshold"])).tolist(),
        "missingLeft": np.where(is_leaf, 0, nodes["missing_go_to_left"]).tolist(),
        "value": np.where(is_leaf, nodes["value"], 0.0).tolist(),
        "weight": nodes["count"].astype(np.int64).tolist(),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="export_sklearn.py"
    )
    parser.add_argument("model", help="file of joblib or pickle with a fitted classifier")
    parser.add_argument("output", help="JSON file to write")
    paths = parser.parse_args()
    try:
        text = json.dumps(export(joblib.load(paths.model)), allow_nan=False)
    except FileNotFoundError:
        sys.exit(f"export_sklearn.py: there is no file {paths.model}")
    except ValueError as error:
        sys.exit(f"export_sklearn.py: {error}")
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, ImportError, AttributeError) as error:
        sys.exit(
            f"export_sklearn.py: {paths.model} cannot be loaded ({type(error).__name__}: {error}); "
            "give what joblib.dump or pickle.dump wrote, with the libraries that it needs"
        )
    # Only when there is something: what lies there stays otherwise.
    with open(paths.output, "w", encoding="utf-8") as file:
        file.write(text)
    if not json.loads(text)["inputNames"]:
        print("export_sklearn.py: the model does not name its inputs: give them to --inputs", file=sys.stderr)


if __name__ == "__main__":
    main()
