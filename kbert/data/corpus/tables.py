"""Texts from tables: CSV, Parquet, and datasets that Hugging Face's `datasets` saved on disk.

The last two need the extra `data`, which is loaded when such a table is met.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from kbert.data.labelled.table_rows import table_rows
from kbert.errors import KbertError, how_to_install

_ROWS_AT_ONCE = 1000


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder is one that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote."""
    return (path / "dataset_dict.json").is_file() or (
        (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    )


def csv_texts(path: Path, encoding: str, field: str) -> Iterator[str]:
    """The column `field` of a CSV or TSV file, in order; empty ones are passed over.

    Raises:
        KbertError: if it is no table, not in that encoding, or has no such column.
    """
    marked = {"utf-8": "utf-8-sig", "utf8": "utf-8-sig"}  # Excel's files begin with a mark
    _, rows = table_rows(path, marked.get(encoding.lower(), encoding), quotes=None)
    for _, row in rows:
        _check_field(path, field, list(row))
        if row[field].strip():
            yield row[field]


def parquet_texts(path: Path, field: str) -> Iterator[str]:
    """The column `field` of a Parquet file, in order; rows without a text are passed over.

    Raises:
        KbertError: if pyarrow is missing, the file is damaged, or it has no such column of texts.
    """
    parquet = _import("pyarrow.parquet", str(path))
    try:
        with parquet.ParquetFile(path) as file:
            _check_field(path, field, file.schema_arrow.names)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[field]):
                yield from _texts(batch.column(0).to_pylist(), path, field)
    except KbertError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's own are of these
        raise KbertError(f"{path}: a damaged Parquet file ({error})") from error


def saved_dataset_texts(path: Path, field: str) -> Iterator[str]:
    """The column `field` of a saved dataset, split by split, in order.

    Raises:
        KbertError: if `datasets` is missing, the folder is damaged, or it has no such column.
    """
    datasets = _import("datasets", str(path))
    try:
        loaded = datasets.load_from_disk(str(path))
        parts = loaded.values() if isinstance(loaded, dict) else [loaded]
        for part in parts:
            _check_field(path, field, part.column_names)
            for batch in part.select_columns([field]).iter(_ROWS_AT_ONCE):
                yield from _texts(batch[field], path, field)
    except KbertError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KbertError(f"{path}: a damaged dataset ({error})") from error


def _texts(values: list[Any], path: Path, field: str) -> Iterator[str]:
    for value in values:
        if value is None:
            continue
        if not isinstance(value, str):
            raise KbertError(f"{path}: the column {field!r} holds no texts, but {value!r:.60}")
        yield value


def _check_field(path: Path, field: str, names: list[str]) -> None:
    if field not in names:
        raise KbertError(f"{path}: no column {field!r}; name one of {names} as field=...")


def _import(module: str, where: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise KbertError(f"{where}: to read it takes {how_to_install('data')} ({error})") from error
