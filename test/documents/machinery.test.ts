import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { blocksOf, commandsOf, proseOf } from './blocks.ts';
import { runBlock } from './run-documents.ts';
import { Session } from './session.ts';
import { shapeDifference } from './shape.ts';

const fence = '```';

describe('the blocks of a document', () => {
  const text = `a\n\n${fence}console\n$ one \\\n  two\nout\n\n$ three\n${fence}\n\nb\n\n${fence}\nx\n${fence}\n`;

  it('are found with their place and language', () => {
    expect(blocksOf('d.md', text)).toMatchObject([
      { line: 3, language: 'console' },
      { line: 13, language: '', text: 'x' },
    ]);
    expect(proseOf('d.md', text).replaceAll(/\n+/g, ' ')).toBe('a b ');
  });

  it('have commands over several lines, each with its output', () => {
    const [block] = blocksOf('d.md', text);
    expect(block && commandsOf(block)).toEqual([
      { command: 'one \\\n  two', output: 'out\n' },
      { command: 'three', output: '' },
    ]);
  });

  it('are refused when nothing closes one, or output stands before any command', () => {
    expect(() => blocksOf('d.md', `a\n${fence}console\n$ true\n`)).toThrow('d.md:2: nothing closes this fence');
    const [block] = blocksOf('d.md', `${fence}console\nout\n$ true\n${fence}`);
    expect(() => block && commandsOf(block)).toThrow('d.md:1: output comes before the first command');
  });
});

describe('the shape of an output', () => {
  const json =
    '{"decision":"review","score":0.0021,\n "features":{"tx_count_1min":1,…,"is_burst":false},…,"id":"0190a5f0-12ab-7000-8000-000000000001"}';
  const answer =
    '{"decision":"review","score":1.5e-7,"features":{"tx_count_1min":12,"a":1,"b":null,"is_burst":false},"x":[],"id":"79"}';

  it.each([
    [
      '✔ Deploy  both stacks, version fd26e85f305ee5a4 14.1 s',
      '✔ Deploy     both stacks, version 0123456789abcdef 8 s',
    ],
    ['│ a   │ 1 │', '┌────┬───┐\n│ a │ 2,345.6 │\n└────┴───┘'],
    ['at 2026-11-21T01:50:34.000Z, 1,200 of user-9999', 'at 2027-01-01T00:00:00.123Z, 7 of user-1'],
    ['one\n…\nlast', '> package@1.0.0 cli\n> node cli.js\n\none\ntwo\nthree\nlast'],
    ['\u2714 done', '\u001b[32m\u2714\u001b[39m done'],
    ['', ''],
    [json, answer],
  ])('of %j is that of %j', (document, output) => {
    expect(shapeDifference(document, output)).toBeUndefined();
  });

  it.each([
    ['a wrong word', json, answer.replace('review', 'block')],
    ['a missing key', json, answer.replace('"is_burst":false', '')],
    ['another key', json, answer.replace('"score"', '"total"')],
    ['another order of keys', '{"a":1,…,"b":2}', '{"b":1,"a":2}'],
    ['another window in a name', 'tx_count_1min', 'tx_count_5min'],
    ['a key too many', '{"a":1}', '{"a":1,"b":2}'],
    ['null for a number', '{"a":1}', '{"a":null}'],
    ['an end that is missing', 'one\n…\nlast', 'one\ntwo'],
    ['more after the end', 'one\n…\nlast', 'one\nlast\nmore'],
    ['a begin that is missing', 'one\n…', 'zero\none'],
    ['one line for two', 'same … same', 'same'],
    ['an output where none is shown', '', 'something'],
    ['no output where some is shown', 'something', ''],
  ])('differs by %s', (_, document, output) => {
    expect(shapeDifference(document, output)).toContain('the document has');
  });

  it('says where it differs', () => {
    expect(shapeDifference('a b c\n…', 'a x c')).toBe('the document has "a b c" where the output has "a x c"');
  });
});

describe('a block in a shell', () => {
  const session = new Session({ directory: tmpdir(), environment: { GREETING: 'hello' } });
  afterAll(() => session.end());
  const problemsOf = async (...lines: string[]) => {
    const [block] = blocksOf('d.md', [`${fence}console`, ...lines, fence].join('\n'));
    return block && runBlock(session, block);
  };

  it('runs as it is printed, with what those before it have set', async () => {
    expect(await problemsOf('$ NAME=world')).toEqual([]);
    expect(await problemsOf('$ echo "$GREETING $NAME \\', '  12"', 'hello world 5')).toEqual([]);
  });

  it('is a problem when a command fails, whatever it prints', async () => {
    expect(await problemsOf('$ echo out; false', 'out')).toEqual(['d.md:1: echo out; false\n  ended with 1: out']);
    expect(await problemsOf('$ no-such-command')).toEqual([expect.stringContaining('ended with 127')]);
  });

  it('is a problem when it prints something else', async () => {
    expect(await problemsOf('$ echo one', 'two')).toEqual([expect.stringContaining('the document has "two"')]);
    expect(await problemsOf('$ echo one >&2', 'one')).toEqual([]);
  });

  it('cannot read what comes after it', async () => {
    expect(await problemsOf('$ cat', '$ echo still here', 'still here')).toEqual([]);
  });

  it('may leave something running, which ends with the shell', async () => {
    const own = new Session({ directory: tmpdir() });
    const started = await own.start('echo $BASHPID; echo ready; sleep 600', 'ready');
    expect(started.exitCode).toBe(0);
    const processId = Number(started.output.split('\n')[0]);
    expect(process.kill(processId, 0)).toBe(true);
    await own.end();
    expect(() => process.kill(processId, 0)).toThrow('ESRCH');
  });

  it('is a problem when what should keep running ends', async () => {
    const own = new Session({ directory: tmpdir() });
    expect(await own.start('echo failed', 'ready')).toEqual({ output: 'failed\n', exitCode: 1 });
    await own.end();
  });

  it('is a problem when the shell cannot read it', async () => {
    const own = new Session({ directory: tmpdir() });
    expect(await own.run('echo "')).not.toMatchObject({ exitCode: 0 });
    await own.end();
  });
});
