/** What may be logged of records that were refused: how many, in which fields, by which errors. Never their contents. */
import type { EventProblem } from '../shared/definitions/decode-event.ts';
import type { EventSource } from '../shared/definitions/source.ts';

/** Only names that were declared: any other name was written by whoever wrote the event, and may say anything. */
export function countByField(source: EventSource, problems: readonly EventProblem[]): Record<string, number> {
  const declaredName = (field: string) => (Object.hasOwn(source.fields, field) ? field : 'unknown field');
  return countBy(problems.map(({ field }) => (field === '' ? 'whole event' : declaredName(field))));
}

/** By the class of each error and of its cause, such as `OnlineStoreRequestError: AccessDeniedException`. */
export function countByErrorName(errors: readonly unknown[]): Record<string, number> {
  return countBy(errors.map(errorName));
}

function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return error.cause instanceof Error ? `${error.name}: ${error.cause.name}` : error.name;
}

function countBy(texts: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return Object.fromEntries(counts);
}
