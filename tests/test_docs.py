"""The pages must not rot: lines they point to, links, and pages in two languages.

A pointer from a page into the code has one form, symbol first, then the place:

    `padding_bias` [`kbert/layers/attention.py:22`](../kbert/layers/attention.py#L22)

The symbol is the name of a function, a class, a method (`Class.method`) or a module's constant,
and then the line is that of its definition; or it is a piece of code, and then it stands on that
line, and on no other line of the file. What is written by hand is the symbol and the file; any
number will do, for this writes the right ones:

    python tests/test_docs.py --fix
"""

import ast
import io
import re
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

FIX = "python tests/test_docs.py --fix"

POINTER = re.compile(r"`([^`]+)`\s+\[`([^`]+):(\d+)`\]\((?:\.\./)+([^)#\s]+)#L(\d+)\)")
_LINE_LINK = re.compile(r"\]\([^)\s]*#L\d+\)")
_LINK = re.compile(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCED = re.compile(r"^(```|~~~)([^\n]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def outside_fences(text: str) -> str:
    return FENCED.sub("", text)


def code_blocks(text: str) -> list[tuple[str, str]]:
    """The (language, code) of every fenced block."""
    return [(language.strip(), code) for _, language, code in FENCED.findall(text)]


# Lines of code.


def definitions(tree: ast.AST, prefix: str = "") -> dict[str, list[int]]:
    """Where functions, classes, methods and constants are defined: dotted name -> lines."""
    found: dict[str, list[int]] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(prefix + node.name, []).append(node.lineno)
            if isinstance(node, ast.ClassDef):
                found |= definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found.setdefault(prefix + target.id, []).append(node.lineno)
    return found


def code_lines(source: str, tree: ast.AST) -> list[str]:
    """The lines of a source, without its comments and docstrings."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    return lines


def lines_of(symbol: str, source: str) -> list[int]:
    """The lines on which a symbol is defined, or else on which the piece of code stands."""
    tree = ast.parse(source)
    defined = definitions(tree).get(symbol)
    if defined:
        return defined
    lines = code_lines(source, tree)
    return [number for number, line in enumerate(lines, 1) if symbol in line]


def wrong_pointers(page: str, root: Path = ROOT) -> list[str]:
    """What is wrong with a page's pointers into the code, and what would be right."""
    problems = []
    for symbol, path, line, target, anchor in POINTER.findall(page):
        here = f"`{symbol}` {path}:{line}"
        if (path, line) != (target, anchor):
            problems.append(f"{here}: the link goes to {target}#L{anchor}")
            continue
        if not (root / path).is_file():
            problems.append(f"{here}: there is no such file")
            continue
        found = lines_of(symbol, (root / path).read_text(encoding="utf-8"))
        if not found:
            problems.append(f"{here}: the file has no such definition or piece of code")
        elif len(found) > 1:
            problems.append(f"{here}: it stands on lines {found}; quote more of the one you mean")
        elif found != [int(line)]:
            problems.append(f"{here}: it stands on line {found[0]} now; {FIX} writes that")
    pointers, links = len(POINTER.findall(page)), len(_LINE_LINK.findall(page))
    if pointers != links:
        problems.append(
            f"{links} links name a line, but {pointers} have the form "
            "`symbol` [`path:line`](../path#Lline)"
        )
    return problems


def with_right_lines(page: str, root: Path = ROOT) -> str:
    """The page with the number of each pointer as it is now; what is not found once stays."""

    def mended(pointer: re.Match) -> str:
        symbol, path, line, target, anchor = pointer.groups()
        file = root / path
        found = lines_of(symbol, file.read_text(encoding="utf-8")) if file.is_file() else []
        if path != target or len(found) != 1:
            return pointer[0]
        whole = pointer[0].replace(f"`{path}:{line}`", f"`{path}:{found[0]}`")
        return whole.removesuffix(f"#L{anchor})") + f"#L{found[0]})"

    return POINTER.sub(mended, page)


def fix_pages() -> None:
    """Writes the right numbers into every page, and prints what it cannot mend."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        mended = with_right_lines(page)
        if mended != page:
            path.write_text(mended, encoding="utf-8", newline="\n")
        for problem in wrong_pointers(mended):
            print(f"{page_id(path)}: {problem}")


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_pages_point_at_the_right_lines(path):
    problems = wrong_pointers(path.read_text(encoding="utf-8"))
    assert not problems, f"{page_id(path)}:\n" + "\n".join(problems)


def test_the_lecture_page_points_into_the_code():
    page = (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8")
    assert len(POINTER.findall(page)) >= 50, "the lecture page has lost most of its pointers"


SAMPLE = '''"""A page of code. def after(): twice"""

LIMIT = 3  # the LIMIT of things


class Box:
    """Box.open opens."""

    def open(self):
        """def open"""
        return LIMIT + 1


def after(value):
    return value + 1, LIMIT
'''


@pytest.mark.parametrize(
    ("symbol", "lines"),
    [
        ("LIMIT", [3]),
        ("Box", [6]),
        ("Box.open", [9]),
        ("after", [14]),
        ("return LIMIT + 1", [11]),
        ("the LIMIT of things", []),
        ("def open", [9]),
        ("+ 1", [11, 15]),
    ],
)
def test_lines_of_finds_definitions_and_code_but_no_comments(symbol, lines):
    assert lines_of(symbol, SAMPLE) == lines


@pytest.mark.parametrize(
    ("pointer", "complaint"),
    [
        ("`Box` [`box.py:6`](../box.py#L6)", None),
        ("`Box` [`box.py:7`](../box.py#L7)", "line 6 now"),
        ("`Box` [`box.py:6`](../box.py#L7)", "goes to box.py#L7"),
        ("`Crate` [`box.py:6`](../box.py#L6)", "no such definition"),
        ("`+ 1` [`box.py:11`](../box.py#L11)", "lines [11, 15]"),
        ("`Box` [`crate.py:6`](../crate.py#L6)", "no such file"),
        ("Box: [`box.py:6`](../box.py#L6)", "1 links name a line, but 0"),
    ],
)
def test_wrong_pointers_are_found(tmp_path, pointer, complaint):
    (tmp_path / "box.py").write_text(SAMPLE, encoding="utf-8")
    problems = wrong_pointers(pointer, tmp_path)
    assert complaint in problems[0] if complaint else not problems


@pytest.mark.parametrize(
    ("pointer", "mended"),
    [
        ("`Box` [`box.py:7`](../box.py#L9)", "`Box` [`box.py:6`](../box.py#L6)"),
        ("`Box`\n  [`box.py:1`](../../box.py#L1)", "`Box`\n  [`box.py:6`](../../box.py#L6)"),
        ("`+ 1` [`box.py:11`](../box.py#L11)", None),  # on two lines
        ("`Crate` [`box.py:6`](../box.py#L6)", None),
        ("`Box` [`crate.py:6`](../crate.py#L6)", None),
        ("`Box` [`box.py:7`](../tray.py#L7)", None),
    ],
)
def test_numbers_are_written_by_symbol(tmp_path, pointer, mended):
    (tmp_path / "box.py").write_text(SAMPLE, encoding="utf-8")
    text = f"See {pointer}, and on."
    assert with_right_lines(text, tmp_path) == text.replace(pointer, mended or pointer)


# Links.


def anchors(page: Path) -> set[str]:
    """What links into a page may name: its headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)", outside_fences(page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_to_files_and_headings(page):
    text = outside_fences(page.read_text(encoding="utf-8"))
    links = [link.partition("#")[::2] for link in _LINK.findall(text) if ":" not in link]
    missing = [target for target, _ in links if not (page.parent / target).exists()]
    assert not missing, f"{page_id(page)} links to what is not there: {missing}"
    strange = [
        f"{target}#{anchor}"
        for target, anchor in links
        for file in [page.parent / target if target else page]
        if anchor and file.suffix == ".md" and anchor not in anchors(file)
    ]
    assert not strange, f"{page_id(page)} links to headings that are not there: {strange}"


# A page and the same page in Korean say the same.

TRANSLATED = {
    ROOT / "README.ko.md": ROOT / "README.md",
    **{path: ROOT / "docs" / path.name for path in sorted(ROOT.glob("docs/ko/*.md"))},
}
in_korean = pytest.mark.parametrize("path", TRANSLATED, ids=page_id)


def headings(text: str) -> list[tuple[str, str]]:
    """The level of each heading, and its number where it has one: ("##", "7")."""
    return re.findall(r"^(#+) (?:(\d+)\. )?", outside_fences(text), re.MULTILINE)


@in_korean
def test_a_page_in_korean_has_the_same_headings(path):
    korean, english = (
        headings(each.read_text(encoding="utf-8")) for each in (path, TRANSLATED[path])
    )
    assert english == korean, "the levels and numbers of the headings, in order, differ"


@in_korean
def test_a_page_in_korean_points_at_the_same_code(path):
    korean, english = (
        [pointer[:2] for pointer in POINTER.findall(each.read_text(encoding="utf-8"))]
        for each in (path, TRANSLATED[path])
    )
    assert english == korean


@in_korean
def test_a_page_in_korean_has_the_same_code(path):
    """Comments, and the tree of folders, are in each one's own language."""
    korean, english = (
        [re.sub(r"(?m)(^| +)# .*", "", code) for language, code in code_blocks(text) if language]
        for text in (each.read_text(encoding="utf-8") for each in (path, TRANSLATED[path]))
    )
    assert english and english == korean


if __name__ == "__main__":
    if sys.argv[1:] != ["--fix"]:
        sys.exit(f"usage: {FIX}")
    fix_pages()
