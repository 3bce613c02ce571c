"""Tables 1 and 2: which number stands in which cell, what is marked and what is underlined."""

from __future__ import annotations

import re

from report_project import add_run, score, write_scores

SEVEN = ["FID ↓", "SSIM", "UQI", "Mutual information", "Blur (fine structure)", "PSNR, dB", "MSE"]
NAMES = {"kid": "low", "fid": "low", "ssim": "range", "uqi": "range", "nmi": "range", "hf_energy": "range",
         "psnr": "range", "mse": "range", "precision": "high", "recall": "high", "density": "high",
         "coverage": "high", "c2st": "range"}  # fmt: skip


def scores(matched: float, **more):
    """Every score of the tables, all with the range 0.5 to 1."""
    return [score(name, matched, 0.5, 1.0, better, **more) for name, better in NAMES.items()]


def plain(table):
    return [[cell.replace("\xa0", " ") for cell in row] for row in table]


def test_a_cell_holds_the_number_its_mark_and_its_interval(project, read):
    write_scores(project, {"one": scores(0.75), "gone": scores(1.25)})
    page = read(project)
    head, originals, one, gone = plain(page.table("Set"))
    assert head[1:] == ["KID ↓", *SEVEN, "Precision ↑", "Recall ↑", "Density ↑", "Coverage ↑", "Told apart (0.5: not)"]
    assert originals == ["Originals|50 real tiles", *["0.500 to 1.00"] * 13]
    assert one == ["pix2pix|one: 40 tiles, all pairs", *["0.750 ●|7.50|6.75 to 8.25"] * 13]
    assert gone == ["gone|40 tiles, all pairs", *["1.25|12.5|11.2 to 13.8"] * 13]
    assert "FID is biased upwards with few tiles" in page.words


def test_the_best_is_underlined_only_where_a_direction_is_better(project, read):
    write_scores(project, {"one": scores(0.75), "gone": scores(1.25)})
    text = read(project).text
    lines = [line for line in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL) if "tiles, all pairs" in line]
    rows = [re.findall(r"<td>(.*?)</td>", line) for line in lines]
    best = [[name for name, cell in zip(NAMES, row, strict=True) if 'class="best"' in cell] for row in rows[:2]]
    assert best == [["kid", "fid"], ["precision", "recall", "density", "coverage"]]
    assert ["<b>" in cell for cell in rows[0]] == [True] * 13
    assert ["<b>" in cell for cell in rows[1]] == [False] * 13


def test_a_single_set_is_never_marked_as_best(project, read):
    write_scores(project, {"one": scores(0.75)})
    assert '<span class="best">' not in read(project).text


def test_the_edges_of_the_range_are_within_it(project, read):
    write_scores(project, {"one": [score("kid", 1.0, 0.5, 1.0, "low"), score("fid", 1.001, 0.5, 1.0, "low")]})
    assert plain(read(project).table("Set"))[2][1:] == ["1.00 ●|10.0|9.00 to 11.0", "1.00|10.0|9.01 to 11.0"]


def test_sets_with_other_originals_stand_apart(project, read):
    other = [score("kid", 0.1, 0.2, 0.3, "low", extractor="inception2048:ab"), score("mse", 1, 1000, 2000, "range")]
    write_scores(project, {"one": scores(0.75, extractor="encoder:cd"), "gone": other})
    page = read(project)
    rows = plain(page.table("Set"))
    assert [row[0].partition("|")[0] for row in rows[1:]] == ["Originals", "pix2pix", "Originals", "gone"]
    assert rows[3][1:4] == ["0.200 to 0.300", "–", "–"]
    assert rows[3][8] == "1,000 to 2,000"
    assert rows[4][1:4] == ["0.100|1.00|0.900 to 1.10", "–", "–"]
    assert "encoder:cd, inception2048:ab (name, hash of its weights)" in page.words
    assert '<span class="best">' not in page.text


def test_losses_of_one_generator_get_a_table_of_their_own(project, read):
    add_run(project, "two", "gan=aae", "gan.loss=bce")
    add_run(project, "three", "gan=aae", "gan.loss=perceptual_wasserstein")
    write_scores(project, {"one": scores(0.75), "two": scores(0.8), "three": scores(0.9)})
    page = read(project)
    tables = [plain(table) for table in page.tables if "Originals|50 real tiles" in table[1]]
    assert [row[0].partition("|")[0] for row in tables[0][2:]] == ["pix2pix", "AAE, bce", "AAE, perceptual wasserstein"]
    assert [row[:2] for row in tables[1][2:]] == [
        ["bce|two: 40 tiles, all pairs", "0.800 ●|8.00|7.20 to 8.80"],
        ["perceptual wasserstein|three: 40 tiles, all pairs", "0.900 ●|9.00|8.10 to 9.90"],
    ]
    assert page.words.count("Table 2.") == 1
    write_scores(project, {"one": scores(0.75), "two": scores(0.8)})
    assert "Table 2." not in read(project).words


def test_masks_have_a_table_beside_the_sentences_about_copies(project, read):
    masks = [score("ks_count", 0.25, 0.1, 0.3, "low"), score("ks_area", 0.5, 0.1, 0.3, "low")]
    write_scores(project, {"one": [score("kid", 0.1, 0, 1, "low"), *masks]})
    page = read(project)
    _, table = [plain(table) for table in page.tables if "Originals|50 real tiles" in table[1]]
    assert table[0] == ["Set", "Number of objects, KS ↓", "Area, KS ↓"]
    assert table[2][1:] == ["0.250 ●|2.50|2.25 to 2.75", "0.500|5.00|4.50 to 5.50"]
    assert "pix2pix, one (40 tiles, all pairs). 25% reach SSIM 0.90 with a real tile. 50% lie nearer" in page.words


def test_every_score_is_described_in_words(project, read):
    write_scores(project, {"one": [score("kid", 0.1, 0, 1, "low", extractor="encoder:cd", message="as it should")]})
    details = [row for table in read(project).tables for row in table if "as it should" in row]
    assert details == [["pix2pix, one: 40 tiles, all pairs", "KID", "as it should", "40 with 50", "encoder:cd"]]
