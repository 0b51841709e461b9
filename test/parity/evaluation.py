"""Measures of scores by scikit-learn: JSON in, JSON out.

    python evaluation.py < {"isFraud": [...], "scores": [...]}
"""
import json
import sys

from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

rows = json.load(sys.stdin)
is_fraud, scores = rows["isFraud"], rows["scores"]
false_positive_rate, true_positive_rate, _ = roc_curve(is_fraud, scores, drop_intermediate=False)
precision, recall, _ = precision_recall_curve(is_fraud, scores)
fraud_share, mean_score = calibration_curve(is_fraud, scores, n_bins=10, strategy="uniform")
json.dump(
    {
        "aucRoc": roc_auc_score(is_fraud, scores),
        "averagePrecision": average_precision_score(is_fraud, scores),
        "brier": brier_score_loss(is_fraud, scores),
        "roc": list(zip(false_positive_rate, true_positive_rate)),
        # From the lowest threshold up, and a last point that no threshold has.
        "precisionRecall": list(zip(recall[:-1], precision[:-1]))[::-1],
        "calibration": list(zip(mean_score, fraud_share)),
    },
    sys.stdout,
)
