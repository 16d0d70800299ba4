"""What this site needs beside Sphinx: links, commands, mathematics without scripts."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from salutary.cli.main import _command

OUTSIDE = {
    "CHANGELOG.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
}
"""Files above the folder of the pages, and the pages that stand for them."""

ROW = re.compile(r"^\|.*$", re.MULTILINE)
"""A row of a table."""


def prepare_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Let links to files above this folder lead to the pages that stand for them.

    In a checkout they lead to the files themselves. What stands around a ± in a table
    stays in one line.
    """
    up = "../" * len(PurePosixPath(page).parts)
    for name, stand_in in OUTSIDE.items():
        source[0] = source[0].replace(f"]({up}{name}", f"]({up[3:]}{stand_in}")
    source[0] = ROW.sub(
        lambda row: row[0].replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"),
        source[0],
    )


class CommandLine(SphinxDirective):
    """Every command with its options, as ``--help`` shows them."""

    def run(self) -> list[nodes.Node]:
        """A section for each command, in the order of the help."""
        return self._commands(_command(), None, "salutary")

    def _commands(self, command: Any, above: Any, name: str) -> list[nodes.Node]:
        context = type(command).context_class(
            command, above, name, **command.context_settings
        )
        if not hasattr(command, "commands"):
            return [self._section(command, context)]
        return [
            node
            for name, below in command.commands.items()
            for node in self._commands(below, context, name)
        ]

    def _section(self, command: Any, context: Any) -> nodes.section:
        path = context.command_path
        usage = " ".join([path, *command.collect_usage_pieces(context)])
        section = nodes.section(ids=[nodes.make_id(path)], names=[path])
        section += [
            nodes.title(text=path),
            nodes.literal_block(usage, usage, language="text"),
            *self._words(command.help or ""),
        ]
        panels: dict[str, nodes.definition_list] = {}
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None:
                default = f"{parameter.param_type_name.capitalize()}s"
                panel = getattr(parameter, "rich_help_panel", None) or default
                items = panels.setdefault(panel, nodes.definition_list())
                items += self._option(*record)
        for panel, items in panels.items():
            section += [nodes.rubric(text=panel), items]
        self.state.document.note_implicit_target(section, section)
        return section

    def _words(self, text: str) -> list[nodes.Node]:
        """Paragraphs, and examples as blocks that can be copied."""
        found: list[nodes.Node] = []
        for part in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
            before, example, shown = part.partition(": salutary ")
            if example:
                found.append(nodes.paragraph(text=f"{before}:"))
                shown = f"salutary {shown}"
                found.append(nodes.literal_block(shown, shown, language="sh"))
            else:
                found.append(nodes.paragraph(text=part))
        return found

    def _option(self, name: str, about: str) -> nodes.definition_list_item:
        term = nodes.term("", "", nodes.literal(text=name))
        words = nodes.definition("", nodes.paragraph(text=about))
        return nodes.definition_list_item("", term, words)


def inline_math(translator: Any, node: nodes.math) -> None:
    """Write a formula as MathML, which browsers draw without a script."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_math(translator: Any, node: nodes.math_block) -> None:
    """Write a formula on its own line, with a place that links lead to."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    translator.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Give Sphinx all of it."""
    app.connect("source-read", prepare_page)
    app.add_directive("command-line", CommandLine)
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"parallel_read_safe": True}
