"""Equations as MathML, which browsers draw themselves: no script is loaded."""

from docutils import nodes
from latex2mathml.converter import convert


def setup(app):
    def inline(writer, node):
        writer.body.append(convert(node.astext()))
        raise nodes.SkipNode

    def block(writer, node):
        writer.body.append(convert(node.astext(), display="block"))
        raise nodes.SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
