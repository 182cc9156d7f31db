"""Segments on the command line: lists edited in their files, in and out as files, counted, and used."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project

openpyxl = pytest.importorskip("openpyxl")

VIP = """\
# Looked at every quarter.
id: vip
name: Oldest customers
entity: contact
members:
  - 1   # Ann

  # Of the trade fair:
  - 2
"""


def listed(project: Project, text: str = VIP, id: str = "vip", **more: str) -> Path:
    path = project.root / f"definitions/segments/{id}.yaml"
    path.write_text(text)
    for name, content in more.items():
        (path.parent / name.replace("_", ".")).write_bytes(content.encode())
    return path


def test_d4_members_are_edited_in_the_file(project: Project, tmp_path: Path) -> None:
    """D4, D8: a member more is a line more in the YAML, comments stay; who is not in the CRM is left out and counted by place."""
    path = listed(project)
    names = tmp_path / "names.csv"
    names.write_text("key,who\n3,x\n99,y\n2,z\n")
    said = project.run("segment", "add", "vip", "--contact", "4", "--from", str(names))
    assert said.code == 0 and "2 added, 4 members now" in said.out and "1 is a member already" in said.out
    assert "1 not in the CRM, and left out: line 3" in said.out
    assert path.read_text() == VIP + "  - 4\n  - 3\n"
    said = project.run("segment", "remove", "vip", "--member", "2", "--member", "77", "--format", "json")
    told = json.loads(said.out)
    assert (told["removed"], told["missing"], told["members"], told["written"]) == (1, 1, 3, True)
    assert path.read_text() == VIP.replace("  - 2\n", "") + "  - 4\n  - 3\n"
    assert project.run("segment", "add", "vip", "--contact", "5", "--dry-run").code == 0
    assert path.read_text().count("- 5") == 0
    assert project.run("segment", "add", "readers", "--contact", "5").code == 64
    assert project.run("segment", "add", "vip").code == 64 and project.run("segment", "add", "nobody", "--contact", "5").code == 64


def test_d4_members_in_a_file_of_their_own(project: Project) -> None:
    """D4: rows of a CSV beside the segment come and go; other rows stay byte for byte, Windows' line ends too."""
    listed(project, "id: vip\nentity: contact\nmembers: {file: vip.csv}\n", vip_csv='who,key\r\n"Ann, of\r\nLotus",1\r\nBob,2\r\n')
    rows = project.root / "definitions/segments/vip.csv"
    assert project.run("segment", "add", "vip", "--contact", "3").code == 0
    assert rows.read_bytes() == b'who,key\r\n"Ann, of\r\nLotus",1\r\nBob,2\r\n,3\r\n'
    assert project.run("segment", "remove", "vip", "--contact", "1").code == 0
    assert rows.read_bytes() == b"who,key\r\nBob,2\r\n,3\r\n"
    assert project.run("segment", "duplicate", "vip", "vip-2", "--name", "Again").code == 0
    assert (rows.parent / "vip-2.csv").read_bytes() == rows.read_bytes()
    assert "members: {file: vip-2.csv}" in (rows.parent / "vip-2.yaml").read_text()
    assert project.run("segment", "count", "vip-2").out == "2\n"


def test_d4_a_quote_within_a_cell_is_text(project: Project) -> None:
    """D4: who is taken out takes nobody along, whatever quotes the other rows have; with --replace and --gone neither."""
    listed(project, "id: vip\nentity: contact\nmembers: {file: vip.csv}\n", vip_csv='\ufeffkey,name\n1,Bar 5" stage\n2,Lotus\n3,Rose 7" vinyl\n\n4,"a\r\nb""\n"\n5')
    rows = project.root / "definitions/segments/vip.csv"
    assert project.run("segment", "remove", "vip", "--contact", "1").code == 0
    assert rows.read_bytes().decode() == '\ufeffkey,name\n2,Lotus\n3,Rose 7" vinyl\n\n4,"a\r\nb""\n"\n5'
    assert project.run("segment", "remove", "vip", "--contact", "5", "--contact", "3").code == 0
    assert rows.read_bytes().decode() == '\ufeffkey,name\n2,Lotus\n\n4,"a\r\nb""\n"\n'


