"""Builders of admission reviews, and what their answers say."""

import json

from discovery.admission.review import reviewed
from discovery.services.catalogue import POLICY_MAP


def review_of(value, operation="CREATE", **request):
    """The bytes of a review of this ConfigMap."""
    request = {
        "uid": "u1",
        "operation": operation,
        "namespace": value["metadata"]["namespace"],
        "object": value,
        **request,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def response_to(value, operation="CREATE", **request):
    """The response to it."""
    return json.loads(reviewed(review_of(value, operation, **request), POLICY_MAP))["response"]
