"""Records of one source that are the same by their key count once, in whatever files and order they come; buckets never twice."""

import itertools
import json

import pytest
from conftest import few
from test_counters import answer, output

from costctl.errors import InputRefused
from costctl.ledger import state

pytestmark = pytest.mark.usefixtures("unposted")

DAY = 1790812800  # 2026-10-01T00:00:00Z
HOUR = 3600
COUNTED = """
    SELECT CAST(u.ts_start AS VARCHAR), u.project, sum(u.requests), sum(q.tokens)
    FROM ledger.token_usage AS u LEFT JOIN (SELECT delivery_id, file_no, record_no, sum(tokens) AS tokens FROM ledger.token_quantity GROUP BY ALL) AS q
        USING (delivery_id, file_no, record_no) GROUP BY ALL ORDER BY ALL
"""
ACCOUNTED = "SELECT CAST(sum(records) AS BIGINT), CAST(sum(kept) AS BIGINT), CAST(sum(excluded) AS BIGINT) FROM ledger.delivery_files"
RULES = "SELECT rule, CAST(sum(records) AS BIGINT) FROM ledger.exclusions GROUP BY 1 ORDER BY 1"


def bucket(hour, *results, hours=1):
    start = DAY + hour * HOUR
    return {"object": "bucket", "start_time": start, "end_time": start + hours * HOUR, "results": list(results)}


def result(tokens, project="p", model="gpt-5-2025-08-07"):
    about = {"model": model, "project_id": project, "input_tokens": tokens, "output_tokens": 1}
    return about | {"num_model_requests": 1, "input_cached_tokens": 0}


def page(*buckets, more=False):
    return json.dumps({"object": "page", "data": list(buckets), "has_more": more, "next_page": "x" if more else None})


PULLS = {  # three pulls of a window that moves on; the provider restates hour 1, and hour 2 fills
    "a": page(bucket(0, result(10)), bucket(1, result(20))),
    "b": page(bucket(1, result(15)), bucket(2, result(7)), bucket(24, result(1))),
    "c": page(bucket(2, result(30)), bucket(24, result(1)), bucket(48, result(2))),
}


@pytest.mark.parametrize("order", few([PULLS, *list(itertools.permutations(PULLS))[::-1]], 2))
def test_pulls_that_overlap_give_the_same_in_any_order_and_at_once(order, place):
    """Of a bucket the pull that goes further counts: 15 and not the 20 of before; what it restates is in the row accounting."""
    for name in order:
        place.write(f"{name}.json", PULLS[name])
        if order is not PULLS:
            place.ingest(f"{name}.json")
    if order is PULLS:
        place.ingest(*(f"{name}.json" for name in PULLS))
    hours = {"01 00": 11, "01 01": 16, "01 02": 31, "02 00": 2, "03 00": 3}
    assert place.ask(COUNTED) == [(f"2026-10-{hour}:00:00", "p", 1, tokens) for hour, tokens in hours.items()]
    assert place.ask(ACCOUNTED) == [(8, 5, 3)]
    assert place.ask(RULES) == [("another record of the same key counts", 2), ("the same record again", 1)]


def test_pages_of_one_pull_in_one_file_in_several_or_one_after_the_other(places):
    parts = [page(bucket(0, result(10)), more=True), page(bucket(1, result(20)))]
    found = []
    for texts in (parts, ["\n".join(parts)], [f"[{','.join(parts)}]"]):
        place = places()
        for number, text in enumerate(texts):
            place.write(f"pull/{number}.json", text)
        (outcome,) = place.ingest("pull")
        found.append(place.ask(COUNTED))
        assert [note for note in outcome.notes if "more was to come" in note] == []
    assert found[0] == found[1] == found[2] != []


def test_the_last_page_missing_is_said(place):
    place.write("1.json", page(bucket(0, result(10)), more=True))
    (outcome,) = place.ingest("1.json")
    assert outcome.notes == (
        "1 record of an answer after which more was to come, and it is not here: fetch the next page too",
    )