def test_d7_a_copy_keeps_its_comments(project: Project) -> None:
    """D7: a duplicate differs in its id, and in what was said; one that is there is not written over."""
    path = listed(project)
    assert project.run("segment", "duplicate", "vip", "vip-2").out == "definitions/segments/vip-2.yaml\n"
    assert path.with_name("vip-2.yaml").read_text() == VIP.replace("id: vip", "id: vip-2")
    assert project.run("segment", "duplicate", "vip", "vip-2").code == 64
    assert project.run("segment", "duplicate", "vip", "Vip 3").code == 64
    assert project.run("segment", "duplicate", "vip", "vip-3", "--owner", "nobody").code == 64


def test_d5_pages_go_on_where_they_ended(project: Project) -> None:
    """D5: pages by a cursor cover every member once, also when one at the seam went meanwhile; the cursor gives no key away."""
    path = listed(project, "id: vip\nentity: contact\nmembers: [1, 2, 3, 4, 5, 6]\n")
    first = json.loads(project.run("segment", "members", "vip", "--limit", "2", "--format", "json").out)
    assert (first["total"], len(first["members"])) == (6, 2) and first["next"]
    path.write_text(path.read_text().replace("2, ", ""))
    second = json.loads(project.run("segment", "members", "vip", "--limit", "2", "--cursor", first["next"], "--format", "json", "--show-pii").out)
    assert [row["key"] for row in second["members"]] == ["3", "4"]
    last = json.loads(project.run("segment", "members", "vip", "--limit", "2", "--cursor", second["next"], "--format", "json", "--show-pii").out)
    assert ([row["key"] for row in last["members"]], last["next"]) == (["5", "6"], None)
    assert project.run("segment", "members", "vip", "--cursor", "Mg").code == 64


def test_d8_export_is_no_formula_and_comes_back(project: Project, tmp_path: Path) -> None:
    """D8: CSV, JSON and Excel have the same members; a cell that begins with = + - @ is text; what was exported can be imported."""
    contacts = project.root / "data/contacts.csv"
    contacts.write_text(
        contacts.read_text() + '=9,"=HYPERLINK(""http://example.org"")",@x@example.com,en,true,false,,1\n8,-1+1,b@example.com,en,true,false,,1\n'
    )
    listed(project, 'id: vip\nentity: contact\nmembers: [1, 8, "=9"]\n')
    said = project.run("segment", "export", "vip", "--show-pii", "--fields", "name,company_id")
    rows = list(csv.reader(io.StringIO(said.out)))
    assert rows[0] == ["key", "name", "company_id"] and rows[2] == ["8", "'-1+1", "1"] and rows[3][:2] == ["'=9", '\'=HYPERLINK("http://example.org")']
    for kind in ("csv", "json", "xlsx"):
        out = tmp_path / f"members.{kind}"
        assert project.run("segment", "export", "vip", "--show-pii", "--fields", "name", "--out", str(out)).code == 0
        if kind == "xlsx":
            sheet = openpyxl.load_workbook(out).active
            assert all(cell.data_type in ("s", "n") for row in sheet.rows for cell in row) and sheet["B4"].value.startswith("=") and sheet["B4"].quotePrefix
        assert project.run("segment", "import", f"again-{kind}", str(out)).code == 0
        assert project.run("segment", "count", f"again-{kind}").out == "3\n", kind
    assert project.run("segment", "export", "vip", "--format", "xlsx").code == 64


def test_d8_export_shows_nobody_unasked(project: Project, tmp_path: Path) -> None:
    """8: keys are pseudonyms without --show-pii, personal fields are refused, and CI gets neither."""
    said = project.run("segment", "export", "readers", "--fields", "language", "--format", "json")
    members = json.loads(said.out)["members"]
    assert all(len(row["key"]) == 16 for row in members) and "anary" not in said.out
    assert project.run("segment", "export", "readers", "--fields", "name").code == 64
    for words in (("export", "readers"), ("add", "readers", "--contact", "1"), ("members", "readers")):
        refused = project.run("segment", *words, "--show-pii", CI="true")
        assert refused.code == 64 and refused.out == ""


