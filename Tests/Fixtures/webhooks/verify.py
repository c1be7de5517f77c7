"""Verifies webhooks as a receiver does: verify.py SECRET FILE..., each FILE being JSON {"headers", "body"}.

Prints the identifier of each that is accepted; ends with 1 at the first that is not.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

receiver = Webhook(sys.argv[1])
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        request = json.load(file)
    try:
        receiver.verify(request["body"], request["headers"])
    except WebhookVerificationError as error:
        print(f"{name}: {error}")
        sys.exit(1)
    print(request["headers"]["webhook-id"])
