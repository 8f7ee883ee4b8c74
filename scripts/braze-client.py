"""Calls the user registry with braze-client and prints a line for each check; see scripts/braze-client."""

import os
import sys

from braze.client import BrazeClient, BrazeClientError

url = sys.argv[1]
client = BrazeClient(api_key=os.environ["MUSTER_KEY"], api_url=url)


def check(name, holds):
    print(("ok   " if holds else "NOT  ") + name)
    if not holds:
        sys.exit(1)


def error_of(work):
    try:
        work()
    except BrazeClientError as error:
        return error
    return None


answer = client.user_track(
    attributes=[
        {"external_id": "py-1", "email": "Ada@Example.com", "first_name": "Ada", "tags": ["a", "b"], "visits": {"inc": 1}},
        {"external_id": 1002, "country": "FR"},
    ],
    events=[{"external_id": "py-1", "name": "signed_up", "time": "2024-05-01T12:00:00+02:00", "properties": {"from": "web"}}],
    purchases=[
        {"external_id": "py-1", "product_id": "book", "currency": "EUR", "price": 12.5, "quantity": 2, "time": "2024-05-02"}
    ],
)
check("a user, an event and a purchase are taken", answer["success"] and answer["status_code"] == 201)
check("counters count them", (answer["attributes_processed"], answer["events_processed"], answer["purchases_processed"]) == (2, 1, 1))

answer = client.user_track(attributes=[{"external_id": "py-1", "tags": {"add": ["c"], "remove": ["a"]}, "visits": {"inc": 1}}])
check("attributes are changed in place", answer["success"])

answer = client.user_track(
    attributes=[{"external_id": "py-1", "ok": True}, {"first_name": "nobody's"}],
    events=[{"external_id": "py-1", "name": "late", "time": "tomorrow"}],
)
check("a bad object beside a good one is no success", not answer["success"] and answer["message"] == "success")
check(
    "errors name array and index",
    [(error["input_array"], error["index"], error["type"]) for error in answer["errors"]]
    == [
        ("attributes", 1, "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"),
        ("events", 0, "'time' is not valid"),
    ],
)

error = error_of(lambda: client.user_track(events=[{"external_id": "py-1", "name": "x"}]))
check("nothing but bad objects is an error", error is not None and "Valid data must be provided" in str(error))
error = error_of(lambda: client.user_track(attributes=[{"external_id": "py-1"}] * 76))
check("one object too many is an error", error is not None and "Max Input Length Exceeded" in str(error))
error = error_of(lambda: BrazeClient(api_key="nobody", api_url=url).user_track(attributes=[{"external_id": "py-1"}]))
check("a wrong key is an error without the key", error is not None and "Invalid API key" in str(error) and "nobody" not in str(error))

answer = client.user_export(external_ids=["py-1", "py-404"], fields_to_export=["external_id", "email", "custom_attributes"])
check("a user is exported, and who is nobody is named", [user["external_id"] for user in answer["users"]] == ["py-1"])
check("as she was tracked", answer["users"][0]["email"] == "ada@example.com")
answer = client.user_export(email="ada@example.com")
check("an e-mail address finds her too", [user["external_id"] for user in answer["users"]] == ["py-1"])

answer = client.user_delete(external_ids=["1002"])
check("a user is erased", answer["success"] and answer["deleted"] == 1)
print("braze-client is content")
