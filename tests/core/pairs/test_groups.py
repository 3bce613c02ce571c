"""Which images belong together, by names of public data sets, folders, tables and patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.groups import find_groups, groups_of, with_groups
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable

ALONE = "none of which belong together"
GUID = "4D0F6BA8-1A3F-4C1B-9C2B-1D1B0E0B3E52"
HASHES = ("00071198d059ba7f5914a526d124d28e", "0ea221716cf13710214dcd331a61cea4", "1c8b905c95e1f1e2a1c5d8e3f4a5b6c7")

NAMES = [
    # focal planes with a sign; letters stuck to numbers; regions; times
    ("embryo_32176207_zm15 embryo_32176207_zp00 embryo_32898300_zm30 embryo_32898300_zp15",
     "embryo_32176207 embryo_32176207 embryo_32898300 embryo_32898300"),
    ("emb3z4 emb3z5 emb4z4", "emb3 emb3 emb4"),
    ("org1day3 org1day7 org2day3", "org1 org1 org2"),
    ("mouse1_s12 mouse1_s13 mouse2_s12", "mouse1 mouse1 mouse2"),
    ("P3-R01 P3-R02 P7-R01", "P3 P3 P7"),
    ("P3-F02 P3-F03 P7-F02", "P3 P3 P7"),
    ("cellA_t001 cellA_t002 cellB_t001", "cellA cellA cellB"),
    ("e1_T=3 e1_T=4 e2_T=3", "e1 e1 e2"),
    ("e1 z-05 e1 z+10 e2 z-05", "e1 e1 e2", "|"),
    ("fish1_3dpf fish1_5dpf fish2_3dpf", "fish1 fish1 fish2"),
    ("A1_24h A1_48h B1_24h", "A1 A1 B1"),
    ("day3_A1 day7_A1 day3_B1", "A1 A1 B1"),
    ("MCF7_well3_s1 MCF7_well3_s2 HeLa_well1_s1", "MCF7_well3 MCF7_well3 HeLa_well1"),
    ("vol1_frame_003 vol1_frame_004 vol2_frame_003", "vol1 vol1 vol2"),
    # wells with sites
    ("A01_s1 A01_s2 H12_s1", "A01 A01 H12"),
    ("plate1_B03_f01 plate1_B03_f02 plate1_C03_f01", "plate1_B03 plate1_B03 plate1_C03"),
    ("x_a1_s1 x_a1_s2 x_c3_s1", "x_a1 x_a1 x_c3"),
    ("a_d1 a_d7 b_d3", "a a b"),
    ("normal-a3-d6 normal-a3-d7 normal-b1-d1", "normal-a3 normal-a3 normal-b1"),
    # public layouts
    ("A172_Phase_C7_1_00d00h00m_1 A172_Phase_C7_2_00d04h00m_3 A172_Phase_D7_1_00d00h00m_1",
     "A172_Phase_C7 A172_Phase_C7 A172_Phase_D7"),  # LIVECell
    (f"IXMtest_A02_s1_w1{GUID} IXMtest_A02_s2_w1{GUID} IXMtest_B02_s1_w1{GUID}",
     "IXMtest_A02 IXMtest_A02 IXMtest_B02"),  # BBBC039
    (f"mcf-z-stacks-03212011_a01_s1_w1{GUID} mcf-z-stacks-03212011_a01_s2_w1{GUID} "
     f"mcf-z-stacks-03212011_b02_s1_w1{GUID}",
     "mcf-z-stacks-03212011_a01 mcf-z-stacks-03212011_a01 mcf-z-stacks-03212011_b02"),  # BBBC006
    (f"Week1_150607_B02_s1_w1{GUID} Week1_150607_B02_s2_w2{GUID} Week1_150607_C02_s1_w1{GUID}",
     "Week1_150607_B02 Week1_150607_B02 Week1_150607_C02"),  # BBBC021
    ("SIMCEPImages_A01_C1_F1_s01_w1 SIMCEPImages_A01_C1_F4_s02_w1 SIMCEPImages_B05_C18_F1_s01_w1",
     "SIMCEPImages_A01 SIMCEPImages_A01 SIMCEPImages_B05_C18"),  # BBBC005
    ("17P1_POS0006_D_1UL 17P1_POS0007_D_1UL 20P1_POS0002_D_1UL", "17P1_D_1UL 17P1_D_1UL 20P1_D_1UL"),  # BBBC007
    ("Fluo-N2DH-SIM+_01_t000 Fluo-N2DH-SIM+_01_t001 Fluo-N2DH-SIM+_02_t000",
     "Fluo-N2DH-SIM+_01 Fluo-N2DH-SIM+_01 Fluo-N2DH-SIM+_02"),  # Cell Tracking Challenge
    ("01_t000 01_t001 02_t000", "01 01 02"),
    ("01_1 01_2 02_1", "01 01 02"),  # TNBC
    ("TCGA-18-5592-01Z-00-DX1_001 TCGA-18-5592-01Z-00-DX1_002 TCGA-38-6178-01Z-00-DX1_001",
     "TCGA-18-5592 TCGA-18-5592 TCGA-38-6178"),  # MoNuSeg, cropped
    ("r01c02f03p01-ch1sk1fk1fl1 r01c02f04p01-ch1sk1fk1fl1 r02c02f03p01-ch1sk1fk1fl1", "r01c02 r01c02 r02c02"),
    ("exp_A01_T0001F001L01A01Z01C01 exp_A01_T0001F002L01A01Z01C01 exp_B01_T0001F001L01A01Z01C01",
     "exp_A01 exp_A01 exp_B01"),
    ("nd799xy08t000001c1 nd799xy08t000002c1 nd799xy09t000001c1", "nd799xy08 nd799xy08 nd799xy09"),  # OrganoidTracker
    ("VID1_A1_1_2020y05m12d_08h30m VID1_A1_2_2020y05m12d_08h30m VID1_B1_1_2020y05m12d_08h30m",
     "VID1_A1 VID1_A1 VID1_B1"),
    ("img_position000_time000_z000 img_position000_time001_z000 img_position001_time000_z000",
     "img_position000 img_position000 img_position001"),  # Micro-Manager
    ("Series003_z01_ch00 Series003_z02_ch00 Series004_z01_ch00", "Series003 Series003 Series004"),
    # crops, copies and numbers
    ("a_y0_x0_r0 a_y0_x256_r1 b_y0_x0_r0", "a a b"),
    ("slide1_0_512 slide1_512_0 slide2_0_0", "slide1 slide1 slide2"),
    ("embryo01_03 embryo01_04 embryo02_03", "embryo01 embryo01 embryo02"),
    ("s12_1 s12_2 s13_1", "s12 s12 s13"),
    ("img1_aug0 img1_aug1 img2_aug0", "img1 img1 img2"),
    ("img1 img1_flip img2", "img1 img1 img2"),
    ("IMG_01_jpg.rf.4a5b6c7d8e9f00112233 IMG_01_jpg.rf.99887766554433221100 IMG_02_jpg.rf.4a5b6c7d8e9f00112233",
     "IMG_01 IMG_01 IMG_02"),
    ("2023-01-05_1 2023-01-05_2 2023-01-06_1", "2023-01-05 2023-01-05 2023-01-06"),
]  # fmt: skip


def rows(*names: str, folder: str = "images", **more: object) -> list[PairEntry]:
    return [PairEntry(name=name, image=f"/data/{folder}/{name}.tif", **more) for name in names]


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case[1])
def test_names_that_belong_together(case: tuple[str, ...]) -> None:
    names, groups = case[0].split(), case[1].split()
    if len(case) > 2:  # names with a space
        names = ["e1 z-05", "e1 z+10", "e2 z-05"]
    found = find_groups(rows(*names))
    assert [found.groups[name] for name in names] == groups
    assert found.description.startswith(f"{len(set(groups))} groups of {len(names)} images, by the names (")
    assert not found.warning


@pytest.mark.parametrize(
    "names",
    [
        [f"fluorescence_{digest[:10]}" for digest in HASHES],  # DSB 2018
        list(HASHES),
        ["train_0001", "train_0002", "test_0001"],
        ["fold1_00001", "fold1_00002", "fold2_00001"],  # PanNuke
        ["healthy_1", "healthy_2", "sick_1"],
        ["control_s1", "control_s2", "drug_s1"],  # a treatment is no sample
        ["b0", "b1", "b2"],
        ["A01", "A02", "B01"],
        ["plate_A01", "plate_A02", "plate_B01"],
        ["plate_D01", "plate_D02", "plate_E01"],
        ["train_A1", "train_A2", "predict_A_A11"],
        ["bo-c12_10_18", "bo-d7_16_14", "bo-d9_11_16", "normal-a3-d6", "normal-b1-d1", "normal-b12-d2"],
        ["human_bladder_01", "human_bladder_02", "human_brain_01"],  # NuInsSeg
        ["IMG_20200101_123456", "IMG_20200101_123500", "IMG_20200102_123456"],  # a camera's times
        ["cell1", "cell2", "c3", "c4"],
        ["MCF7_1", "MCF7_2", "HeLa_1"],  # a cell line is no sample
        ["B16F10_1", "B16F10_2", "A375_1"],
        ["10uM_1", "10uM_2", "20uM_1"],
        ["drug_5nM_01", "drug_5nM_02", "drug_10nM_01"],
        ["20x_1", "20x_2", "40x_1"],
        ["grade1_001", "grade1_002", "grade2_001"],
        ["batch1_001", "batch1_002", "batch2_001"],
        ["a", "b", "c"],
        ["1649_1109_0003_Amp5-1_B_20070424_A01", "1649_1109_0003_Amp5-1_B_20070424_A02"],  # BBBC010
    ],
)
def test_names_that_stand_alone(names: list[str]) -> None:
    found = find_groups(rows(*names))
    assert found.groups == {name: name for name in names}
    assert (found.description, found.warning) == (f"{len(names)} images, {ALONE}", "")


def test_one_name_in_several_folders() -> None:
    sequences = [
        PairEntry(name=f"t00{t}" + " (2)" * (s - 1), image=f"/d/0{s}/t00{t}.tif") for s in (1, 2) for t in (0, 1)
    ]
    assert set(find_groups(sequences).groups.items()) == {
        ("t000", "01"), ("t001", "01"), ("t000 (2)", "02"), ("t001 (2)", "02")
    }  # fmt: skip
    days = [PairEntry(name=f"{w}{d}", image=f"/d/day{d}/{w}.tif") for d in (1, 7) for w in ("A1", "B2")]
    assert find_groups(days).groups == {"A11": "A1", "A17": "A1", "B21": "B2", "B27": "B2"}
    wells = [PairEntry(name=f"img{n}", image=f"/d/{w}/img.tif") for n, w in enumerate(("A1", "B2"))]
    assert not find_groups(wells).has_groups


def test_slices_of_stacks_whose_names_belong_together() -> None:
    stacks = [
        PairEntry(name=f"{stack}_{page:03d}", page=page, group=stack)
        for stack in ("mouse1_t1", "mouse1_t2", "mouse2_t1")
        for page in (0, 1)
    ]
    assert set(find_groups(stacks).groups.values()) == {"mouse1", "mouse2"}
    mixed = [*stacks[:2], *rows("single")]
    assert find_groups(mixed).groups == {"mouse1_t1_000": "mouse1", "mouse1_t1_001": "mouse1", "single": "single"}


def test_all_of_one_sample_is_said() -> None:
    for names in (["t000", "t001", "t002"], ["section_00", "section_01"], ["vnc_z0", "vnc_z1"], ["m_pos1", "m_pos2"]):
        found = find_groups(rows(*names))
        assert found.series == tuple(names)
        assert found.warning.startswith(f"All {len(names)} images seem to belong together ('")
    by_hand = find_groups(rows("x_a", "x_b"), "^x")
    assert by_hand.warning.startswith("All 2 images seem to belong together ('x', by the pattern ^x).")


def test_groups_from_a_table_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = PairTable(entries=tuple(rows("a", "b", "c")))
    file = tmp_path / "groups.csv"
    for text in (
        "name,group\na,1\nb,1\nc,2\n",
        "group;File\n1;a.tif\n1;b.tif\n2;c.tif\n",
        "name\tother\na\t1\nb\t1\nc\t2",
    ):
        file.write_text(text)
        grouped = with_groups(table, "groups.csv")
        assert grouped.groups == str(file)
        assert [entry.group for entry in grouped.entries] == ["1", "1", "2"]
        assert groups_of(grouped).description == "2 groups of 3 images, by groups.csv: 1 (2), 2 (1)"
    assert with_groups(grouped, "names") == table
    assert [entry.group for entry in with_groups(grouped, "none").entries] == ["a", "b", "c"]
    assert not groups_of(with_groups(table, "none")).has_groups
    file.write_text("name,group\na,1\n")
    with pytest.raises(
        UserError, match=r"has no group for 2 images, such as 'b'\. Expected a row for each of 3 images"
    ):
        with_groups(table, str(file))
    file.write_text("name\na\nb\n")
    with pytest.raises(UserError, match=r"has 1 column\. Expected a column 'name' with the names of the images"):
        with_groups(table, str(file))
    with pytest.raises(UserError, match=r"missing\.csv: No such file"):
        with_groups(table, str(tmp_path / "missing.csv"))


def test_stored_groups_survive_the_file_of_the_table(tmp_path: Path) -> None:
    table = with_groups(PairTable(entries=tuple(rows("x1a", "x1b", "x2a"))), r"x(\d)")
    table.to_file(tmp_path / "pairs.json")
    read = PairTable.from_file(tmp_path / "pairs.json")
    assert groups_of(read).groups == {"x1a": "1", "x1b": "1", "x2a": "2"}
    assert read.groups == r"x(\d)"


def test_classes_of_images_come_from_the_table_or_the_names() -> None:
    found = find_groups(rows("healthy_1", "healthy_2", "healthy_3", "sick_1", "sick_2"))
    assert sorted(found.strata.values()) == ["healthy", "healthy", "healthy", "sick", "sick"]
    lines = find_groups(rows("MCF7_1", "MCF7_2", "MCF7_3", "HeLa_1"))
    assert lines.strata == {"MCF7_1": "mcf7", "MCF7_2": "mcf7", "MCF7_3": "mcf7", "HeLa_1": "hela"}
    graded = [entry.replace(image_class="good" if entry.name == "a" else "poor") for entry in rows("a", "b", "c")]
    assert find_groups(graded).strata == {"a": "good", "b": "poor", "c": "poor"}


def test_a_table_with_two_groups_for_an_image_is_refused(tmp_path):
    (tmp_path / "groups.csv").write_text("name,group\na,1\nb,1\na,1\na,2\n")
    table = PairTable(entries=tuple(PairEntry(name=name, image=f"{name}.tif") for name in "ab"))
    with pytest.raises(UserError, match=r"groups\.csv names two groups for 'a': 1 and 2\."):
        with_groups(table, str(tmp_path / "groups.csv"))
