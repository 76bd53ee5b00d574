"""The rows of a table, whatever it is: a file, a DataFrame, a Dataset or a list of dicts.

CSV and TSV are read by Python's csv, jsonl as kbert reads all JSON, Parquet by pyarrow, Excel by
openpyxl.
"""

import csv
import logging
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, lookup
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from kbert.errors import KbertError, counted, how_to_install
from kbert.files.json_file import read_json_object
from kbert.labels import composed

ENCODINGS = ("utf-8-sig", "cp949")  # the first reads UTF-8 with and without a mark

Row = Mapping[str, Any]

_log = logging.getLogger("kbert")


def table_rows(
    source: Any, encoding: str | None, quotes: bool | None
) -> tuple[str, Iterator[tuple[int, Row]]]:
    """The source's name, and its rows with their numbers, by the names of columns in NFC.

    A row's number is the line that it begins in, of a file that has lines, from 1; else it counts
    the rows, from 1.

    Args:
        source: see `read_table`.
        encoding: of a text file; None means the first of `ENCODINGS` that it is in.
        quotes: whether quotation marks enclose fields; None means of `.csv` only.

    Raises:
        KbertError: if there is no such file, it is of no known kind, damaged, or has two columns
            of one name; later, from the iterator, if a row has not as many fields as the header.
    """
    if encoding is not None:
        try:
            lookup(encoding)
        except LookupError as error:
            raise KbertError(f"there is no encoding {encoding!r:.80}; 'cp949' is one") from error
    where, rows = _rows_of(source, encoding, quotes)
    return where, ((number, _composed(row)) for number, row in rows)


def _composed(row: Row) -> Row:
    return {composed(name): value for name, value in row.items()}


def _rows_of(
    source: Any, encoding: str | None, quotes: bool | None
) -> tuple[str, Iterator[tuple[int, Row]]]:
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            raise KbertError(f"{path}: it is a folder, and a table is one file")
        if not path.is_file():
            raise KbertError(f"{path}: no such file")
        kind = path.suffix.lower()
        if kind in (".csv", ".tsv", ".txt"):
            quoted = kind == ".csv" if quotes is None else quotes
            return str(path), _csv_rows(path, "," if kind == ".csv" else "\t", encoding, quoted)
        if kind == ".jsonl":
            return str(path), _jsonl_rows(path, encoding)
        if kind == ".parquet":
            return str(path), _parquet_rows(path)
        if kind == ".xlsx":
            return str(path), _excel_rows(path)
        raise KbertError(f"{path}: a table is .csv, .tsv or .txt (tabs), .jsonl, .parquet or .xlsx")
    if hasattr(source, "to_dict") and hasattr(source, "columns"):  # pandas
        _check_columns("the table", [str(name) for name in source.columns])
        return "the table", enumerate(map(_plain_row, source.to_dict("records")), start=1)
    if hasattr(source, "column_names"):  # datasets
        return "the dataset", enumerate(map(_plain_row, source), start=1)
    if isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source):
        return "the list", enumerate(map(_plain_row, source), start=1)
    raise KbertError(
        "a table is a file, a DataFrame, a Dataset or a list of dicts, not "
        f"{type(source).__name__} {source!r:.60}"
    )


