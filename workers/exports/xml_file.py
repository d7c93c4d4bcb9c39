"""Writing an XML tree to a file."""

from pathlib import Path
from xml.etree import ElementTree as ET


def child(parent: ET.Element, tag: str, text: object = None, **attributes: object) -> ET.Element:
    """A new last child; attributes that are None are left out."""
    element = ET.SubElement(parent, tag, {name: str(value) for name, value in attributes.items() if value is not None})
    if text is not None:
        element.text = str(text)
    return element


def write_xml(root: ET.Element, into: Path, *, doctype: bool) -> None:
    """With a declaration and, for programs that look for it, a document type of the root's name."""
    ET.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' + (f"<!DOCTYPE {root.tag}>\n" if doctype else "")
    into.write_text(f"{head}{ET.tostring(root, encoding='unicode')}\n", encoding="utf-8")
