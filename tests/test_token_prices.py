"""Tokens at the card price in force: at the boundary second and token, through a whole ingest; never guessed, never lost."""

import re
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from conftest import examples, table
from hypothesis import example, given
from hypothesis import strategies as st

from costctl.rates import facts, scopes, tokens
from costctl.rates.scopes import DAY

# A card of round prices: a model whose price doubles for some hours, one with a step, one with both, one plain.
CARD = """
    provider,channel,model,region,service_tier,context_tier,time_window_utc,token_class,price_per_million,currency,valid_from,valid_to
    together,,tide,*,,,,input,1,USD,,
    together,,tide,*,,,,output,3,USD,,
    together,,tide,*,,,01:00-04:00,input,2,USD,,
    together,,tide,*,,,01:00-04:00,output,6,USD,,
    together,,tide,*,,,22:00-00:30,input,5,USD,,
    together,,step,*,,up to 100k,,input,1,USD,,
    together,,step,*,,up to 100k,,cache_read,0.1,USD,,
    together,,step,*,,above 100k,,input,2,USD,,
    together,,step,*,,above 100k,,cache_read,0.2,USD,,
    together,,step,*,,,,output,7,USD,,
    together,,plain,*,,,,input,4,USD,,2026-11-12
    together,,plain,*,,,,input,8,USD,2026-11-12,
    together,,plain,*,batch,,,input,2,USD,,
    together,,plain,*,,,,output,10,USD,,
    together,,write,*,,,,input,4,USD,,
    together,,write,*,,,,cache_write,5,USD,,
    together,,write,*,,,,cache_write_long,8,USD,,
    together,one,twice,*,,,,input,4,USD,,
    together,two,twice,*,,,,input,4,USD,,
    together,one,twice,*,,,,output,4,USD,,
    together,two,twice,*,,,,output,5,USD,,
    together,,money,*,,,,input,4,USD,,
    together,,money,*,,,,input,4,EUR,,
    together,,zones,*,,,,input,4,USD,,
    together,,zones,geo:us,,,,input,5,USD,,
    together,,zones,eu-west-1,,,,input,6,USD,,
    together,,think,*,,,,output,4,USD,,
    together,,night,*,,,01:00-04:00,input,3,USD,,
    together,,long,*,,,,input,3,USD,,
    together,,long,*,,above 100k,,input,6,USD,,
    aws,,chat,*,,,,input,3,USD,,
    aws,aws-bedrock,chat,*,,,,input,2,USD,,
    together,,think,*,,,,reasoning,9,USD,,
"""
HEADER = "start,end,provider,model,team,region,service_tier,input_uncached,input_cache_read,input_cache_write,input,output,output_visible,output_reasoning,requests"


@pytest.fixture
def rated(places):
    """Take in usage records of November; return the price, or the reason, of each record's token classes."""

    def rated(records, card=CARD):
        place = places()
        place.write("costctl.yaml", "version: 1\ncards: [card.csv]\n")
        place.write("card.csv", card)
        rows = [{"provider": "together", "team": str(n), "requests": "1"} | row for n, row in enumerate(records)]
        lines = [",".join(row.get(name, "") for name in HEADER.split(",")) for row in rows]
        place.write("tokens.csv", "\n".join([HEADER, *lines, ""]))
        place.bill("bill.csv", [{"day": "2026-11-10"}])
        place.ingest("bill.csv", "tokens.csv")
        assert place.broken() == []
        found = [{} for _ in records]
        for team, kind, price, reason, cost, number in place.ask(
            "SELECT team, token_class, price_per_million, reason, rate_cost, tokens FROM ledger.rated_tokens"
        ):
            assert (cost is None) == (price is None)
            assert price is None or Fraction(cost) == Fraction(price) * number / 1_000_000
            found[int(team)][kind] = reason if price is None else f"{price.normalize():f}"
        return found

    return rated


def at(model, start, end=None, **words):
    """Return a record of one request on 10 November."""
    start, end = (f"2026-11-10T{time}Z" if "T" not in time else time for time in (start, end or start))
    return {"model": model, "start": start, "end": end} | words


SPANS = "its time spans a change of price"
LENGTH = "the price depends on the length of each prompt"
APART = "the price depends on classes that are not counted apart"
SEVERAL = "several prices: nothing tells the channel, or the currency"

