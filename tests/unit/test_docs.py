"""What the documentation says exists: commands, options, settings, links, markers, and code that compiles."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer

import fillhandler
from fillhandler.cli import app
from fillhandler.cli.entries import read_entries
from fillhandler.v1.fill_service_pb2 import VenuePayload
from fillhandler_server import commands
from fillhandler_server.config import Settings
from fillhandler_server.exchange.command import exchange
from fillhandler_server.venues import parse_payload

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

FENCE = re.compile(r"^(?P<mark>```+)(?P<language>\w*)\n(?P<text>.*?)^(?P=mark)$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
LINK = re.compile(r"(?<!!)!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
ROW = re.compile(r"^\| (?P<cells>.+) \|$", re.MULTILINE)
SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
OPTION = re.compile(r"(?<!\S)--?[a-z][a-z-]*")

#: Programs besides ours that a shell block may run.
TOOLS = set("base64 bash buf cat cd chmod curl git grpcurl jq kill pip printf python source tr".split())
#: Before the verb; after it stand the verb's own and the common ones.
BEFORE_THE_VERB = {"--version", "--install-completion", "--show-completion", "--help"}
#: The client only stands in for these: they are the server's, and have no common options.
OF_THE_SERVER = {"serve": commands.serve, "demo": commands.demo, "exchange": exchange}


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks in these languages."""
    return [dedent(found["text"]) for found in FENCE.finditer(read(page)) if found["language"] in languages]


def sections(text: str, level: int) -> dict[str, str]:
    """Each heading of a level, without its backticks, and what stands below it up to the next heading."""
    parts = re.split(r"^(#+) (.+)$", text, flags=re.MULTILINE)[1:]
    return {
        title.strip("` "): body
        for mark, title, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        if len(mark) == level
    }


def first_column(text: str) -> list[str]:
    """The first cell of each row of a section's tables, without the heading and the rule below it."""
    return [row["cells"].split(" | ")[0] for row in ROW.finditer(text)][1:]


# ------------------------------------------------------------------ the command line


def parameters(command: Any) -> set[str]:
    """The options of a command, by their names."""
    options = [each for each in command.params if each.param_type_name == "option"]
    return {name for option in options for name in option.opts} - {"--help"}


GROUP: Any = typer.main.get_command(app)
COMMON = parameters(GROUP) - BEFORE_THE_VERB


@cache
def own_options(verb: str) -> set[str]:
    """A verb's options without the common ones."""
    if verb not in OF_THE_SERVER:
        return parameters(GROUP.commands[verb]) - COMMON
    holder = typer.Typer(add_completion=False)
    holder.command(verb)(OF_THE_SERVER[verb])
    return parameters(typer.main.get_command(holder))


def documented_options(section: str) -> set[str]:
    return {option for cell in first_column(section) for option in OPTION.findall(cell.replace("`", " "))}


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections(read(DOCS / "cli.md"), 3)) == set(GROUP.commands)


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_a_command_s_options_are_those_of_its_table(name: str) -> None:
    assert documented_options(sections(read(DOCS / "cli.md"), 3)[name]) == own_options(name)


def test_the_common_options_are_those_of_their_table() -> None:
    section = sections(read(DOCS / "cli.md"), 2)["Options of every command"]

    assert documented_options(section) == COMMON
    assert all(f"`{option}`" in section for option in BEFORE_THE_VERB)


def shell_commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in a page's shell blocks, fenced or indented."""
    text = FENCE.sub("", read(page))
    indented = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in INDENTED.findall(text)]
    shell = [block for block in indented if block.split()[0] in TOOLS | {"fillhandler", "make"}]
    for block in (*blocks(page, "sh", "bash", "shell"), *shell):
        for line in block.replace("\\\n", " ").splitlines():
            for part in (*SUBSTITUTION.findall(line), SUBSTITUTION.sub("_", line)):
                yield from simple_commands(part)


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, a pipe's parts apart."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    command: list[str] = []
    for word in words:
        if word and set(word) <= set("|&;"):
            yield command
            command = []
        else:
            command.append(word)
    yield command