def _plain_row(row: Row) -> Row:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """A list in the place of an array, as which pandas holds a list that was read from Parquet."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return _plain_row(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _csv_rows(
    path: Path, delimiter: str, encoding: str | None, quotes: bool
) -> Iterator[tuple[int, Row]]:
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    with path.open(encoding=_opened_in(path, encoding), newline="") as file:
        # csv's own limit of 131,072 characters a field would end a long document, and stays: a
        # stray quotation mark that takes in the rest of the file meets it.
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=quotes)
        line = 1
        try:
            header = next(reader, None)
            if header is None:
                raise KbertError(f"{path}: the file is empty")
            _check_columns(path, header)
            line = reader.line_num + 1
            for fields in reader:
                if len(fields) == len(header):
                    if quotes and _holds_rows(fields, delimiter):
                        _log.warning(
                            "%s, row %d: a field holds lines that look like rows: %.120r%s",
                            *(path, line, max(fields, key=len), _STRAY),
                        )
                    yield line, dict(zip(header, fields, strict=True))
                elif fields:
                    raise KbertError(
                        f"{path}, row {line}: {counted(len(fields), 'field')}, and the header "
                        f"names {len(header)}: {fields!r:.120}"
                        + (_STRAY if quotes and any("\n" in each for each in fields) else "")
                    )
                line = reader.line_num + 1
        except csv.Error as error:
            raise KbertError(f"{path}, row {line}: {error}{_STRAY if quotes else ''}") from error
        except UnicodeError as error:
            raise _no_such(path, encoding, line) from error


def _holds_rows(fields: list[str], delimiter: str) -> bool:
    """Whether a field takes in whole lines with as many delimiters as a row has.

    As a stray quotation mark does, up to the next one.
    """
    return any(
        line.count(delimiter) == len(fields) - 1
        for field in fields
        if field.count("\n") > 1
        for line in field.split("\n")[1:-1]
    )


_STRAY = "; if a quotation mark is part of a text, pass quotes=False, or double it"


def _opened_in(path: Path, encoding: str | None) -> str:
    """The encoding to read a file in: as asked, but without UTF-8's mark at its start."""
    if encoding is None:
        return _encoding_of(path)
    return "utf-8-sig" if lookup(encoding).name == "utf-8" else encoding


def _encoding_of(path: Path) -> str:
    """The first of ENCODINGS that the whole file is in.

    Raises:
        KbertError: if it is in none.
    """
    for encoding in ENCODINGS:
        try:
            with path.open(encoding=encoding) as file:
                while file.read(1 << 20):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    with path.open("rb") as file:
        is_utf_16 = file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)
    if is_utf_16:
        quotes = "" if path.suffix.lower() in (".csv", ".jsonl") else ", quotes=True"
        raise KbertError(
            f'{path}: is UTF-16, as Excel\'s "유니코드 텍스트" is: pass encoding="utf-16"{quotes}'
        )
    raise KbertError(f"{path}: is neither UTF-8 nor CP949; pass its encoding=...")


def _no_such(path: Path, encoding: str | None, row: int) -> KbertError:
    return KbertError(f"{path}: is no {encoding} behind row {row}: pass another encoding=...")


def _check_columns(where: Any, names: Sequence[str]) -> None:
    names = [composed(name) for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KbertError(f"{where}: two columns are called {twice[0]!r}")


def _jsonl_rows(path: Path, encoding: str | None) -> Iterator[tuple[int, Row]]:
    number = 0
    with path.open(encoding=_opened_in(path, encoding)) as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, read_json_object(line.encode(), f"{path}, row {number}")
        except UnicodeError as error:
            raise _no_such(path, encoding, number) from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    parquet = _import("pyarrow.parquet", path, "data")
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except KbertError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's own are of these
        raise KbertError(f"{path}: a damaged Parquet file ({error})") from error


def _excel_rows(path: Path) -> Iterator[tuple[int, Row]]:
    openpyxl = _import("openpyxl", path, "data")
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # zipfile's, XML's and openpyxl's own
        raise KbertError(f"{path}: no Excel file that can be read ({error})") from error
    rows = book.active.iter_rows(values_only=True)
    header = ["" if name is None else str(name) for name in next(rows, ())]
    _check_columns(path, [name for name in header if name])
    for number, fields in enumerate(rows, start=2):
        if any(field is not None for field in fields):
            yield number, dict(zip(header, fields, strict=False))
    book.close()


def _import(module: str, where: Path, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise KbertError(f"{where}: to read it takes {how_to_install(extra)} ({error})") from error
