import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROJECT_ROOT } from '../../localstack/child-process.ts';
import { blocksOf, documentPaths, proseOf, readDocument } from './blocks.ts';
import { codeOf, flagsIn, knownFlags, problemsOf, referencesIn, spanProblems } from './references.ts';

const documents = documentPaths().map((path) => {
  const markdown = readDocument(path);
  const blocks = blocksOf(path, markdown);
  return { path, markdown, blocks, spans: codeOf(proseOf(path, markdown)) };
});

/** @returns what bash says of a script that it cannot read. */
function syntaxError(script: string): string | undefined {
  try {
    execFileSync('bash', ['-n'], { input: script, stdio: 'pipe', encoding: 'utf8' });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

describe('the commands that documents name', () => {
  it('exist, with their verbs and options', async () => {
    const problems: string[] = [];
    let count = 0;
    for (const { path, blocks, spans } of documents) {
      const texts = [...spans, ...blocks.map(({ text }) => text.replaceAll('\\\n', ' '))];
      const references = texts.flatMap(referencesIn);
      count += references.length;
      const found = await Promise.all(references.map(problemsOf));
      problems.push(...found.flat().map((problem) => `${path}: ${problem}`));
      problems.push(...spans.flatMap(spanProblems).map((problem) => `${path}: ${problem}`));
    }
    const known = await knownFlags();
    for (const { path, spans } of documents) {
      const alone = spans.filter((span) => span.startsWith('--')).map((span) => span.split(' '));
      const unknown = alone.flatMap(flagsIn).filter((flag) => !known.has(flag));
      problems.push(...unknown.map((flag) => `${path}: no command has the option ${flag}`));
    }
    expect(problems).toEqual([]);
    expect(count).toBeGreaterThan(20);
  });

  it.each([
    ['npm run nothing', 'there is no script nothing'],
    ['npm run cli -- imports --from x', 'feature-store has no command "imports"'],
    ['npm run cli -- import --source x --form y', 'import has no option --form'],
    ['npm run cli -- config sets', 'config has no command "sets"'],
    ['npm start -- --twice', 'start has no option --twice'],
    ['npm run trial -- nothing', 'trial does not know "nothing"'],
  ])('%s is found to be wrong', async (text, problem) => {
    const [reference] = referencesIn(text);
    expect(reference && (await problemsOf(reference))).toEqual([problem]);
  });

  it('are found in inline code, over lines, and in what is indented', () => {
    expect(codeOf('see `npm run\nnothing`, or\n\n    npm run none\n')).toEqual(['npm run nothing', 'npm run none']);
    expect(spanProblems('config sets x')).toEqual(['config has no command "sets"']);
    expect(spanProblems('config.ts')).toEqual([]);
  });

  it('of test runs have files', () => {
    const paths = documents.flatMap(({ spans }) =>
      spans.flatMap((span) => [...span.matchAll(/\bvitest run (\S+)/g)].map(([, path = '']) => path)),
    );
    expect(paths.length).toBeGreaterThan(2);
    expect(paths.filter((path) => !existsSync(join(PROJECT_ROOT, path)))).toEqual([]);
  });
});

describe('shell of documents', () => {
  it('can be read by bash, in blocks and in prose', () => {
    const problems: string[] = [];
    let count = 0;
    for (const { path, blocks, spans } of documents) {
      const commands = spans.filter((span) => /^(?:aws|npm|npx|cdk) /.test(span));
      for (const script of [
        ...blocks.filter(({ language }) => language === 'sh').map(({ text }) => text),
        ...commands,
      ]) {
        count++;
        const error = syntaxError(script);
        if (error !== undefined) problems.push(`${path}: ${script}\n${error}`);
      }
    }
    expect(problems).toEqual([]);
    expect(count).toBeGreaterThan(30);
  });

  it('is found when bash cannot read it', () => {
    expect(syntaxError('aws logs tail "$(log_group "$SERVE" --since 15m')).toContain('unexpected EOF');
  });
});
