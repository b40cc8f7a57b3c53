"""A sheet of imagined pictures: a row for every class, framed green where kept and red where not."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from syntrans.contract.imagined import ImaginedRow
from syntrans.images.decode import decode
from syntrans.paths import atomic_path
from syntrans.text_safety import plain_text

SHEET = "contact_sheet.png"
_SIDE, _FRAME, _LABEL = 64, 3, 110
_KEPT, _DROPPED = (40, 140, 60), (190, 40, 40)


def write_sheet(path: Path, rows: Sequence[ImaginedRow], *, across: int = 10, classes: int = 60) -> None:
    """The first `across` pictures of the first classes; what has no picture is left grey."""
    groups: dict[str, list[ImaginedRow]] = {}
    for row in rows:
        groups.setdefault(row.class_id, []).append(row)
    shown = list(groups.values())[:classes]
    cell = _SIDE + 2 * _FRAME
    sheet = Image.new("RGB", (_LABEL + across * cell, max(1, len(shown)) * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for y, group in enumerate(shown):
        draw.text((4, y * cell + cell // 2 - 6), plain_text(group[0].class_name)[:16], fill="black")
        for x, row in enumerate(group[:across]):
            corner = (_LABEL + x * cell, y * cell)
            colour = _KEPT if row.kept else _DROPPED
            draw.rectangle((*corner, corner[0] + cell - 1, corner[1] + cell - 1), fill=colour)
            sheet.paste(_thumbnail(row.image), (corner[0] + _FRAME, corner[1] + _FRAME))
    with atomic_path(path) as temporary:
        sheet.save(temporary, "PNG")


def _thumbnail(image: bytes | None) -> Image.Image:
    if image is None:
        return Image.new("RGB", (_SIDE, _SIDE), "grey")
    return decode(image, "an imagined picture").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
