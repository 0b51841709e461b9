import { dirname, relative, resolve } from 'node:path';
import type { Replay } from './replay.ts';

const iso = (millis: number) => JSON.stringify(new Date(millis).toISOString());

/** A value as TypeScript, one member in a line where there are several. */
function literal(value: object, indent: string): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', `\n${indent}`);
}

/** The text of a test for `node --test`, in a file of this name. */
export function testFileText(
  replay: Replay,
  files: { readonly output: string; readonly features: string; readonly model: string | undefined },
): string {
  const { service, decided, sent, decidedAtMillis, mode, features, rules, decision, score, unexpected } = replay;
  const folder = dirname(resolve(files.output));
  const relativeTo = (file: string) => {
    const path = relative(folder, resolve(file)).replaceAll('\\', '/');
    return JSON.stringify(path.startsWith('.') ? path : `./${path}`);
  };
  const clock = Math.min(decidedAtMillis, ...sent.map(({ atMillis }) => atMillis));
  const model = files.model === undefined ? '' : `, model: new URL(${relativeTo(files.model)}, import.meta.url)`;
  const events = sent.map(
    ({ atMillis, source, event }) => `    [${iso(atMillis)}, ${JSON.stringify(source)}, ${JSON.stringify(event)}],\n`,
  );
  return `/** A decision as it was served. "feature-store test create" wrote it; it is yours to change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testStore } from 'fraud-feature-store/testing';
import { repository } from ${relativeTo(files.features)};

test(${JSON.stringify(`${service} decides as it did on ${new Date(decidedAtMillis).toISOString()}`)}, async () => {
  const store = testStore(repository, { clock: ${iso(clock)}${model} });
  // What had been counted of its entities: when, of which source, and the event.
  const events: [string, string, Record<string, unknown>][] = [
${events.join('')}  ];
  for (const [instant, source, event] of events) {
    store.advanceTo(instant);
    await store.send(source, event);
  }

  store.advanceTo(${iso(decidedAtMillis)});
  const decision = await store.decide(${JSON.stringify(service)}, ${literal(decided, '  ')}${mode === 'apply' ? '' : `, { mode: '${mode}' }`});

  assert.deepEqual(decision.features, ${literal(features, '  ')});
  assert.deepEqual(decision.rules.map(({ name }) => name), ${JSON.stringify(rules ?? [])});
${score === undefined ? '' : `  assert.equal(decision.score, ${score});\n`}${
  decision === undefined
    ? `  // The decision itself is not expected here: ${unexpected}.\n`
    : `  assert.equal(decision.decision, ${JSON.stringify(decision)});\n`
}});
`;
}
