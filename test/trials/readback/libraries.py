"""Writes tables with pandas, polars, DuckDB and pyarrow, reads them back with the same library, and says what it read.

One job a line comes in, one answer a line goes out. Columns come as texts with a flavour, which says what they are; how a
library stores them is drawn here. What cannot be stored so (300 as int8) is drawn again.

A column that was read is {"form", "values"}. Texts are told as they are, whole numbers and decimals in digits, instants in
nanoseconds since 1970 UTC, doubles as Python prints them, and floats as [shortest text, the same value as a double].
"""

import csv
import datetime
import decimal
import json
import os
import random
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
TEXT_KINDS = ("identifier", "string", "enum", "decimal")
PARSERS = {
    "text": str,
    "whole": int,
    "decimal": decimal.Decimal,
    "double": float,
    "boolean": lambda text: text == "true",
    "date": datetime.date.fromisoformat,
    "instant": int,
}


def parsed(column):
    parse = PARSERS[column["flavour"]]
    return [None if text is None else parse(text) for text in column["values"]]


def instants(values, unit):
    """numpy's datetimes of a unit; what is finer is cut."""
    lowest = np.iinfo(np.int64).min
    return np.array([lowest if v is None else v // NANOS[unit] for v in values], dtype=np.int64).view(f"datetime64[{unit}]")


def scale_of(values):
    return max([-v.as_tuple().exponent for v in values if v is not None] + [0])


# --- How each library can store a flavour: (what it is read from CSV as, the column) ----------------------------------

WHOLE_TYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def pandas_storages(flavour, values):
    def series(dtype, tag, of=values):
        return f"pandas {dtype}", tag, lambda: pd.Series(of, dtype=dtype)

    if flavour == "whole":
        for name in WHOLE_TYPES + ["Int8", "Int16", "Int32", "Int64", "UInt64", "int64[pyarrow]", "uint64[pyarrow]", "object"]:
            yield series(name, "whole")
        yield series("category", "whole")
        yield series("Int64", "whole")
        yield series("float64", "double", [None if v is None else float(v) for v in values])
        yield series("Float64", "double", [None if v is None else float(v) for v in values])
    if flavour in ("whole", "decimal"):
        decimals = [None if v is None else decimal.Decimal(v) for v in values]
        yield series("object", "decimal", decimals)
        type_ = pd.ArrowDtype(pa.decimal128(38, scale_of(decimals)))
        yield "pandas decimal128", "decimal", lambda: pd.Series(decimals, dtype=type_)
    if flavour in ("decimal", "double"):
        doubles = [None if v is None else float(v) for v in values]
        for name in ["float64", "float64", "Float64", "float32", "double[pyarrow]"]:
            yield series(name, "double", doubles)
    if flavour == "boolean":
        for name in ["bool", "boolean", "object", "bool[pyarrow]"]:
            if not (name == "bool" and None in values):
                yield series(name, "boolean")
    if flavour == "date":
        yield series("object", "date")
        yield series("date32[day][pyarrow]", "date")
        yield "pandas datetime64[s] at midnight", "instant", lambda: pd.Series(np.array(values, dtype="datetime64[D]").astype("datetime64[s]"))
    if flavour == "instant":
        for unit in NANOS:
            naive = lambda unit=unit: pd.Series(instants(values, unit))
            zone = ZONES[len(values) % len(ZONES)]
            yield f"pandas datetime64[{unit}]", "instant", naive
            yield f"pandas datetime64[{unit}, UTC]", "zoned", lambda naive=naive: naive().dt.tz_localize("UTC")
            yield f"pandas datetime64[{unit}, {zone}]", "zoned", lambda naive=naive: naive().dt.tz_localize("UTC").dt.tz_convert(zone)
            yield f"pandas timestamp[{unit}][pyarrow]", "zoned", lambda unit=unit: pd.Series(
                pa_instants(values, unit, "UTC"), dtype=pd.ArrowDtype(pa.timestamp(unit, "UTC")))
    if flavour == "text":
        for name in ["object", "str", "string", "category", "string[pyarrow]", "large_string[pyarrow]"]:
            yield series(name, "text")


def pa_instants(values, unit, zone=None):
    return pa.array([None if v is None else v // NANOS[unit] for v in values], pa.int64()).cast(pa.timestamp(unit, zone))


def polars_storages(flavour, values):
    def series(dtype, tag, of=values):
        return f"polars {dtype}", tag, lambda: pl.Series(of, dtype=dtype, strict=True)

    if flavour == "whole":
        for dtype in [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64]:
            yield series(dtype, "whole")
        yield series(pl.Float64, "double", [None if v is None else float(v) for v in values])
        yield series(pl.Decimal(38, 0), "decimal", [None if v is None else decimal.Decimal(v) for v in values])
    if flavour == "decimal":
        yield series(pl.Decimal(38, scale_of(values)), "decimal")
        yield series(pl.Decimal(18, scale_of(values)), "decimal")
    if flavour in ("decimal", "double"):
        doubles = [None if v is None else float(v) for v in values]
        yield series(pl.Float64, "double", doubles)
        yield series(pl.Float32, "double", doubles)
        if None in values and flavour == "double":
            yield "polars Float64 with NaN", "double", lambda: pl.Series([float("nan") if v is None else v for v in doubles], dtype=pl.Float64)
    if flavour == "boolean":
        yield series(pl.Boolean, "boolean")
    if flavour == "date":
        yield series(pl.Date, "date")
    if flavour == "instant":
        for unit in ["ms", "us", "ns"]:
            naive = lambda unit=unit: pl.Series([None if v is None else v // NANOS[unit] for v in values], dtype=pl.Int64).cast(pl.Datetime(unit))
            zone = ZONES[len(values) % len(ZONES)]
            yield f"polars Datetime({unit})", "instant", naive
            yield f"polars Datetime({unit}, UTC)", "zoned", lambda naive=naive: naive().dt.replace_time_zone("UTC")
            yield f"polars Datetime({unit}, {zone})", "zoned", lambda naive=naive, zone=zone: naive().dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    if flavour == "text":
        yield series(pl.String, "text")
        yield series(pl.Categorical, "text")
        yield series(pl.Enum(sorted({v for v in values if v is not None})), "text")


def pyarrow_storages(flavour, values):
    def array(type_, tag, of=values):
        return f"pyarrow {type_}", tag, lambda: pa.array(of, type_)

    if flavour == "whole":
        for name in WHOLE_TYPES + ["int64"]:
            yield array(pa.type_for_alias(name), "whole")
        yield "pyarrow dictionary of int64", "whole", lambda: pa.array(values, pa.int64()).dictionary_encode()
        yield array(pa.float64(), "double", [None if v is None else float(v) for v in values])
        yield array(pa.decimal128(38, 0), "decimal", [None if v is None else decimal.Decimal(v) for v in values])
    if flavour == "decimal":
        scale = scale_of(values)
        for type_ in [pa.decimal32, pa.decimal64, pa.decimal128, pa.decimal256]:
            most = {pa.decimal32: 9, pa.decimal64: 18, pa.decimal128: 38, pa.decimal256: 38}[type_]
            if scale <= most:
                yield array(type_(most, scale), "decimal")
    if flavour in ("decimal", "double"):
        doubles = [None if v is None else float(v) for v in values]
        yield array(pa.float64(), "double", doubles)
        yield array(pa.float32(), "double", doubles)
        yield "pyarrow halffloat", "double", lambda: pa.array([None if v is None else np.float16(v) for v in doubles], pa.float16())
        if None in values:
            yield array(pa.float64(), "double", [float("nan") if v is None else v for v in doubles])
    if flavour == "boolean":
        yield array(pa.bool_(), "boolean")
    if flavour == "date":
        yield array(pa.date32(), "date")
        yield array(pa.date64(), "date")
    if flavour == "instant":
        for unit in NANOS:
            for zone in [None, "UTC", ZONES[len(values) % len(ZONES)], "+05:30"]:
                yield f"pyarrow timestamp[{unit}, {zone}]", "zoned" if zone else "instant", lambda unit=unit, zone=zone: pa_instants(values, unit, zone)
    if flavour == "text":
        for type_ in [pa.string(), pa.large_string(), pa.string_view()]:
            yield array(type_, "text")
        yield "pyarrow dictionary of string", "text", lambda: pa.array(values, pa.string()).dictionary_encode()
        yield "pyarrow dictionary of large_string", "text", lambda: pa.array(values, pa.large_string()).dictionary_encode()


def duckdb_storages(flavour, values):
    """DuckDB casts texts itself: a column is (type, texts)."""
    def cast(type_, tag, texts=None):
        written = [None if v is None else str(v) for v in values] if texts is None else texts
        return f"duckdb {type_}", tag, lambda: checked_cast(type_, written)

    if flavour == "whole":
        for name in ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"]:
            yield cast(name, "whole")
        yield cast("DECIMAL(38,0)", "decimal")
        yield cast("DOUBLE", "double")
    if flavour == "decimal":
        scale = scale_of(values)
        for digits in [9, 18, 38]:
            if scale <= digits:
                yield cast(f"DECIMAL({digits},{scale})", "decimal")
    if flavour in ("decimal", "double"):
        yield cast("DOUBLE", "double")
        yield cast("FLOAT", "double")
        if None in values:
            yield cast("DOUBLE", "double", ["nan" if v is None else str(v) for v in values])
    if flavour == "boolean":
        yield cast("BOOLEAN", "boolean")
    if flavour == "date":
        yield cast("DATE", "date")
    if flavour == "instant":
        for name, unit in [("TIMESTAMP_S", "s"), ("TIMESTAMP_MS", "ms"), ("TIMESTAMP", "us"), ("TIMESTAMP_NS", "ns")]:
            yield cast(name, "instant", instant_texts(values, unit))
        yield cast("TIMESTAMPTZ", "zoned", [None if t is None else t + "+00" for t in instant_texts(values, "us")])
    if flavour == "text":
        yield cast("VARCHAR", "text")
        members = sorted({v for v in values if v is not None})
        listed = ", ".join("'" + member.replace("'", "''") + "'" for member in members)
        if members:
            yield cast(f"ENUM({listed})", "text")


def instant_texts(values, unit):
    cut = [None if v is None else v // NANOS[unit] * NANOS[unit] for v in values]
    day = lambda v: (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=v // 10**9)).isoformat(" ")
    return [None if v is None else f"{day(v)}.{v % 10**9:09d}" for v in cut]


# What is too large for a small float is an infinity.
np.seterr(over="ignore")
CONNECTION = duckdb.connect()
CONNECTION.execute("SET TimeZone = 'Europe/Berlin'")


def checked_cast(type_, texts):
    CONNECTION.register("raw", pa.table({"c": pa.array(texts, pa.string())}))
    CONNECTION.execute(f"SELECT CAST(c AS {type_}) FROM raw").fetchall()
    return type_, texts


# --- Writing and reading: each gives what was said of the file, and the columns by name -------------------------------


def pandas_frame(columns):
    return pd.DataFrame({name: column.rename(name) for name, column in columns.items()})


def write_pandas_parquet(path, columns, rng):
    options = {
        "compression": rng.choice(["snappy", "zstd", "gzip", "brotli", "lz4", None]),
        "row_group_size": rng.choice([None, 3, 10]),
        "use_dictionary": rng.choice([True, False]),
        "index": rng.choice([None, False, True]),
    }
    options.update(rng.choice([{}, {}, {"use_deprecated_int96_timestamps": True}, {"version": "1.0", "allow_truncated_timestamps": True, "coerce_timestamps": "us"}, {"version": "2.4"}]))
    frame = pandas_frame(columns)
    if rng.random() < 0.2:
        frame["an extra column"] = pd.to_timedelta(range(len(frame)), unit="s")
        options["index"] = None
    frame.to_parquet(path, **options)
    return options


def read_pandas_parquet(path):
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    return {name: arrow_cells(pa.Array.from_pandas(frame[name])) for name in frame.columns}


def write_polars_parquet(path, columns, rng):
    options = {
        "compression": rng.choice(["zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"]),
        "row_group_size": rng.choice([None, 3, 10]),
    }
    frame = pl.DataFrame(columns)
    if rng.random() < 0.2:
        frame = frame.with_columns(pl.lit([1, 2]).alias("an extra column"))
    frame.write_parquet(path, **options)
    return options


def read_polars_parquet(path):
    frame = pl.read_parquet(path, hive_partitioning=False)
    return {name: polars_cells(frame[name]) for name in frame.columns}


def write_pyarrow_parquet(path, columns, rng):
    options = {
        "compression": rng.choice(["snappy", "zstd", "gzip", "brotli", "lz4", "none"]),
        "row_group_size": rng.choice([None, 3, 10]),
        "use_dictionary": rng.choice([True, False]),
        "data_page_version": rng.choice(["1.0", "2.0"]),
        "version": rng.choice(["1.0", "2.4", "2.6"]),
        "store_schema": rng.choice([True, False]),
        "use_deprecated_int96_timestamps": rng.random() < 0.1,
        "store_decimal_as_integer": rng.random() < 0.3,
    }
    table = pa.table(columns)
    if rng.random() < 0.2:
        table = table.append_column("an extra column", pa.array([b"\xff"] * len(table)))
    pa.parquet.write_table(table, path, **options)
    return options


def read_pyarrow_parquet(path):
    table = pa.parquet.read_table(path, partitioning=None)
    return {name: arrow_cells(table[name]) for name in table.column_names}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def select_of(columns):
    table = pa.table({f"c{i}": pa.array(texts, pa.string()) for i, (_, texts) in enumerate(columns.values())})
    CONNECTION.register("raw", table)
    casts = [f"CAST(c{i} AS {columns[name][0]}) AS {quoted(name)}" for i, name in enumerate(columns)]
    return f"SELECT {', '.join(casts)} FROM raw"


def copied(path, columns, options):
    CONNECTION.execute(f"COPY ({select_of(columns)}) TO '{path}' ({', '.join(options)})")
    return options


def write_duckdb_parquet(path, columns, rng):
    options = [
        "FORMAT parquet",
        f"COMPRESSION {rng.choice(['snappy', 'zstd', 'gzip', 'brotli', 'lz4_raw', 'uncompressed'])}",
        f"PARQUET_VERSION {rng.choice(['V1', 'V2'])}",
    ]
    return copied(path, columns, options)


def read_duckdb_parquet(path):
    return duckdb_cells(f"read_parquet('{path}', hive_partitioning = false)")


def write_pandas_csv(path, columns, rng):
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    options = {
        "quoting": quoting,
        "na_rep": rng.choice(["", "", "", "NULL", "NaN", "<NA>"]),
        "float_format": rng.choice([None, None, None, "%.2f", "%.17g", "%g", "%.3e"]),
        "date_format": rng.choice([None, None, None, "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M:%S"]),
        "sep": rng.choice([",", ",", ";", "\t", "|"]),
        "lineterminator": rng.choice(["\n", "\r\n"]),
        "encoding": rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16-le"]),
        "index": rng.random() < 0.3,
    }
    if rng.random() < 0.1:
        options.update({"doublequote": False, "escapechar": "\\"})
    pandas_frame(columns).to_csv(path, **options)
    return options


def pandas_csv_arguments(options):
    arguments = csv_arguments(options["sep"], '"', options.get("escapechar", '"'))
    if options["encoding"] == "utf-16-le":
        arguments += ["--encoding", "utf-16le"]
    nothing = options["na_rep"]
    # What is printed in quotes is a text; it says that a value is missing only because pandas means it so.
    is_quoted = options["quoting"] in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
    return arguments + (["--null", nothing] if nothing != "" or is_quoted else [])


def read_pandas_csv(path, options, targets):
    dtypes = {"text": "string", "whole": "Int64", "large": "UInt64", "double": "float64", "boolean": "boolean"}
    frame = pd.read_csv(
        path,
        sep=options["sep"],
        dtype={name: dtypes.get(target, "string") for name, target in targets.items()},
        keep_default_na=False,
        # Without quotes pandas writes nothing for an empty text, too.
        na_values=[options["na_rep"]] + ([""] if options["quoting"] == csv.QUOTE_MINIMAL else []),
        encoding={"utf-8": "utf-8", "utf-8-sig": "utf-8-sig", "utf-16-le": "utf-16-le"}[options["encoding"]],
        **{name: options[name] for name in ["doublequote", "escapechar"] if name in options},
    )
    return {name: pandas_cells(frame[name], target) for name, target in targets.items()}


def pandas_cells(series, target):
    if target in ("instant", "zoned"):
        # Each by itself: a column of several precisions has no one unit.
        texts = [None if value is pd.NA else pd.Timestamp(value) for value in series]
        is_zoned = any(t is not None and t.tz is not None for t in texts)
        nanos = lambda t: int(t.to_datetime64().astype("datetime64[us]").astype(np.int64)) * 1000 + t.nanosecond
        return told("zoned" if is_zoned else "instant", texts, lambda t: str(nanos(t)))
    values = [None if pd.isna(value) else value for value in series]
    if target == "boolean":
        return cells("boolean", [None if v is None else str(bool(v)).lower() for v in values])
    if target in ("whole", "large"):
        return cells("whole", [None if v is None else str(int(v)) for v in values])
    return cells(target, [None if v is None else repr(float(v)) if target == "double" else str(v) for v in values])


def write_polars_csv(path, columns, rng):
    options = {
        "separator": rng.choice([",", ",", ";", "\t"]),
        "quote_style": rng.choice(["necessary", "necessary", "always", "non_numeric"]),
        "null_value": rng.choice([None, None, "NA", "\\N"]),
        "float_scientific": rng.choice([None, None, True, False]),
        "float_precision": rng.choice([None, None, 2, 17]),
        "line_terminator": rng.choice(["\n", "\r\n"]),
        "include_bom": rng.random() < 0.2,
    }
    pl.DataFrame(columns).write_csv(path, **options)
    return options


def polars_csv_arguments(options):
    nothing = options["null_value"]
    return csv_arguments(options["separator"], '"', '"') + ([] if nothing is None else ["--null", nothing])


def read_polars_csv(path, options, targets):
    dtypes = {"whole": pl.Int64, "large": pl.UInt64, "double": pl.Float64, "boolean": pl.Boolean}
    frame = pl.read_csv(
        path,
        separator=options["separator"],
        schema={name: dtypes.get(target, pl.String) for name, target in targets.items()},
        null_values=options["null_value"],
        eol_char="\n",
    )
    for name, target in targets.items():
        if target in ("instant", "zoned"):
            zone = "%z" if target == "zoned" else ""
            # By its series: as a name of a column, "*" would be all of them.
            frame = frame.with_columns(frame[name].str.to_datetime(f"%Y-%m-%dT%H:%M:%S%.f{zone}", time_unit="ns"))
    return {name: {**polars_cells(frame[name]), "form": "whole" if target == "large" else target} for name, target in targets.items()}


def write_duckdb_csv(path, columns, rng):
    options = ["FORMAT csv", "HEADER"]
    options += rng.choice([[], [], ["DELIMITER ';'"], ["DELIMITER '\t'"], ["DELIMITER '|'"]])
    options += rng.choice([[], [], ["FORCE_QUOTE *"], ["NULLSTR 'NULL'"], ["NULLSTR '\\N'"], ["ESCAPE '\\'"]])
    options += rng.choice([[], [], [], ["TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"], ["TIMESTAMPFORMAT '%d/%m/%Y %H:%M:%S'"]])
    return copied(path, columns, options)


def duckdb_option(options, name, default):
    return next((option[len(name) + 2 : -1] for option in options if option.startswith(f"{name} '")), default)


def duckdb_csv_arguments(options):
    nothing = duckdb_option(options, "NULLSTR", "")
    arguments = csv_arguments(duckdb_option(options, "DELIMITER", ","), '"', duckdb_option(options, "ESCAPE", '"'))
    return arguments + (["--null", nothing] if nothing else [])


def read_duckdb_csv(path, options, targets):
    types = {"whole": "BIGINT", "large": "UBIGINT", "double": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "instant": "TIMESTAMP_NS", "zoned": "TIMESTAMPTZ"}
    literal = lambda text: "'" + text.replace("'", "''") + "'"
    columns = ", ".join(f"{literal(name)}: '{types.get(target, 'VARCHAR')}'" for name, target in targets.items())
    quote = "'" + duckdb_option(options, "ESCAPE", '"') + "'"
    nothing = duckdb_option(options, "NULLSTR", "")
    return duckdb_cells(
        f"read_csv('{path}', auto_detect = false, header = true, columns = {{{columns}}}, quote = '\"', escape = {quote}, "
        f"delim = '{duckdb_option(options, 'DELIMITER', ',')}', nullstr = [{literal(nothing)}, ''], allow_quoted_nulls = {nothing != ''}"
        ")"
    )


def write_pyarrow_csv(path, columns, rng):
    options = {"delimiter": rng.choice([",", ",", ";", "\t"]), "quoting_style": rng.choice(["needed", "needed", "all_valid"])}
    pa.csv.write_csv(pa.table(columns), path, pa.csv.WriteOptions(**options))
    return options


def pyarrow_csv_arguments(options):
    return csv_arguments(options["delimiter"], '"', '"')


def read_pyarrow_csv(path, options, targets):
    types = {"whole": pa.int64(), "large": pa.uint64(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
             "instant": pa.timestamp("ns"), "zoned": pa.timestamp("ns", "UTC")}
    convert = pa.csv.ConvertOptions(
        column_types={name: types.get(target, pa.string()) for name, target in targets.items()},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    parse = pa.csv.ParseOptions(delimiter=options["delimiter"], newlines_in_values=True)
    table = pa.csv.read_csv(path, parse_options=parse, convert_options=convert)
    return {name: arrow_cells(table[name]) for name in table.column_names}


def csv_arguments(delimiter, quote, escape):
    delimiter = "\\t" if delimiter == "\t" else delimiter
    return (["--delimiter", delimiter] if delimiter != "," else []) + (["--escape", escape] if escape != quote else [])


# --- What was read ----------------------------------------------------------------------------------------------------


def cells(form, values):
    return {"form": form, "values": values}


def told(form, values, tell):
    return cells(form, [None if value is None else tell(value) for value in values])


def float_text(value):
    return [repr(value.item()) if value.dtype == np.float64 else str(value), repr(float(value))]


def arrow_cells(array):
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return arrow_cells((array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array).dictionary_decode())
    if pa.types.is_timestamp(type_):
        factor = NANOS[type_.unit]
        return told("zoned" if type_.tz else "instant", array.cast(pa.int64()).to_pylist(), lambda v: str(v * factor))
    values = array.to_pylist()
    if pa.types.is_null(type_):
        return cells("none", values)
    if pa.types.is_integer(type_):
        return told("whole", values, str)
    if pa.types.is_decimal(type_):
        return told("decimal" if type_.scale > 0 else "whole", values, lambda v: format(v, "f"))
    if pa.types.is_float64(type_):
        return told("double", values, repr)
    if pa.types.is_floating(type_):
        small = np.float32 if pa.types.is_float32(type_) else np.float16
        return told("float", values, lambda v: float_text(small(v)))
    if pa.types.is_boolean(type_):
        return told("boolean", values, lambda v: str(v).lower())
    if pa.types.is_date(type_):
        return told("date", values, lambda v: v.isoformat())
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return cells("text", values)
    return cells("other", [None if value is None else "" for value in values])


def polars_cells(series):
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        factor = NANOS[dtype.time_unit]
        return told("zoned" if dtype.time_zone else "instant", series.cast(pl.Int64).to_list(), lambda v: str(v * factor))
    if dtype in (pl.Categorical, pl.Enum):
        return polars_cells(series.cast(pl.String))
    values = series.to_list()
    if dtype == pl.Null:
        return cells("none", values)
    if dtype.is_integer():
        return told("whole", values, str)
    if dtype.is_decimal():
        return told("decimal" if dtype.scale > 0 else "whole", values, lambda v: format(v, "f"))
    if dtype == pl.Float64:
        return told("double", values, repr)
    if dtype == pl.Float32:
        return told("float", values, lambda v: float_text(np.float32(v)))
    if dtype == pl.Boolean:
        return told("boolean", values, lambda v: str(v).lower())
    if dtype == pl.Date:
        return told("date", values, lambda v: v.isoformat())
    return cells("text", values) if dtype == pl.String else cells("other", [None if value is None else "" for value in values])


def duckdb_cells(relation):
    described = CONNECTION.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    found = {}
    for name, type_, *_ in described:
        column = quoted(name)
        sql = column
        if type_ == "TIMESTAMP_NS":
            sql = f"epoch_ns({column})"
        elif type_.startswith("TIMESTAMP"):
            sql = f"epoch_us({column})::HUGEINT * 1000"
        elif type_ in ("UUID", "DATE"):
            sql = f"{column}::VARCHAR"
        values = [row[0] for row in CONNECTION.execute(f"SELECT {sql} FROM {relation}").fetchall()]
        found[name] = duckdb_told(type_, values)
    return found


def duckdb_told(type_, values):
    if type_.startswith("TIMESTAMP"):
        return told("zoned" if type_.endswith("ZONE") else "instant", values, str)
    if type_.endswith("INT") or type_ == "INTEGER" or type_ == "UINTEGER":
        return told("whole", values, str)
    if type_.startswith("DECIMAL"):
        return told("whole" if type_.endswith(",0)") else "decimal", values, lambda v: format(v, "f"))
    if type_ == "DOUBLE":
        return told("double", values, repr)
    if type_ == "FLOAT":
        return told("float", values, lambda v: float_text(np.float32(v)))
    if type_ == "BOOLEAN":
        return told("boolean", values, lambda v: str(v).lower())
    if type_ == "DATE":
        return cells("date", values)
    return cells("text", values) if type_ in ("VARCHAR", "UUID") or type_.startswith("ENUM") else cells("other", values)


LIBRARIES = {
    "pandas": (pandas_storages, write_pandas_parquet, read_pandas_parquet, write_pandas_csv, read_pandas_csv, pandas_csv_arguments),
    "polars": (polars_storages, write_polars_parquet, read_polars_parquet, write_polars_csv, read_polars_csv, polars_csv_arguments),
    "duckdb": (duckdb_storages, write_duckdb_parquet, read_duckdb_parquet, write_duckdb_csv, read_duckdb_csv, duckdb_csv_arguments),
    "pyarrow": (pyarrow_storages, write_pyarrow_parquet, read_pyarrow_parquet, write_pyarrow_csv, read_pyarrow_csv, pyarrow_csv_arguments),
}


# --- Jobs -------------------------------------------------------------------------------------------------------------


def stored(column, storages, rng):
    """The column as the library holds it: the first of its storages, in random order, that can."""
    values = parsed(column)
    ways = list(storages(column["flavour"], values))
    rng.shuffle(ways)
    failed = []
    for label, tag, build in ways:
        try:
            return label, tag, build()
        except Exception as error:
            failed.append(f"{label}: {error}")
    raise ValueError(f"nothing holds {column}: {failed}")


def target_of(kind, tag, values, options):
    """What a column of CSV is read as: what the field needs, and the type that was written, where CSV still says it."""
    # With a format of its own a file says less, or more, than its columns did.
    form = options.get("date_format") if isinstance(options, dict) else duckdb_option(options, "TIMESTAMPFORMAT", None)
    is_foreign = form is not None and not form.startswith("%Y-%m-%d %H") and not form.endswith("%z")
    allowed = {
        "boolean": ["boolean"],
        "integer": ["whole", "double"],
        "double": ["whole", "double"],
        "timestamp": ["whole", "date"] + ([] if is_foreign else ["instant", "zoned"]),
    }.get(kind, [])
    if tag not in allowed:
        return "text"
    # Readers of nanoseconds end in 2262.
    if tag in ("instant", "zoned") and any((text or "").isdigit() and int(text) >= 2**63 for text in values):
        return "text"
    if tag == "whole":
        numbers = [int(text) for text in values if text is not None]
        return "large" if max(numbers, default=0) >= 2**63 else "whole"
    return tag


def written(library, format_, path, columns, rng):
    storages, write_parquet, read_parquet, write_csv, read_csv, arguments_of = LIBRARIES[library]
    held = {column["name"]: stored(column, storages, rng) for column in columns}
    series = {name: column for name, (_, _, column) in held.items()}
    said = {name: label for name, (label, _, _) in held.items()}
    if format_ == "parquet":
        options = write_parquet(path, series, rng)
        return {"said": [str(options), said], "arguments": [], "columns": read_parquet(path)}
    options = write_csv(path, series, rng)
    targets = {column["name"]: target_of(column["kind"], held[column["name"]][1], column["values"], options) for column in columns}
    read = read_csv(path, options, targets)
    return {"said": [str(options), said], "arguments": arguments_of(options), "columns": read}


def answer(job):
    rng = random.Random(job["seed"])
    library = rng.choice(list(LIBRARIES))
    format_ = rng.choice(["parquet", "parquet", "csv"])
    failed = []
    for _ in range(20):
        # Some types have no way into some formats: a view of strings none into CSV.
        try:
            events = os.path.join(job["folder"], f"events.{format_}")
            spine = os.path.join(job["folder"], "spine.parquet")
            made = {
                "events": {"path": events, **written(library, format_, events, job["events"], rng)},
                "spine": {"path": spine, **written(library, "parquet", spine, job["spine"], rng)},
            }
            return {"library": library, "format": format_, **made}
        except Exception as error:
            failed.append(f"{type(error).__name__}: {error}"[:300])
    raise ValueError(f"{library} writes no {format_} of seed {job['seed']}: {failed}")


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
