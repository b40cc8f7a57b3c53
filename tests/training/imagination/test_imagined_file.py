"""What those who train on imagined pictures refuse of a file."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from syntrans.contract.imagined import ImaginedRow, write_imagined
from syntrans.errors import InputError
from syntrans_training.imagination.imagined_file import open_imagined
from syntrans_training.imagination.judge import pixels

ROW = ImaginedRow(
    class_id="a", class_name="a", picture_id="p1", prompt="p", descriptor_ids=(), seed=0, image=b"png",
    latent=np.zeros((4, 8, 8), np.float16), similarity=0.5, margin=0.1, neighbour="b", reason=None, model="m",
    revision="r",
)  # fmt: skip


def png(side: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (side, side)).save(written, "PNG")
    return written.getvalue()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_kept_latent_that_is_no_number_names_its_picture(tmp_path: Path, value: float) -> None:
    odd = replace(ROW, picture_id="p2", latent=np.full((4, 8, 8), value, np.float16))
    write_imagined(tmp_path / "imagined.parquet", [ROW, odd], {})
    with pytest.raises(InputError, match="latent of picture p2 holds what is no number"):
        open_imagined(str(tmp_path))
    write_imagined(tmp_path / "imagined.parquet", [ROW, replace(odd, reason="not_a_number")], {})
    assert len(open_imagined(str(tmp_path)).rows) == 1


def test_a_file_of_which_nothing_is_kept_is_refused(tmp_path: Path) -> None:
    write_imagined(tmp_path / "imagined.parquet", [replace(ROW, reason="other_class")], {})
    with pytest.raises(InputError, match="there are none kept"):
        open_imagined(str(tmp_path))


def test_pictures_of_several_sizes_are_said() -> None:
    assert pixels([png(8), png(8)]).shape == (2, 8, 8, 3)
    with pytest.raises(InputError, match="there are 16x16, 8x8"):
        pixels([png(8), png(16)])
