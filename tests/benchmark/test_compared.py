"""Two configurations on the same structures, recounted with plain pandas and scipy."""

import numpy as np
import pytest
from benchmark_fakes import CONFIG, make_record, make_structures, make_task
from scipy import stats

from nnstruct.benchmark import Benchmark, check_card, write_card
from nnstruct.benchmark.compared import compared_configs

OTHER = CONFIG.model_copy(update={"learning_rate": 0.5})
STRUCTURES = make_structures(20)


def bench(members=STRUCTURES, second=STRUCTURES):
    task = make_task()
    records = [make_record(s, seed, task, CONFIG) for s in members for seed in range(2)]
    records += [make_record(s, seed, task, OTHER) for s in second for seed in range(3)]
    return Benchmark.from_records(STRUCTURES, records, [CONFIG, OTHER])


def test_pairs_structures_and_states_the_interval():
    made = bench(STRUCTURES, STRUCTURES[:15])
    (row,) = compared_configs(made)
    first, second = sorted([CONFIG.id, OTHER.id])
    assert (row["first"], row["second"], row["family"]) == (first, second, "rnn_tanh")
    table = made.table.dropna(subset="test").groupby(["config_id", "fingerprint"])["test"].mean()
    paired = table.unstack("config_id").dropna()
    assert row["structures"] == len(paired) <= 15
    assert row["mean_first"] == pytest.approx(paired[first].mean())
    assert row["mean_second"] == pytest.approx(paired[second].mean())
    wanted = stats.ttest_rel(paired[second], paired[first]).confidence_interval(0.95)
    assert row["difference"] == pytest.approx((paired[second] - paired[first]).mean())
    assert (row["low"], row["high"]) == pytest.approx(tuple(wanted))
    assert row["correlation"] == pytest.approx(paired.corr().iloc[0, 1])
    rates = {CONFIG.id: CONFIG.learning_rate, OTHER.id: 0.5}
    assert row["changes"] == {"learning_rate": [rates[first], rates[second]]}


def test_the_card_tells_it(tmp_path):
    made = bench()
    (row,) = compared_configs(made)
    folder = made.save(tmp_path / "b")
    card = write_card(Benchmark.load(folder), folder).read_text()
    told = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] | {row['correlation']:.4f} |"
    assert "## The configurations side by side" in card
    assert told in card
    assert check_card(folder) == []
    (tmp_path / "b" / "README.md").write_text(card.replace(told, told.replace("0", "1", 1)))
    assert check_card(folder) != []


def test_one_configuration_has_nothing_to_compare(tmp_path):
    task = make_task()
    single = Benchmark.from_records(STRUCTURES, [make_record(s, 0, task) for s in STRUCTURES], [CONFIG])
    assert compared_configs(single) == []
    folder = single.save(tmp_path / "b")
    assert "side by side" not in write_card(Benchmark.load(folder), folder).read_text()


def test_a_configuration_without_records_is_left_out(tmp_path):
    task = make_task()
    records = [make_record(s, 0, task) for s in STRUCTURES]
    begun = Benchmark.from_records(STRUCTURES, records, [CONFIG, OTHER])
    assert compared_configs(begun) == []
    folder = begun.save(tmp_path / "b")
    assert check_card(folder) == []


def test_one_structure_has_no_interval():
    (row,) = compared_configs(bench(STRUCTURES[:1], STRUCTURES))
    assert row["structures"] == 1
    assert np.isnan([row["low"], row["high"], row["correlation"]]).all()
