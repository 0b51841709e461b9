import { describe, expect, it } from 'vitest';
import { reasonOfLibrary, UnusableColumnsError } from '../../../shared/offline/library-reason.ts';

describe('what a library says of a file', () => {
  it.each([
    [
      'DuckDB',
      new Error("Invalid Input Error: No magic bytes found at end of file 'x.parquet'\nand more"),
      "it is no Parquet; write it with pandas' to_parquet(), say",
    ],
    [
      'DuckDB, of a text',
      new Error(
        'Invalid Input Error: Invalid string encoding found in Parquet file "x": value "4111\\xA8" is not valid UTF8!',
      ),
      'its texts must be UTF-8; write it again with its texts decoded',
    ],
    [
      'DuckDB, of a value',
      new Error("Conversion Error: Could not convert string '4111' to INT32"),
      'Could not convert; write it again, or copy it again',
    ],
    ['DuckDB, twice', new Error('IO Error: TProtocolException: Invalid data'), /^Invalid data; write it again/],
    [
      'zlib',
      Object.assign(new Error('incorrect header check'), { code: 'Z_DATA_ERROR' }),
      /^incorrect header check; write/,
    ],
    ['the runtime', new RangeError('Invalid array length'), /^it is damaged, or something else; write it again/],
    ['what is no error', 'x', /^it is damaged/],
    [
      'our own words',
      new UnusableColumnsError('column "a" is a decimal of 39 digits; cast it'),
      /^column "a" is a decimal of 39 digits; cast it$/,
    ],
  ])('is told without the name of its error: %s', (_whose, error, reason) => {
    const told = reasonOfLibrary(error);
    if (typeof reason === 'string') expect(told).toBe(reason);
    else expect(told).toMatch(reason);
  });
});
