"""What the README says is so: its commands run, its commands and flags exist and are all of them, its links lead somewhere."""

import re
import shlex
import shutil
from pathlib import Path

import jsonschema
import pytest
import typer.main
import yaml
from conftest import few

from costctl import config, pipeline, reports, usage
from costctl.cli import schema
from costctl.cli.app import app
from costctl.errors import CostctlError, UsageError
from costctl.ledger import models

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TEMPLATE = ROOT / "costctl/templates/costctl.yaml"
PAGES = (
    *(
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "rates/README.md",
        "examples/README.md",
        "costctl/usage/README.md",
    ),
    *sorted(
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("costctl/*/*/README.md"), *ROOT.glob("examples/*/README.md")]
    ),
)


def commands():
    """Yield every command of the program with its words: ("rates", "check"), command."""

    def beneath(group, words):
        for name, command in sorted(group.commands.items()):
            if hasattr(command, "commands"):
                yield from beneath(command, (*words, name))
            else:
                yield (*words, name), command

    return list(beneath(typer.main.get_command(app), ()))


COMMANDS = commands()
FLAGS = {flag for _, command in COMMANDS for parameter in command.params for flag in parameter.opts}


def blocks():
    """Return the fenced sh and console blocks as lines, without prompts."""
    found = re.findall(r"^```(?:sh|console)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [[line.removeprefix("$ ") for line in block.splitlines() if line.strip()] for block in found]


@pytest.mark.parametrize("group", sorted({words[:-1] for words, _ in COMMANDS}), ids=" ".join)
def test_no_line_of_a_list_of_commands_is_cut_at_80_columns(group, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed = command(*group, "--help").out.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed


def test_there_is_something_to_test():
    assert len(COMMANDS) >= 12
    lines = [line for block in blocks() for line in block]
    assert len([line for line in lines if line.startswith("costctl ")]) >= 10
    assert "costctl demo" in README


@pytest.mark.parametrize(
    "block", few(blocks(), len(blocks()) - 1), ids=lambda block: block[0].split("#")[0][:30].strip()
)
def test_the_commands_of_the_readme_work_in_their_order(block, ingested_quickstart, tmp_path, command, monkeypatch):
    # the demo's folder beside it, as `costctl demo` leaves it; for the rest, bills and usage without a configuration
    shutil.copytree(ingested_quickstart, tmp_path / "costctl-demo")
    for name in ("bills", "usage"):
        shutil.copytree(ingested_quickstart / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for line in block:
        program, *words = shlex.split(line, comments=True)
        if program == "cd":
            monkeypatch.chdir(words[0])
        elif program == "costctl":
            said = command(*words)
            assert said.code == 0, f"{line}\n{said.err}"
            assert said.out or said.err or "--output" in words


@pytest.mark.slow
def test_the_demo_needs_nothing_and_shows_both_reports(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = command("demo")
    assert said.code == 0, said.err
    assert "chargeback" in said.out
    assert "tokens per dollar" in said.out
    assert (tmp_path / "costctl-demo" / "costctl.duckdb").is_file()
    assert command("demo").code == 0  # again is harmless


def test_a_first_configuration_is_valid(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("init").code == 0
    assert (tmp_path / "costctl.schema.json").read_text() == command("init", "--schema").out
    said = command("ingest")
    assert said.code == 2  # valid, and names no sources yet
    assert "names no sources" in said.err
    assert command("init").code == 2  # nothing that exists is touched


@pytest.fixture(scope="module")
def valid():
    """Return what judges a configuration by the schema that `costctl init` writes."""
    return jsonschema.Draft202012Validator(schema.described())


@pytest.mark.parametrize("path", [TEMPLATE, *sorted(ROOT.glob("examples/*/costctl.yaml"))], ids=str)
def test_the_schema_takes_the_configurations_of_ours(valid, path):
    assert list(valid.iter_errors(yaml.safe_load(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "version: 2",
        "polcy: {}",
        "sources: [{name: aws}]",
        "pools: {h100: {base: weighted_tokens, grain: year}}",
        "policy: {tax: maybe}",
        "rules: [{name: r, when: {SubAccountId: []}, team: t}]",
        "sources: {name: aws, path: bills}",
    ],
)
def test_the_schema_refuses_what_costctl_refuses(valid, text, tmp_path):
    whole = text if text.startswith("version") else f"version: 1\n{text}\n"
    (tmp_path / "costctl.yaml").write_text(whole)
    assert list(valid.iter_errors(yaml.safe_load(whole)))
    with pytest.raises(UsageError):
        config.load(tmp_path / "costctl.yaml")


def switched_on(text):
    """Return the template's settings with all that are commented out: `#  ` within a setting, `# name: value` for one of its own."""
    lines = []
    for line in text.splitlines():
        own = re.match(r"# (\w+): ", line)
        if line.startswith("#  "):
            lines[-1] = re.sub(r"^(\w+): (\[\]|\{\})$", r"\1:", lines[-1])
            lines.append(line[1:])
        elif not line.startswith("#") or (own and own[1] in config.Config.model_fields):
            lines.append(line.removeprefix("# "))
    return "\n".join(lines)


def test_every_setting_of_the_template_is_valid_when_it_is_switched_on(tmp_path):
    (tmp_path / "costctl.yaml").write_text(switched_on(TEMPLATE.read_text("utf-8")))
    found = config.load(tmp_path / "costctl.yaml")
    assert pipeline.known(found).keys() > pipeline.known().keys()
    unset = {name for name in config.Config.model_fields if name not in found.model_fields_set}
    assert unset == set()
    assert {"deployment", "namespace"} <= found.pools["h100"].tokens.model_fields_set
    assert len(found.tokens.drives) == len(found.owners) == 2


def test_what_init_writes_names_every_format(command, tmp_path):
    command("init", str(tmp_path))
    comment = (tmp_path / "costctl.yaml").read_text("utf-8").partition("# `as` is one of")[2].partition("# `role`")[0]
    assert pipeline.known().keys() <= set(re.findall(r"\w+", comment))


def test_the_settings_on_the_page_of_sources_are_valid(tmp_path):
    shown = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "costctl/usage/README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "costctl.yaml").write_text("version: 1\n" + "".join(shown))
    found = config.load(tmp_path / "costctl.yaml")
    assert {"tokens", "owners", "pools"} <= found.model_fields_set


@pytest.mark.parametrize(
    ("words", "found"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_explains_itself_and_is_in_the_readme(words, found, command):
    said = command(*words, "--help")
    assert said.code == 0
    assert found.help
    assert found.help.split("\n")[0] in " ".join(said.out.split())
    for parameter in found.params:
        assert getattr(parameter, "help", None), f"costctl {' '.join(words)}: {parameter.opts} has no help"
    assert f"`costctl {' '.join(words)}" in README or f"`{' '.join(words)}" in README


def test_every_flag_in_the_readme_exists():
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--help"}
    assert named
    assert named <= FLAGS


def test_every_report_is_in_the_readme_and_in_the_help(command):
    missing = {name.replace("_", "-") for name in reports.known()}
    assert [name for name in missing if name not in README] == []
    shown = re.sub(r"-\s+", "-", command("report", "--help").out)  # a line may end at the hyphen of a name
    assert [name for name in missing if name not in shown] == []


def test_the_models_of_the_way_through_the_code_have_their_numbers():
    named = re.findall(r"\b(\d\d)[ _]([a-z]+(?:_[a-z]+)+)\b", README.split("## Ten minutes through the code")[1])
    assert len(named) > 10
    assert {f"{number}_{name}.sql" for number, name in named} <= {model.file for model in models.listed()}


def test_every_exit_code_of_an_error_is_in_the_readme():
    listed = dict(
        re.findall(r"(\d+) ([^·]+?)(?: ·|\.\n)", README[README.index("Exit codes:") :].replace("\n", " ") + ".\n")
    )
    kinds = {kind.exit_code for kind in CostctlError.__subclasses__()}
    assert kinds
    assert {str(code) for code in {0, *kinds}} <= set(listed)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []
    named = re.findall(r"`((?:costctl|rates|examples)/[a-z0-9_./-]+)`", text)  # `NN_name.sql` stands for any
    assert [path for path in named if "/name" not in path and not (ROOT / path).exists()] == []


RECORDS = {"counter_samples": "counter", "accelerator_usage": "interval", "accelerator_gauges": "sample"}


def test_every_source_of_usage_is_on_its_page_with_its_role_and_what_a_record_is():
    page = (ROOT / "costctl/usage/README.md").read_text("utf-8")
    cells = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| [")]
    rows = {re.findall(r"\[(\w+)\]\(\1/usage\.yaml\)", row[0])[0]: [cell.strip() for cell in row] for row in cells}
    assert len(rows) == len(cells)
    assert sorted(rows) == sorted(usage.known())
    for name, item in usage.known().items():
        _, what, role, record, tells, cannot = rows[name]
        assert all((what, tells, cannot)), name
        counts = item.target in ("token_usage", "counter_samples")
        assert role == (item.role if counts else "-"), name
        assert item.grain in record if item.target == "token_usage" else record == RECORDS[item.target], name
