import type { EventSource } from '../shared/definitions/source.ts';
import { requireEnvironment } from './environment.ts';

/** The source that a variable of the environment names. @throws Error naming the sources when there is no such source. */
export function sourceNamedBy(variable: string, sources: readonly EventSource[]): EventSource {
  const name = requireEnvironment(variable);
  const found = sources.find((candidate) => candidate.name === name);
  if (found === undefined) {
    const names = sources.map((candidate) => candidate.name).join(', ');
    throw new Error(`${variable} names "${name}", which is no source; the sources are ${names}`);
  }
  return found;
}