def problem(words: list[str]) -> str:
    """What is wrong with a command in a shell block; empty if nothing is."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):  # an assignment before it
        words = words[1:]
    if not words:
        return ""
    tool, *rest = words
    if tool == "make":
        targets = re.findall(r"^([a-z-]+):.*## ", read(ROOT / "Makefile"), re.MULTILINE)
        wrong = [word for word in rest if "=" not in word and word not in targets]
        return f"make has no target {wrong[0]}" if wrong else ""
    if tool != "fillhandler":
        return "" if tool in TOOLS else f"{tool} is no command that the documentation uses"
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    verb = next((word for word in rest if word in GROUP.commands), None)
    if verb is None:
        wrong_options = given - COMMON - BEFORE_THE_VERB
        if wrong_options or (rest and not given):
            return f"fillhandler has no verb in {words}"
        return ""
    allowed = own_options(verb) | {"--help"} | (set() if verb in OF_THE_SERVER else COMMON)
    return f"{verb} has no {', '.join(sorted(given - allowed))}" if given - allowed else ""


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_shell_blocks_use_commands_that_exist(page: Path) -> None:
    assert not [found for words in shell_commands(page) if (found := problem(words))]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("fillhandler orders --all", False),
        ("fillhandler --json orders", False),
        ("A=1 fillhandler watch --count 1 | jq .sequence", False),
        ("make test T=partial", False),
        ("fillhandler frobnicate", True),
        ("fillhandler orders --frob", True),
        ("fillhandler serve --address 127.0.0.1:1", True),
        ("make frob", True),
        ("frob", True),
    ],
)
def test_a_wrong_command_is_found(line: str, wrong: bool) -> None:
    assert bool([found for words in simple_commands(line) if (found := problem(words))]) is wrong


# ------------------------------------------------------------------ settings and markers


def test_every_setting_is_documented_with_its_variable_and_default() -> None:
    rows = [
        [cell.strip("` ") for cell in row["cells"].split(" | ")]
        for row in ROW.finditer(sections(read(DOCS / "configuration.md"), 2)["Settings"])
    ][1:]
    documented = {name: (variable, default) for name, variable, default, _ in rows}

    assert set(documented) == set(Settings.model_fields)
    for name, (variable, default) in documented.items():
        field = Settings.model_fields[name]
        assert variable == f"FILLHANDLER_{name.upper()}"
        if field.default_factory is None:
            is_default = field.get_default()
            shown = {None: "none", True: "true", False: "false"}.get(is_default, is_default)
            assert default == str(shown), f"the default of {name}"


def test_every_marker_of_the_tests_is_documented() -> None:
    markers = {marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}

    documented = first_column(sections(read(DOCS / "testing.md"), 2)["Markers"])

    assert {cell.strip("`") for cell in documented} == markers


# ------------------------------------------------------------------ links


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.finditer(FENCE.sub("", read(page))):
        target, _, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        to = (page.parent / target).resolve() if target else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            broken.append(link["target"])

    assert not broken


def test_the_index_names_every_page() -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / link["target"].partition("#")[0]).resolve() for link in LINK.finditer(read(index))}

    assert not [page_id(page) for page in DOCS.rglob("*.md") if page not in {*listed, index}]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_page_names_somebody_s_machine(page: Path) -> None:
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/", read(page))


# ------------------------------------------------------------------ the README, and code


def test_the_readme_opens_with_the_two_commands() -> None:
    before_the_rest = read(README).partition("\n## ")[0]

    assert [words[:2] for words in shell_commands(README)][:2] == [["make", "run"], ["make", "test"]]
    assert "make run" in before_the_rest
    assert "make test" in before_the_rest


def python_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{page_id(page)}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page, "python", "py"), 1)
    ]


@pytest.mark.parametrize("block", python_blocks())
def test_python_blocks_compile_and_name_what_exists(block: str) -> None:
    tree = compile(block, "block", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "fillhandler":
            assert {alias.name for alias in node.names} <= set(fillhandler.__all__)
        # Examples with a client call it `fills`.
        if (
            "FillHandlerClient" in block
            and isinstance(node, ast.Attribute)
            and ast.unparse(node.value) == "fills"
        ):
            assert hasattr(fillhandler.FillHandlerClient, node.attr), f"the client has no {node.attr}"


def test_the_example_file_is_understood_whole() -> None:
    with (DOCS / "examples" / "sample_fill_data.json").open("rb") as file:
        payloads = [entry.content for entry in read_entries(file)]

    for payload in payloads:
        assert isinstance(payload, VenuePayload)
        parsed = parse_payload(payload.venue, payload.account, payload.payload)
        assert parsed.fills
        assert not parsed.skipped