@pytest.mark.slow
def test_a_page_missing_in_the_middle_is_said(places):
    """Of pages of a week the second is not here: in a folder, and in one file. Nights and days without usage are none."""
    week, day = 168, 24
    first = page(bucket(0, result(10), hours=day), bucket(6 * day, result(10), hours=day), more=True)
    for later, notes in ((7 * day, 0), (10 * day, 0), (2 * week, 1)):
        last = page(bucket(later, result(20), hours=day))
        for texts in ([first, last], [f"{first}\n{last}"]):
            place = places()
            for number, text in enumerate(texts):
                place.write(f"pull/{number}.json", text)
            (outcome,) = place.ingest("pull")
            assert [note[:9] for note in outcome.notes] == ["1 record "] * notes, (later, texts)


def test_the_same_folder_again_is_nothing_to_do_and_a_new_file_in_it_is_all_that_is_read(place):
    place.write("pull/a.json", PULLS["a"])
    place.ingest("pull")
    assert [outcome.status for outcome in place.ingest("pull")] == ["nothing to do"]
    place.write("pull/b.json", PULLS["b"])
    (outcome,) = place.ingest("pull")
    assert (outcome.status, outcome.files, outcome.records) == ("loaded", 1, 3)


@pytest.mark.slow
def test_a_superseded_bucket_comes_back_by_a_rebuild_or_not_at_all(place):
    """--replace takes the place of all deliveries of the days: nothing that lost to one of them is missed."""
    for name in "ab":
        place.write(f"{name}.json", PULLS[name])
        place.ingest(f"{name}.json")
    place.write("new.json", page(bucket(0, result(100)), bucket(1, result(200))))
    place.ingest("new.json", decision="replace")
    assert [tokens for *_, tokens in place.ask(COUNTED)] == [101, 201, 2]


