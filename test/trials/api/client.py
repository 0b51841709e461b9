"""Sends events and decides with the client that openapi-python-client made. Last line: JSON of what was answered."""

import json
import sys
import time

folder, url = sys.argv[1:]
sys.path.insert(0, folder)

from feature_store_client import Client  # noqa: E402
from feature_store_client.api.default import (  # noqa: E402
    decide_fraud_detection,
    post_predict_fraud,
    publish_labels,
    publish_transactions,
    read_features,
)
from feature_store_client.models import (  # noqa: E402
    FeaturesRequest,
    FeaturesRequestEntitiesItem,
    FraudDetectionV1DecisionRequest,
    LabelsEvent,
    LabelsEventList,
    TransactionsEvent,
)

HOUR = 3_600_000
client = Client(base_url=url, timeout=60)
now = int(time.time() * 1000)
payment = {"user_id": "by-python", "merchant_id": "merchant-1", "amount": "7.25", "timestamp": now}
label = LabelsEvent(
    label_id=f"python-{now}",
    transaction_id=f"python-{now}",
    user_id="by-python",
    merchant_id="merchant-1",
    is_fraud=0,
    labelled_at=now // HOUR * HOUR,
)
sent = publish_transactions.sync(client=client, body=TransactionsEvent(transaction_id=f"python-sent-{now}", **payment))
labelled = publish_labels.sync(client=client, body=LabelsEventList(events=[label]))
request = FraudDetectionV1DecisionRequest(transaction_id=f"python-{now}", **payment)
decided = decide_fraud_detection.sync(client=client, body=request)
again = post_predict_fraud.sync(client=client, body=request)
entity = FeaturesRequestEntitiesItem.from_dict({"user_id": "by-python", "merchant_id": "merchant-1"})
read = read_features.sync(client=client, body=FeaturesRequest(service="fraud_detection", entities=[entity]))
print(
    json.dumps(
        {
            "sent": sent.accepted,
            "labelled": labelled.accepted,
            "decided": decided.event_status,
            "again": again.event_status,
            "average": read.results[0].features.avg_amount_1h,
        }
    )
)
