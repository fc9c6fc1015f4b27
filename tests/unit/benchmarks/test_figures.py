import pytest

from benchmarks.figures import Figure, Target
from benchmarks.relay.latency import NotArrived, differences, percentile
from benchmarks.table import number, table


def figure(**given):
    return Figure(**{"name": "speed", "unit": "events/s", "values": [30.0, 50.0, 40.0], **given})


def test_a_value_is_the_median_of_its_rounds_and_without_a_floor_so_is_its_spread():
    alone = figure()
    assert (alone.value, alone.spread) == (40.0, (30.0, 50.0))
    assert (alone.floor, alone.ratio, alone.met) == (None, None, None)


def test_a_ratio_is_the_median_of_the_pairs_and_not_that_of_the_medians():
    paired = figure(values=[10.0, 90.0, 50.0], floors=[100.0, 100.0, 200.0])
    assert paired.ratio == 0.25
    assert (paired.value, paired.floor) == (50.0, 100.0)
    assert paired.spread == (0.1, 0.9)


@pytest.mark.parametrize(
    ("sense", "bound", "met"),
    [(">=", 0.4, True), (">=", 0.41, False), ("<=", 0.4, True), ("<=", 0.39, False)],
)
def test_a_target_for_the_ratio_is_met_at_its_bound_and_not_past_it(sense, bound, met):
    assert figure(floors=[100.0] * 3, target=Target("ratio", sense, bound)).met is met


def test_a_target_for_the_value_does_not_look_at_the_floor():
    assert figure(floors=[1_000.0] * 3, target=Target("value", "<=", 40)).met is True
    assert figure(target=Target("value", ">=", 41)).met is False


@pytest.mark.parametrize(
    "nonsense",
    [
        {"values": []},
        {"floors": [1.0]},
        {"floors": [1.0, 0.0, 1.0]},
        {"target": Target("ratio", "<=", 3)},
    ],
)
def test_a_figure_that_means_nothing_is_refused(nonsense):
    with pytest.raises(ValueError, match="speed"):
        figure(**nonsense)


def test_the_json_has_what_was_agreed_and_no_digits_that_are_noise():
    told = figure(values=[12_345.678], floors=[30_000.0], target=Target("ratio", ">=", 1 / 3)).as_json()
    assert told == {
        "figure": "speed",
        "value": 12_350.0,
        "unit": "events/s",
        "floor": 30_000.0,
        "ratio": 0.4115,
        "target": "ratio >= 0.333",
        "met": True,
        "spread": [0.4115, 0.4115],
    }


def test_the_table_says_loudly_that_a_target_is_missed():
    *_, line = table([figure(floors=[100.0] * 3, target=Target("ratio", ">=", 0.5))]).splitlines()
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "speed",
        "40 events/s",
        "100",
        "0.4",
        "0.3–0.5",
        "ratio >= 0.5",
        "NO",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(12_345.6, "12,300"), (412.4, "412"), (7.049, "7.05"), (0.3051, "0.305")]
)
def test_numbers_show_three_digits(value, text):
    assert number(value) == text


def test_a_percentile_is_one_of_the_numbers():
    hundred = [float(value) for value in range(100, 0, -1)]
    assert (percentile(hundred, 50), percentile(hundred, 99), percentile(hundred, 100)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 50) == 7.0


def test_a_latency_needs_each_event_once_and_in_order():
    written = [("a", 1, 0), ("b", 1, 1_000_000), ("a", 2, 2_000_000)]
    assert differences(written, [("b", 1, 4_000_000), ("a", 1, 2_000_000), ("a", 2, 3_000_000)]) == [
        2.0,
        3.0,
        1.0,
    ]
    for wrong in (
        [("a", 2, 5), ("a", 1, 6), ("b", 1, 7)],
        [("a", 1, 5), ("a", 1, 6), ("b", 1, 7)],
        [("a", 1, 5)],
    ):
        with pytest.raises(NotArrived):
            differences(written, wrong)