def test_d8_import_by_a_field(project: Project, tmp_path: Path) -> None:
    """D8: a list of addresses becomes keys; who is not there, and who is there twice, is told by place and never by name."""
    names = tmp_path / "fair.csv"
    names.write_text("name,email\nBob, CANARY.bob@example.com \nAnn,canary.ann@example.com\nZoe,zoe@example.com\nFay,canary.fay@example.com\n")
    said = project.run("segment", "import", "fair", str(names), "--by", "email", "--name", "The fair")
    assert said.code == 0 and said.out == "definitions/segments/fair.yaml: 2 members\n"
    assert "1 left out, not in the CRM: line 4" in said.err and "1 left out, more than one record has it: line 3" in said.err
    path = project.root / "definitions/segments/fair.yaml"
    assert path.read_text().endswith("id: fair\nname: The fair\nentity: contact\nmembers:\n  - 2\n  - 6\n")
    assert "anary" not in path.read_text() + said.err
    names.write_text("6\n4\n")
    assert project.run("segment", "import", "fair", str(names.rename(tmp_path / "fair.txt")), "--replace").out.endswith("1 added, 1 removed; 2 members now\n")
    assert path.read_text().endswith("members:\n  - 6\n  - 4\n")
    names.with_suffix(".txt").write_text("6\n")
    assert project.run("segment", "import", "fair", str(tmp_path / "fair.txt"), "--replace").out.endswith("0 added, 1 removed; 1 member now\n")
    assert project.run("segment", "import", "readers", str(tmp_path / "fair.txt")).code == 64
    assert project.run("segment", "import", "fair", str(tmp_path / "none.csv")).code == 1


def test_d5_a_field_that_nothing_else_names_is_read(project: Project, tmp_path: Path) -> None:
    """D5, D8, 3.5: what is shown of members, and whose contacts are meant, is read for it, whatever the definitions name."""
    (project.root / "definitions/sequences/renewal.yaml").unlink()
    engine_yaml = project.root / "engine.yaml"
    engine_yaml.write_text(engine_yaml.read_text().split("jobs:")[0])
    listed(project, "id: customers\nentity: company\nmembers: [1, 2]\n", "customers")
    listed(project, "id: vip\nentity: contact\nmembers: [1, 3]\n")
    assert "Lotus" in project.run("segment", "members", "customers", "--show-pii").out
    assert project.run("segment", "export", "customers", "--fields", "name", "--show-pii").out.replace("\r", "") == "key,name\n1,Lotus\n2,Orchid\n"
    assert project.run("segment", "export", "vip", "--fields", "company_id", "--show-pii").out.replace("\r", "") == "key,company_id\n1,1\n3,2\n"
    said = project.run("enroll", "news", "--company", "1", "--format", "json")
    assert said.code == 0 and json.loads(said.out)["enrolled"] == 3, said
    assert project.run("pause", "news", "--company", "1", "--dry-run").code == 0


def test_d8_replace_keeps_whom_the_file_names(project: Project, tmp_path: Path) -> None:
    """D8: a member that the CRM lacks just now, or whose address two records share, is named by the file all the same, and stays."""
    path = listed(project, "id: vip\nentity: contact\nmembers: [1, 2, 77, 78]\n")
    keys, addresses = tmp_path / "keys.csv", tmp_path / "addresses.csv"
    keys.write_text("key\n1\n77\n")
    assert project.run("segment", "import", "vip", str(keys), "--replace").out.endswith("0 added, 2 removed; 2 members now\n")
    assert path.read_text().endswith("members: [1, 77]\n")
    path.write_text("id: vip\nentity: contact\nmembers: [1, 3, 5, 6, 77]\n")
    addresses.write_text("email\ncanary.ann@example.com\ncanary.fay@example.com\n")
    assert project.run("segment", "import", "vip", str(addresses), "--by", "email", "--replace").code == 0
    assert path.read_text().endswith("members: [1, 3, 6]\n")
    path.write_text("id: vip\nentity: contact\nmembers: [5, 6, 77]\n")
    addresses.write_text("email\ncanary.fay@example.com\nzoe@example.com\n")
    assert project.run("segment", "import", "vip", str(addresses), "--by", "email", "--replace").code == 0
    assert path.read_text().endswith("members: [6, 77]\n"), "Zoe may be 77"