TIMES = """
    from                        to                          input
    00:59:59.999999             00:59:59.999999             1
    01:00:00                    01:00:00                    2
    03:59:59                    03:59:59.999999             2
    04:00:00                    04:00:00                    1
    00:00:00                    01:00:00                    -
    00:30:00                    01:00:00                    1
    00:30:00                    01:00:00.000001             -
    01:00:00                    04:00:00                    2
    03:30:00                    04:00:01                    -
    21:59:59.999999             21:59:59.999999             1
    22:00:00                    23:59:59.999999             5
    22:00:00                    2026-11-11T00:00:00         5
    22:00:00                    2026-11-11T00:30:00         5
    22:00:00                    2026-11-11T00:30:00.000001  -
    21:00:00                    2026-11-11T00:10:00         -
    00:29:59                    00:29:59                    5
    00:30:00                    00:30:00                    1
    00:00:00                    2026-11-11T00:00:00         -
    05:00:00                    21:00:00                    1
    2026-11-12T05:00:00         2026-11-14T00:00:00         -
"""


def test_the_hour_decides_to_the_microsecond(rated):
    lines = table(TIMES)
    found = rated([at("tide", line["from"], line["to"], input_uncached="7") for line in lines])
    assert [prices["input"] for prices in found] == [line["input"].replace("-", SPANS) for line in lines]


PROMPTS = """
    uncached  cached  requests  input  cache_read
    100000    -       1         1      -
    100001    -       1         2      -
    1         99999   1         1      0.1
    1         100000  1         2      0.2
    100000    -       5         1      -
    100001    -       5         ?      -
    7         200000  -         ?      ?
    7         200000  0         ?      ?
    3         4       -         1      0.1
"""


def test_the_whole_prompt_decides_and_not_the_sum_of_several(rated):
    lines = [{name: text.replace("-", "") for name, text in line.items()} for line in table(PROMPTS)]
    names = {"input_uncached": "uncached", "input_cache_read": "cached", "requests": "requests"}
    found = rated(
        [at("step", "05:00:00", output="9", **{name: line[of] for name, of in names.items()}) for line in lines]
    )
    for line, prices in zip(lines, found, strict=True):
        known = {"input": line["input"], "cache_read": line["cache_read"], "output": "7"}  # the same at every length
        assert prices == {kind: price.replace("?", LENGTH) for kind, price in known.items() if price}, line


@pytest.mark.slow
def test_a_prompt_that_nobody_counted_may_have_any_length(rated):
    record = at("step", "05:00:00", output="9")
    assert rated([record]) == [{"output": "7"}]
    card = CARD.replace("together,,step,*,,,,output,7,USD,,", "together,,step,*,,up to 100k,,output,7,USD,,")
    assert rated([record], card) == [{"output": LENGTH}]


WORDS = """
    model   day         words                            class        price
    plain   2026-11-11  input_uncached=1                 input        4
    plain   2026-11-12  input_uncached=1                 input        8
    plain   2026-11-12  input_uncached=1 service_tier=batch  input    2
    plain   2026-11-12  input_uncached=1 service_tier=flex   input    no price in force
    plain   2026-11-12  input_cache_read=1               cache_read   no card prices it
    plain   2026-11-12  input=1                          input        8
    step    2026-11-12  input=1                          input        APART
    write   2026-11-12  input_cache_write=1              cache_write  APART
    twice   2026-11-12  input_uncached=1                 input        4
    twice   2026-11-12  output=1                         output       SEVERAL
    money   2026-11-12  input_uncached=1                 input        SEVERAL
    zones   2026-11-12  input_uncached=1                 input        4
    zones   2026-11-12  input_uncached=1 region=us-east-1  input      4
    zones   2026-11-12  input_uncached=1 region=eu-west-1  input      6
    x/us.zones  2026-11-12  input_uncached=1             input        no card prices it
    plain   2026-11-12  output_reasoning=1               output       10
    plain   2026-11-12  output=1                         output       10
    think   2026-11-12  output_reasoning=1               output       9
    think   2026-11-12  output_visible=1                 output       4
    think   2026-11-12  output=1                         output       APART
    tidal   2026-11-12  output=1                         output       no card prices it
    night   2026-11-12  input_uncached=1                 input        no price in force
    night   2026-11-12  input_uncached=1 start=2026-11-12T01:00:00Z end=2026-11-12T04:00:00Z  input  3
    night   2026-11-12  input_uncached=1 start=2026-11-12T00:59:59Z end=2026-11-12T04:00:00Z  input  SPANS
    long    2026-11-12  input_uncached=100000            input        3
    long    2026-11-12  input_uncached=100001            input        6
    chat    2026-11-12  input_uncached=1 provider=aws.bedrock  input  2
    chat    2026-11-12  input_uncached=1 provider=aws    input        SEVERAL
"""


