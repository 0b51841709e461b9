import { describe, expect, it } from 'vitest';
import { type Column, parquetOf } from '../../../../shared/offline/athena/columns.ts';
import { spineColumnsOf } from '../../../../shared/offline/athena/spine.ts';
import { SpineError } from '../../../../shared/offline/offline-store.ts';

const column = (name: string): Column => ({ name, kind: 'text', cells: ['a', 'b'] });
const whole = Buffer.from(parquetOf([column('first'), column('second')]));
const read = (bytes: Buffer) => spineColumnsOf('s3://history/spines/x', new Uint8Array(bytes).buffer);

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(whole);
  change(bytes);
  return bytes;
}

describe('Parquet of a spine', () => {
  it('that is whole is read', async () => {
    expect((await read(whole)).map(({ cells }) => cells)).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it.each<[string, Buffer]>([
    ['is empty', Buffer.alloc(0)],
    ['breaks off', whole.subarray(0, -20)],
    ['has a page that is none', changed((bytes) => bytes.fill(255, 4, 24))],
    [
      'names a column that it does not have, after one whose page is none',
      changed((bytes) => {
        bytes.fill(255, 4, 24);
        bytes.write('s3cond', bytes.lastIndexOf('second'));
      }),
    ],
  ])('that %s is refused in a sentence, and nothing fails beside it', async (_what, bytes) => {
    const error = await read(bytes).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SpineError);
    expect(String(error)).toMatch(/write it again/);
    expect(String(error)).not.toMatch(/undefined|bounds/);
  });
});