def test_d4_gone_is_some_and_not_all(project: Project) -> None:
    """D4: a CRM that has none of a list is not whole; and who is named is not who is gone."""
    path = listed(project, "id: vip\nentity: contact\nmembers: [1, 77]\n")
    assert project.run("segment", "remove", "vip", "--gone", "--member", "1").code == 64
    assert project.run("segment", "remove", "vip", "--gone").code == 0 and path.read_text().endswith("members: [1]\n")
    path.write_text("id: vip\nentity: contact\nmembers: [77, 78]\n")
    said = project.run("segment", "remove", "vip", "--gone")
    assert said.code == 64 and "would leave nobody" in said.err and path.read_text().endswith("members: [77, 78]\n")


def test_d4_a_member_that_the_crm_lacks_is_counted_once(project: Project) -> None:
    """D4: it is a member already, and nothing is left out."""
    listed(project, "id: vip\nentity: contact\nmembers: [1, 77]\n")
    told = json.loads(project.run("segment", "add", "vip", "--member", "77", "--member", "88", "--format", "json").out)
    assert (told["added"], told["already"], told["missing"]) == (0, 1, 1)


def test_d7_a_copy_that_cannot_be_made_leaves_nothing(project: Project) -> None:
    """D7, D8: every file is looked at before the first is written."""
    listed(project, "id: vip\nentity: contact\nmembers: {file: vip.csv}\n", vip_csv="key\n1\n")
    folder = project.root / "definitions/segments"
    (folder / "vip-2.csv").write_text("key\n2\n")
    assert project.run("segment", "duplicate", "vip", "vip-2").code == 64
    assert not (folder / "vip-2.yaml").exists() and (folder / "vip-2.csv").read_text() == "key\n2\n"


@pytest.mark.parametrize("id", ["2026", "1e5", "true", "null"])
def test_d8_an_id_that_yaml_reads_otherwise_is_quoted(project: Project, tmp_path: Path, id: str) -> None:
    """D8, D7: what a command writes can be read again."""
    names = tmp_path / "names.csv"
    names.write_text("key\n3\n")
    assert project.run("segment", "import", id, str(names)).code == 0
    assert project.run("segment", "count", id).out == "1\n"


def test_8_a_file_without_names_of_columns_shows_nobody(project: Project, tmp_path: Path) -> None:
    """8: its first row is a person's; how many columns it has, and by what they are divided, is all that is said."""
    listed(project)
    names = tmp_path / "names.csv"
    for text, says in (("Canary,canary@example.com\n", "has 2 columns"), ("Canary;canary@example.com\n", "divided by `;`"), ("key\tCanary\n", "divided by tabs"), ("", "nothing")):
        names.write_text(text)
        said = project.run("segment", "import", "vip", str(names))
        assert said.code == 64 and says in " ".join(said.err.split()) and "anary" not in said.err, said


def test_d8_places_in_a_sheet_are_the_sheet_s_own(project: Project, tmp_path: Path) -> None:
    """D8: rows above the first that has something are counted, as the sheet counts them."""
    listed(project)
    book = openpyxl.Workbook()
    for place, value in (("B3", "key"), ("B4", 3), ("B6", 99)):
        book.active[place] = value
    book.save(tmp_path / "fair.xlsx")
    said = project.run("segment", "import", "vip", str(tmp_path / "fair.xlsx"))
    assert said.out.endswith("1 added; 3 members now\n") and "not in the CRM: row 6" in said.err