@pytest.mark.slow
def test_everything_else_that_decides(rated):
    lines = table(WORDS)
    records = [
        at(line["model"], f"{line['day']}T05:00:00") | dict(word.split("=") for word in line["words"].split())
        for line in lines
    ]
    for line, prices in zip(lines, rated(records), strict=True):
        assert prices == {
            line["class"]: {"APART": APART, "SEVERAL": SEVERAL, "SPANS": SPANS}.get(line["price"], line["price"])
        }, line


SHIPPED = """
    provider  model                     from                        tokens   input
    deepseek  deepseek-v4-pro           00:59:59.999999             1        0.66
    deepseek  deepseek-v4-pro           01:00:00                    1        1.32
    deepseek  deepseek/deepseek-v4-pro  03:59:59                    1        1.32
    deepseek  deepseek-v4-pro           03:59:59.999999             1        1.32
    deepseek  deepseek-v4-pro           04:00:00                    1        0.66
    deepseek  deepseek-v4-pro           05:59:59.999999             1        0.66
    deepseek  deepseek-v4-pro           06:00:00                    1        1.32
    deepseek  deepseek-v4-pro           09:59:59.999999             1        1.32
    deepseek  deepseek-v4-pro           10:00:00                    1        0.66
    deepseek  deepseek-v4-pro           2026-11-14T01:00:00         1        0.66
    deepseek  deepseek-v4-pro           2026-11-15T09:59:59         1        0.66
    deepseek  deepseek-v4-pro           2026-11-16T01:00:00         1        1.32
    deepseek  deepseek-v4-pro           2026-11-13T09:59:59         1        1.32
    openai    gpt-5.6-sol               12:00:00                    272000   4
    openai    gpt-5.6-sol-2026-08-21    12:00:00                    272001   no price in force
    openai    gpt-5.6-sol               2026-11-20T00:00:00         272000   4
    openai    gpt-5.6-sol               2026-11-20T00:00:00         272001   8
    openai    gpt-6-sol                 2026-11-20T00:00:00         272000   2
    openai    gpt-6-sol                 2026-11-20T00:00:00         272001   4
"""


@pytest.mark.slow
def test_the_shipped_prices_at_their_boundaries(rated):
    """The 14th is a Saturday. The price above 272k was first seen on 20 November: ten days before it, nobody knows."""
    lines = table(SHIPPED)
    records = [
        at(line["model"], line["from"], provider=line["provider"], input_uncached=line["tokens"]) for line in lines
    ]
    assert [prices["input"] for prices in rated(records)] == [line["input"] for line in lines]


ROUTES = """
    provider   model                                                  price
    bedrock    us.anthropic.claude-haiku-4-5-20251001-v1:0            1.1
    bedrock    global.anthropic.claude-haiku-4-5-20251001-v1:0        1
    bedrock    anthropic.claude-haiku-4-5-20251001-v1:0               1
    bedrock    jp.anthropic.claude-haiku-4-5-20251001-v1:0            no price in force
    azure      azure/us/gpt-5                                         1.375
    azure_ai   azure_ai/claude-opus-5-5-fast                          8
"""


@pytest.mark.slow
def test_the_route_and_the_tier_that_a_name_tells(rated):
    lines, noon = table(ROUTES), "2026-11-20T12:00:00"
    records = [
        at(line["model"], noon, provider=line["provider"], region="us-east-1", input_uncached="1") for line in lines
    ]
    assert [prices["input"] for prices in rated(records)] == [line["price"] for line in lines]


def test_the_cost_is_exact_to_the_last_digit(rated):
    card = CARD.replace("together,,tide,*,,,,input,1,USD,,", "together,,tide,*,,,,input,0.123456789012,USD,,")
    assert rated([at("tide", "05:00:00", input_uncached="123456789012345678")], card) == [{"input": "0.123456789012"}]


def test_a_contract_comes_before_the_list_and_leaves_it_what_it_does_not_price(rated):
    card = f"{CARD}    openai,,gpt-6-sol,*,,,,input,1.50,USD,2026-11-01,\n"
    record = at("gpt-6-sol", "2026-11-20T12:00:00", provider="openai", input_uncached="300000", output="1")
    assert rated([record], card) == [{"input": "1.5", "output": "15"}]


# Whatever the windows and the steps: at every second, for every prompt, one price or a refusal that names both lines.

