from jtdiag.tables.schemes import HEADINGS, Scheme, rows, to_dataset


def scheme(name, label, lam=0.0, errors=(0.10, 0.12), members=16):
    return Scheme(
        run="run", scheme=name, label=label, lam=lam, members=members, lr=0.32, errors=errors
    )


SCHEMES = [
    scheme("single", "single network", 1.0, (0.05, 0.07), 1),
    scheme("joint", "independent"),
    scheme("bagging", "bagging", errors=(0.2,)),
]


def test_the_table_has_a_row_for_each_with_its_standard_error():
    assert len(HEADINGS) == 5
    assert rows(SCHEMES) == [
        ("single network", "", "1", "0.32", "6.00 ± 1.00 %"),
        ("independent", "0", "16", "0.32", "11.00 ± 1.00 %"),
        ("bagging", "0", "16", "0.32", "20.00 %"),
    ]


def test_the_dataset_has_the_errors_by_label_and_trial_with_nan_for_missing_trials():
    dataset = to_dataset(SCHEMES)
    assert dataset["error"].sel(bar="independent").values.tolist() == [0.10, 0.12]
    assert dataset["error"].sel(bar="bagging").notnull().values.tolist() == [True, False]
    assert dataset["error"].attrs["unit"] == "fraction"
    assert dataset["members"].values.tolist() == [1, 16, 16]
    assert dataset["lam"].values.tolist() == [1, 0, 0]
    assert dataset["learning_rate"].values.tolist() == [0.32] * 3
    assert dataset["scheme"].values.tolist() == ["single", "joint", "bagging"]