LOGS = {  # one id on two days, of which the second says more; and another log of the second day
    "requests": (
        "token_usage",
        "id,time,provider,model,team,input_uncached,output",
        "x,2026-10-01T23:59:59Z,self,m,a,10,1",
        "x,2026-10-02T00:00:01Z,self,m,a,20,2",
        "y,2026-10-02T08:00:00Z,self,m,a,7,1",
    ),
    "chip time": (
        "accelerator_usage",
        "id,pool,start,end,chips,state",
        "x,p,2026-10-01T08:00:00Z,2026-10-01T09:00:00Z,1,serving",
        "x,p,2026-10-02T08:00:00Z,2026-10-02T10:00:00Z,1,serving",
        "y,p,2026-10-02T08:00:00Z,2026-10-02T09:00:00Z,4,idle",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", few(LOGS))
def test_what_lost_to_a_record_that_is_replaced_counts_again(kind, places):
    """With its tokens, in the row accounting, and after a rebuild: as if the replaced log had never been there."""
    table, header, *records = LOGS[kind]
    place, fresh = places(), places()
    for name, record in zip(("first", "second", "new"), records, strict=True):
        for at in (place, fresh):
            at.write(f"{name}.csv", f"{header}\n{record}\n")
    place.ingest("first.csv")
    place.ingest("second.csv")
    assert place.ask(ACCOUNTED) == [(2, 1, 1)]
    place.ingest("new.csv", decision="replace")
    fresh.ingest("first.csv")
    fresh.ingest("new.csv")
    held = [f"SELECT * EXCLUDE (delivery_id) FROM ledger.{name} ORDER BY ALL" for name in (table, "token_quantity")]
    accounted = "SELECT kept, excluded FROM ledger.delivery_files WHERE name LIKE '%first.csv'"
    assert [place.ask(query) for query in (*held, accounted)] == [fresh.ask(query) for query in (*held, accounted)]
    assert place.ask(f"SELECT * FROM ledger.outdone_{table}") == place.ask("FROM ledger.outdone_token_quantity") == []
    said = place.costctl("rebuild")
    assert (said.returncode, place.ask(held[0])) == (0, fresh.ask(held[0])), said.stderr


TWICE = {
    "hours beside their day": (
        page(bucket(0, result(10)), bucket(1, result(20))),
        page(bucket(0, result(30), hours=24)),
        "has buckets that overlap",
    ),
    "a day beside its hours": (
        page(bucket(0, result(30), hours=24)),
        page(bucket(5, result(10))),
        "has buckets that overlap",
    ),
    "totals beside groups": (
        page(bucket(0, result(10))),
        page(bucket(0, result(10, None, None))),
        "both as a whole and by groups",
    ),
}


@pytest.mark.slow
def test_two_cuts_of_one_source_are_refused(place, places):
    """Beside what is there, and in one command; under another name it is another source."""
    there, new = ({name: f"{number} {at}.json" for number, name in enumerate(TWICE)} for at in ("there", "new"))
    for number, (name, (first, second, _)) in enumerate(TWICE.items()):
        place.write(there[name], first)
        place.write(new[name], second + "\n" * (number + 1))  # no bytes of another source
    place.take(there)
    before = place.ask(COUNTED)
    said = place.refused(new)
    assert {name: said[name] for name, (*_, what) in TWICE.items() if what not in said[name]} == {}
    assert any("`tokens: drives:`" in text for text in said.values())  # one remedy for all
    assert place.ask(COUNTED) == before
    place.take({f"another: {name}": file for name, file in new.items()})
    for name, (*_, what) in TWICE.items():
        with pytest.raises(InputRefused, match=what):
            places().ingest(place.home / there[name], place.home / new[name])


PLAIN = {  # of one owner: what of these is refused
    "an hour within a day": (["2026-10-01,2026-10-02,a", "2026-10-01T05:00Z,2026-10-01T06:00Z,a"], ":3"),
    "a shifted hour": (["2026-10-01T05:30Z,2026-10-01T06:30Z,a", "2026-10-01T05:00Z,2026-10-01T06:00Z,a"], ":2"),
    "one hour twice": (["2026-10-01T05:00Z,2026-10-01T06:00Z,a", "2026-10-01T05:00Z,2026-10-01T06:00Z,a"], None),
    "another owner's day": (["2026-10-01,2026-10-02,a", "2026-10-01T05:00Z,2026-10-01T06:00Z,b"], None),
    "two requests": (
        ["2026-10-01T05:00:01Z,2026-10-01T05:00:59Z,a", "2026-10-01T05:00:30Z,2026-10-01T05:01:30Z,a"],
        None,
    ),
}


@pytest.mark.parametrize("name", few(PLAIN))
def test_buckets_of_a_plain_file_that_overlap_others_of_their_owner_are_refused(name, place):
    """Nothing but the user knows that they are different tokens."""
    rows, refused = PLAIN[name]
    header = "start,end,team,provider,model,requests,input_uncached"
    place.write("a.csv", "\n".join([header, *(f"{row},self,m,1,100" for row in rows)]) + "\n")
    if refused:
        with pytest.raises(InputRefused, match=rf"a\.csv{refused}: has buckets that overlap"):
            place.ingest("a.csv")
    place.ingest("a.csv", decision="add" if refused else None)
    assert place.ask("SELECT CAST(sum(tokens) AS BIGINT) FROM ledger.token_quantity") == [(200,)]


GROUPINGS = {  # of one hour: what is there, what comes, whether they are two groupings
    "by project, and by key and project": ([("p", None)], [("p", "k1"), ("p", "k2")], 1),
    "by key, and by nothing but the model": ([(None, "k1")], [(None, None)], 1),
    "the same grouping an hour later": ([(None, None)], [(None, None), ("p", "k1")], 0),
    "the same grouping an hour before": ([(None, None), ("p", "k1")], [("p", "k1")], 0),
    "one project each": ([("p", "k1")], [("q", None)], 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", few(GROUPINGS))
def test_two_groupings_of_one_source_are_said(name, places):
    """Beside what is there, and in one command; another hour of another grouping counts nothing twice."""
    there, new, said = GROUPINGS[name]

    def pull(place, name, hour, groups):
        results = [result(10, project) | {"api_key_id": key} for project, key in [*groups, ("always", "k")]]
        place.write(f"{name}.json", page(bucket(hour, *results)))
        return place.home / f"{name}.json"

    one, several = places(), places()
    pulls = [pull(one, "a", 0, there), pull(one, "b", 0, new), pull(one, "c", 1, there)]
    notes = [one.ingest(path)[0].notes for path in pulls] + [several.ingest(*pulls[:2])[0].notes]
    assert [sum("two groupings" in note for note in found) for found in notes] == [0, said, 0, said]


@pytest.mark.slow
def test_hours_of_several_days_do_not_overlap(place):
    place.write("a.json", page(*(bucket(hour, result(1), result(2, "q")) for hour in range(50))))
    place.ingest("a.json")
    assert len(place.ask(COUNTED)) == 100


@pytest.mark.slow
def test_a_rebuild_gives_the_same_records_and_the_same_hours(place):
    for name in "cab":
        place.write(f"{name}.json", PULLS[name])
        place.ingest(f"{name}.json")
    place.write("e.json", answer(output((0, 0), (9000, 101))))
    place.write("f.json", answer(output((9000, 101), (90000, 7))))
    place.ingest("f.json")
    place.ingest("e.json")
    before = place.ask(COUNTED)
    said = place.costctl("rebuild")
    assert (said.returncode, place.ask(COUNTED)) == (0, before), said.stderr


@pytest.mark.slow
def test_a_blank_id_is_no_id(place):
    """Three answers without one would count as one: each is set aside by name."""
    lines = [
        {
            "id": "",
            "object": "chat.completion",
            "created": DAY + n,
            "model": "gpt-5",
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        for n in range(3)
    ]
    place.write("a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    (outcome,) = place.ingest("a.jsonl", quarantine_rows=3)
    assert (outcome.records, outcome.quarantined) == (3, 3)
    assert place.ask("SELECT DISTINCT column_name, reason FROM ledger.quarantine") == [("id", "is empty")]


@pytest.mark.slow
def test_what_is_empty_is_named_as_its_vendor_does(place):
    """The line has no time, and its message no id."""
    line = {
        "type": "assistant",
        "isSidechain": False,
        "sessionId": "s",
        "message": {"model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}},
    }
    place.write("a.jsonl", json.dumps(line) + "\n")
    with pytest.raises(InputRefused) as refused:
        place.ingest("a.jsonl")
    assert "message.id is empty" in refused.value.text()
    assert "timestamp is empty" in refused.value.text()


@pytest.mark.slow
def test_a_delivery_of_which_nothing_was_kept_is_not_called_superseded(place):
    place.write("a.json", page(bucket(0, result(-10))))
    place.ingest("a.json", quarantine_rows=1)
    with place.opened() as ledger:
        assert [row["state"] for row in state.deliveries(ledger).dicts()] == ["nothing kept"]


def test_an_error_among_pages_is_no_page(place):
    place.write(
        "a.json",
        page(bucket(0, result(10))) + '\n{"error": {"message": "Rate limit reached"}}\n' + page(bucket(1, result(20))),
    )
    with pytest.raises(InputRefused, match=r"a\.json:2: has no data") as refused:
        place.ingest("a.json")
    assert "Rate limit reached" in refused.value.text()


def test_a_bucket_that_ends_before_it_begins_is_named(place):
    place.write("a.json", page(bucket(2, result(10), hours=-1)))
    with pytest.raises(InputRefused) as refused:
        place.ingest("a.json")
    assert "record 1" in refused.value.text()
