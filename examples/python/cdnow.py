"""Muster's main job on real data: the purchases of CDNOW's customers.

    MUSTER_KEY=… python3 cdnow.py CDNOW_master.txt [HOST:PORT]

Registers the customers, imports three cohorts of the partner tinyclues, and compares segments with the sets in the
data's README, by size and by members. Ends with 1 if one differs. It may be stopped and restarted at any time, because
every batch has a request id.
"""

import os
import sys
from collections import defaultdict

from muster import Client, MusterError

USERS_A_CALL = 5_000
IDENTIFIERS_A_CALL = 5_000

# The sizes in the data's README.
EXPECTED = {
    "everyone": 23_570, "repeat": 11_662, "active": 5_374, "big": 6_234, "big and not active": 2_519,
    "(repeat or big) and not active": 6_620, "repeat and big": 5_902,
}


def read(path):
    """The customers' attributes by external id."""
    purchases, cents, last = defaultdict(int), defaultdict(int), defaultdict(str)
    with open(path, encoding="ascii") as lines:
        next(lines)
        for line in lines:
            customer, date, _, dollars = line.split()
            purchases[customer] += 1
            cents[customer] += round(float(dollars) * 100)
            last[customer] = max(last[customer], f"{date[:4]}-{date[4:6]}-{date[6:]}")
    return {
        customer: {"purchases": purchases[customer], "total": cents[customer] / 100, "last_purchase": last[customer]}
        for customer in sorted(purchases)
    }


def batches(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def register(muster, customers):
    created = 0
    for number, batch in enumerate(batches(list(customers.items()), USERS_A_CALL)):
        users = [{"external_id": customer, "attributes": attributes} for customer, attributes in batch]
        reply = muster.call("users.upsert", {"users": users, "request_id": f"cdnow-users-{number}"})
        if reply["refused"]:
            raise SystemExit(f"{reply['refused']} customers were refused")
        created += reply["created"]
    print(f"{created:,} customers registered")


def import_cohort(muster, cohort_id, members):
    received = added = 0
    for number, batch in enumerate(batches(sorted(members), IDENTIFIERS_A_CALL)):
        reply = muster.call("cohorts.import", {
            "partner": "tinyclues", "cohort_id": cohort_id, "request_id": f"cdnow-{cohort_id}-{number}",
            "cohort_changes": [{"user_ids": batch}],
        })
        received += reply["receipt"]["received"]
        added += reply["receipt"]["added"]
    print(f"{added:,} of {received:,} identifiers added to {cohort_id}")


def cohort(cohort_id):
    return {"cohort": {"partner": "tinyclues", "cohort_id": cohort_id}}


def attribute(name, comparison, value):
    return {"attribute": {"name": name, "comparison": comparison, "value": value}}


def matches(muster, name, where, members, expected):
    """Prints a line of the table; returns whether Muster's answer equals the file's."""
    size = muster.call("segments.size", {"filter": where})["size"]
    found = [
        member["external_id"]
        for page in muster.pages("segments.members", {"filter": where, "page_size": 5_000})
        for member in page["members"]
    ]
    is_right = size == expected == len(found) and set(found) == members
    print(f"{name:34} {expected:>8,} {size:>8,} {len(found):>8,}  {'yes' if is_right else 'NO'}")
    return is_right


def main():
    if len(sys.argv) not in (2, 3) or not os.environ.get("MUSTER_KEY"):
        raise SystemExit(__doc__)
    host, _, port = (sys.argv[2] if len(sys.argv) == 3 else "127.0.0.1:7878").rpartition(":")
    customers = read(sys.argv[1])
    everyone = set(customers)
    repeat = {customer for customer in everyone if customers[customer]["purchases"] >= 2}
    active = {customer for customer in everyone if customers[customer]["last_purchase"] >= "1998-01-01"}
    big = {customer for customer in everyone if customers[customer]["total"] >= 100}

    with Client(host, int(port), os.environ["MUSTER_KEY"].strip()) as muster:
        muster.call("partners.set", {"partner": "tinyclues"})
        register(muster, customers)
        for cohort_id, members in (("repeat", repeat), ("active", active), ("big", big)):
            import_cohort(muster, cohort_id, members)

        in_repeat, in_active, in_big = cohort("repeat"), cohort("active"), cohort("big")
        is_active = attribute("last_purchase", "after", "1997-12-31")
        is_big = attribute("total", "greater_than_or_equal_to", 100)
        sets = [
            ("everyone", {"everyone": {}}, everyone),
            ("repeat", in_repeat, repeat),
            ("active", in_active, active),
            ("big", in_big, big),
            ("big and not active", {"all": [in_big, {"not": in_active}]}, big - active),
            (
                "(repeat or big) and not active",
                {"all": [{"any": [in_repeat, in_big]}, {"not": in_active}]},
                (repeat | big) - active,
            ),
            ("repeat and big", {"all": [in_repeat, in_big]}, repeat & big),
            ("active, by attribute", is_active, active),
            ("big, by attribute", is_big, big),
            ("big and not active, by attributes", {"all": [is_big, {"not": is_active}]}, big - active),
        ]
        print(f"\n{'set':34} {'expected':>8} {'size':>8} {'members':>8}  same")
        same = [
            matches(muster, name, where, members, EXPECTED[name.partition(", by")[0]]) for name, where, members in sets
        ]
    return 0 if all(same) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MusterError as error:
        sys.exit(f"Muster refused: {error}")
