"""Bodies in Markdown to HTML, with template parts carried through as words (placeholders.py).

What an author may rely on beside CommonMark and tables:
a line that has only template tags is no text (an `if` around paragraphs, a `for` around list items or table rows);
a table with an empty head has none; a paragraph that is only a bold link is a button.
"""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from engine.messages.placeholders import ONLY_TAGS, TAG, Placeholders


def _tag_line(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    if ONLY_TAGS.fullmatch(line) is None:
        return False
    if silent:
        return True
    token = state.push("template_tag", "", 0)
    token.content = line.strip()
    token.map = [start, start + 1]
    state.line = start + 1
    return True


def _render_tag(self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return "".join(f"<!--b:{word}-->" for word in TAG.findall(tokens[index].content)) + "\n"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    # Not among the rules that end a blockquote: the table rule asks those, and a tag between two rows is part of the table.
    parser.block.ruler.before("table", "template_tag", _tag_line, {"alt": ["paragraph", "reference", "list"]})
    parser.add_render_rule("template_tag", _render_tag)
    return parser


_MARKDOWN = _parser()


def to_html(source: str, hidden: Placeholders) -> str:
    """HTML with words, from Markdown with words.

    >>> to_html("Dear **zqe0qz**,", Placeholders())
    '<p>Dear <strong>zqe0qz</strong>,</p>\\n'
    """
    tokens = _MARKDOWN.parse(source)
    tokens = _loops_into_lists(_tag_rows(tokens), hidden)
    _buttons(tokens)
    rendered: str = _MARKDOWN.renderer.render(_empty_heads(tokens), _MARKDOWN.options, {})
    return rendered


def _close(tokens: Sequence[Token], opening: int) -> int:
    """The index of the token that closes the one at `opening`."""
    level = 0
    for index in range(opening, len(tokens)):
        level += tokens[index].nesting
        if level == 0:
            return index
    return len(tokens) - 1


def _tag_rows(tokens: list[Token]) -> list[Token]:
    """Rows of a table that are only tags become the tags."""
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "tr_open":
            end = _close(tokens, index)
            texts = [cell.content for cell in tokens[index:end] if cell.type == "inline"]
            if texts and ONLY_TAGS.fullmatch(texts[0]) and not any(texts[1:]):
                tag = Token("template_tag", "", 0, content=texts[0].strip(), map=token.map, block=True)
                out.append(tag)
                index = end + 1
                continue
        out.append(token)
        index += 1
    return out


def _loops_into_lists(tokens: list[Token], hidden: Placeholders) -> list[Token]:
    """A `for` around one list repeats its items, not the list."""
    out = list(tokens)
    for index in range(len(out) - 2):
        if not _is(out[index], hidden, "for") or out[index + 1].type not in ("bullet_list_open", "ordered_list_open"):
            continue
        end = _close(out, index + 1)
        if end + 1 < len(out) and _is(out[end + 1], hidden, "endfor"):
            out[index], out[index + 1] = out[index + 1], out[index]
            out[end], out[end + 1] = out[end + 1], out[end]
    return out


def _is(token: Token, hidden: Placeholders, keyword: str) -> bool:
    if token.type != "template_tag":
        return False
    words = TAG.findall(token.content)
    return len(words) == 1 and hidden.keyword(words[0]) == keyword


def _empty_heads(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    index = 0
    table: Token | None = None
    while index < len(tokens):
        token = tokens[index]
        if token.type == "table_open":
            table = token
            token.attrSet("class", "list")
        if token.type == "thead_open":
            end = _close(tokens, index)
            if not any(cell.content for cell in tokens[index:end] if cell.type == "inline"):
                if table is not None:
                    table.attrSet("class", "facts")
                index = end + 1
                continue
        out.append(token)
        index += 1
    return out


def _buttons(tokens: list[Token]) -> None:
    for index, token in enumerate(tokens):
        if token.type != "paragraph_open":
            continue
        inline = tokens[index + 1]
        children = [child for child in inline.children or [] if child.type != "text" or child.content]
        if len(children) < 4 or [child.type for child in (*children[:2], *children[-2:])] != ["strong_open", "link_open", "link_close", "strong_close"]:
            continue
        if sum(child.type == "link_open" for child in children) != 1:
            continue
        token.attrSet("class", "button")
        inline.children = children[1:-1]