MINUTES = st.sampled_from([0, 1, 30, 60, 240, 600, 990, 1439])
BOUNDS = st.sampled_from([1000, 2000, 3000])
HOURS = st.none() | st.tuples(MINUTES, MINUTES).filter(lambda pair: pair[0] != pair[1])
DAYS = st.none() | st.tuples(st.integers(0, 6), st.integers(0, 6))
WINDOWS = st.none() | st.tuples(HOURS, DAYS).filter(lambda pair: pair != (None, None))
STEPS = st.none() | st.tuples(st.none() | BOUNDS, st.none() | BOUNDS).filter(
    lambda pair: pair != (None, None) and (None in pair or pair[0] < pair[1])
)
MONDAY = datetime(2026, 11, 9)  # noqa: DTZ001  UTC


def as_texts(step, window):
    """Return how a card writes a step and a window."""
    above, up_to = step or (None, None)
    words = [f"above {above}" if above else "", f"up to {up_to}" if up_to else ""]
    hours, days = window or (None, None)
    clock = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in hours) if hours else ""
    named = "-".join(scopes.WEEKDAYS[day].title() for day in dict.fromkeys(days)) if days else ""
    return " ".join(filter(None, words)), f"{named} {clock}".strip()


def holds(row, day, second, prompt):
    """Tell whether a row is for a day of the week, a second of it, and a prompt."""
    (above, up_to), (hours, days) = row[0] or (None, None), row[1] or (None, None)
    start, end = (minute * 60 for minute in hours or (0, DAY))
    if start < end:
        in_hours = start <= second < end
    else:
        in_hours = second >= start or second < end
        day = day if second >= start else (day - 1) % 7  # the hours began the day before
    in_days = not days or (day - days[0]) % 7 <= (days[1] - days[0]) % 7
    return in_hours and in_days and (above is None or prompt > above) and (up_to is None or prompt <= up_to)


def kind(row):
    """Return which of two rows is closer to a request: a part of the week before the whole, then a step before all prompts."""
    hours, days = row[1] or (None, None)
    is_part = hours is not None or (days is not None and (days[1] - days[0]) % 7 < 6)
    return is_part, row[0] is not None


def rivals(row, other):
    """Tell whether two rows are for one request and neither is closer."""
    return kind(row) == kind(other) and any(holds(row, *point) and holds(other, *point) for point in POINTS)


SECONDS = sorted(
    {(minute * 60 + shift) % (DAY * 60) for minute in (0, 1, 30, 60, 240, 600, 990, 1439) for shift in (-1, 0)}
)
POINTS = [(day, second, prompt) for day in range(7) for second in SECONDS for prompt in (1000, 1001, 2001, 3001)]


def world_of(folder, rows):
    """Return the facts of a card of these rows; the first costs 1, the second 2."""
    lines = [",".join(["together", "tide", "input", str(1 + n), "USD", *as_texts(*row)]) for n, row in enumerate(rows)]
    card = folder / "card.csv"
    card.write_text("\n".join([f"{','.join(COLUMNS)}", *lines]))
    return facts.load(folder, [card])


COLUMNS = ("provider", "model", "token_class", "price_per_million", "currency", "context_tier", "time_window_utc")


@pytest.mark.slow
@examples(5)
@example(rows=[(None, None), (None, (None, (1, 0)))])  # Tuesday to Monday is the whole week
@given(rows=st.lists(st.tuples(STEPS, WINDOWS), min_size=1, max_size=6))
def test_every_second_and_every_prompt_has_one_price_or_none_or_both_lines_are_named(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("card")
    clashes = world_of(folder, rows).clashes()
    named = {
        tuple(sorted(int(line) for line in set(re.findall(r"card.csv:(\d+)", f"{clash.where} {clash.what}"))))
        for clash in clashes
    }
    assert named == {
        (2 + first, 2 + second)
        for second in range(len(rows))
        for first in range(second)
        if rivals(rows[first], rows[second])
    }
    kept = []
    for row in rows:
        kept += [] if any(rivals(row, other) for other in kept) else [row]
    world = world_of(folder, kept)
    assert world.clashes() == []
    questions = [
        tokens.Question("together", "tide", None, *[MONDAY + timedelta(day, second)] * 2, prompt)
        for day, second, prompt in POINTS
    ]
    found = [answer["input"]["price_per_million"] for answer in tokens.rated(questions, world.model_rates, [], [])]
    closest = [max((row for row in kept if holds(row, *point)), key=kind, default=None) for point in POINTS]
    assert found == [None if row is None else 1 + kept.index(row) for row in closest]