def test_d8_a_sheet_that_is_too_small_is_not_begun(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D8: Excel has 1,048,576 rows."""
    monkeypatch.setattr("engine.cli.segment_files._IN_A_SHEET", 1)
    listed(project)
    said = project.run("segment", "export", "vip", "--out", str(tmp_path / "vip.xlsx"))
    assert said.code == 64 and "csv" in said.err and not (tmp_path / "vip.xlsx").exists()


def test_d6_what_a_segment_did_not_bring_is_no_use_of_it(project: Project) -> None:
    """D6: who is named beside a segment came without it."""
    listed(project, "id: vip\nentity: contact\nmembers: [3]\n")
    said = json.loads(project.run("enroll", "news", "--segment", "vip", "--contact", "2", "--format", "json").out)
    assert said["enrolled"] == 2
    shown = json.loads(project.run("segment", "show", "vip", "--format", "json").out)
    assert shown["times_used"] == 1 and [use["enrolled"] for use in shown["uses"]] == [1]
    assert project.run("enroll", "news", "--keys-of", "company", "--contact", "1").code == 64


def test_d6_a_segment_that_only_chooses_or_keeps_out_brings_nobody(project: Project) -> None:
    """D6: a use is of whom people come by: the trigger, a rule to be a member; not of `if`, `exit_when` or `not:`."""
    for id in ("in", "out", "chosen", "left"):
        listed(project, f"id: {id}\nentity: contact\nmembers: [{6 if id in ('out', 'left') else 1}]\n", id)
    (project.root / "definitions/sequences/birthday.yaml").write_text(
        "id: birthday\nstatus: active\nabout: contact\nexit_when: {segment: left}\n"
        "trigger: {date: contact.born, where: {segment: in, not: {segment: out}}}\n"
        "steps:\n  - {id: wish, before: 0d, template: birthday, if: {segment: chosen}}\n"
    )
    assert project.run("apply").code in (0, 6)
    used = {id: json.loads(project.run("segment", "show", id, "--format", "json").out)["times_used"] for id in ("in", "out", "chosen", "left")}
    assert used == {"in": 1, "out": 0, "chosen": 0, "left": 0}


def test_d6_use_and_growth(project: Project) -> None:
    """D6, D7: each apply counts members, and what a segment enrolls is a use of it; by hand too, with the reasons of those left out."""
    path = listed(project, "id: vip\nentity: contact\nmembers: [6]\n")
    alone = project.run("segment", "show", "vip").out
    assert "first counted" not in alone and "  1 member now, of contact" in alone
    assert project.run("apply", now="2026-11-23T09:00:00+07:00").code in (0, 6)
    path.write_text(path.read_text().replace("[6]", "[6, 3, 77]"))
    assert project.run("apply", now="2026-12-01T09:00:00+07:00").code in (0, 6)
    said = json.loads(project.run("enroll", "news", "--segment", "vip", "--format", "json", now="2026-12-02T09:00:00+07:00").out)
    assert (said["enrolled"], said["skipped"]) == (1, {"enrolled_before": 1})
    text = project.run("segment", "show", "vip", now="2026-12-08T10:00:00+07:00").out
    assert "2 members now" in text and "2 a week ago" in text and "last by news on Wed 2 Dec 2026, 09:00: " in text
    shown = json.loads(project.run("segment", "show", "vip", "--format", "json", now="2026-12-08T10:00:00+07:00").out)
    assert [count["members"] for count in shown["counts"]] == [1, 2] and shown["times_used"] == 1
    readers = json.loads(project.run("segment", "show", "readers", "--format", "json", now="2026-12-08T10:00:00+07:00").out)
    assert (readers["used_by"], readers["times_used"]) == (["enrollment november"], 1)


@pytest.mark.parametrize(("line", "word"), [("status: paused", "paused"), ("status: archived", "archived"), ("visibility: private", "private")])
def test_d4_who_may_use_a_segment_by_hand(project: Project, line: str, word: str) -> None:
    """D4: a segment that is paused, archived or another owner's takes nobody in by command either."""
    listed(project, f"id: vip\nentity: contact\n{line}\nmembers: [1]\n")
    said = project.run("enroll", "news", "--segment", "vip")
    assert said.code == 64 and word in said.err


def test_8_show_tells_listed_members_by_pseudonyms(project: Project) -> None:
    """8, D4: the CRM's own keys, and what stands beside them in the file, are shown only where somebody asked; a list of its own has none."""
    listed(project, VIP + "tags: [fair]\n")
    said = project.run("segment", "show", "vip")
    keys = [row["key"] for row in json.loads(project.run("segment", "members", "vip", "--format", "json").out)["members"]]
    assert all(f"  - {key}\n" in said.out for key in keys) and "Ann" not in said.out and "- 1" not in said.out
    assert "# Looked at every quarter." in said.out and "tags: [fair]" in said.out and "name: Oldest customers" in said.out
    assert "- 1   # Ann" in project.run("segment", "show", "vip", "--show-pii").out
    assert project.run("segment", "show", "vip", "--show-pii", CI="true").code == 64
    for members in ("members: [1,\n  2\n]\n", "members:\n- 1\n# Bob\n- 2\n", "members: [1, 2]"):
        listed(project, f"id: vip\nentity: contact\n{members}")
        said = project.run("segment", "show", "vip")
        assert "# pseudonyms" in said.out and "[1" not in said.out and "- 1\n" not in said.out and "Bob" not in said.out, members
    listed(project, 'id: vip\nentity: contact\n"members": [1, 2]\n')
    assert "[1" not in project.run("segment", "show", "vip").out
    listed(project, "id: vip\nentity: contact\nmembers: {file: vip.csv}\n", vip_csv="key\n1\n")
    assert "members: {file: vip.csv}" in project.run("segment", "show", "vip").out
    assert "rules:" in project.run("segment", "show", "readers").out


def test_8_show_tells_some_of_many(project: Project) -> None:
    """D5: a long list is told in part."""
    listed(project, f"id: vip\nentity: contact\nmembers: {list(range(100, 130))}\n")
    assert "# … and 20 more" in project.run("segment", "show", "vip").out


def test_d8_a_file_of_nobody_empties_no_list(project: Project, tmp_path: Path) -> None:
    """D8: the engine's own export without --show-pii has pseudonyms; with --replace it, and any other file of which the CRM has nothing, is refused."""
    path = listed(project)
    own, other, none = tmp_path / "own.csv", tmp_path / "other.csv", tmp_path / "none.csv"
    assert project.run("segment", "export", "vip", "--out", str(own)).code == 0
    other.write_text("key\n901\n902\n")
    none.write_text("key\n")
    for words in (("vip", str(own), "--replace"), ("vip", str(own)), ("fresh", str(own))):
        said = project.run("segment", "import", *words)
        assert said.code == 64 and "are pseudonyms" in said.err and "--show-pii" in said.err, words
    for file in (other, none):
        said = project.run("segment", "import", "vip", str(file), "--replace")
        assert said.code == 64 and "would take out all members" in said.err, file
    assert path.read_text() == VIP and not path.with_name("fresh.yaml").exists()
    assert project.run("segment", "import", "vip", str(other)).out.endswith("0 added; 2 members now\n")


def test_d8_a_file_of_nobody_makes_no_segment(project: Project, tmp_path: Path) -> None:
    """D8: an empty file, or one of which the CRM has nothing, is a slip; no file is made."""
    for name, text in (("a.txt", ""), ("a.csv", "key\n"), ("b.csv", "key\nnobody\n")):
        file = tmp_path / name
        file.write_text(text)
        said = project.run("segment", "import", "fair", str(file))
        assert said.code == 64 and "nobody to make a segment of; nothing was written" in " ".join(said.err.split()), said
    assert not (project.root / "definitions" / "segments" / "fair.yaml").exists()


@pytest.mark.parametrize(("words", "says"), [(("--name", "X"), "--name is"), (("--owner", "x", "--entity", "company"), "--entity and --owner are")])
def test_d8_what_only_a_new_segment_takes_is_refused(project: Project, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """D8: nothing that was said is dropped without a word."""
    path = listed(project)
    names = tmp_path / "names.csv"
    names.write_text("key\n3\n")
    said = project.run("segment", "import", "vip", str(names), *words)
    assert said.code == 64 and says in said.err and "definitions/segments/vip.yaml" in said.err and path.read_text() == VIP
    assert project.run("segment", "import", "vip", str(names), "--entity", "contact").code == 0


def test_d8_rows_without_a_key_are_counted(project: Project, tmp_path: Path) -> None:
    """D8: an entry with nothing in the column is left out and told by its place, in JSON as in CSV."""
    listed(project)
    entries, rows = tmp_path / "a.json", tmp_path / "a.csv"
    entries.write_text('[{"key": "3"}, {"name": "x"}, {"key": ""}, 4]')
    said = project.run("segment", "import", "vip", str(entries))
    assert said.out.endswith("2 added; 4 members now\n") and "2 left out, nothing in `key`: entry 2, entry 3" in said.err
    rows.write_text("who,key\nx,5\ny,\nz\n\n")
    said = project.run("segment", "import", "vip", str(rows))
    assert said.out.endswith("1 added; 5 members now\n") and "2 left out, nothing in `key`: line 3, line 4" in said.err


def test_d4_who_is_no_member_is_counted_in_words(project: Project) -> None:
    """D4: one is no member, two are no members."""
    listed(project)
    assert "1 is no member" in project.run("segment", "remove", "vip", "--member", "77").out
    assert "2 are no members" in project.run("segment", "remove", "vip", "--member", "77", "--member", "78").out
