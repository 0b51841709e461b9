import * as z from 'zod';

/** A text of JSON, whose value a schema describes. */
export function jsonText<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue('must be JSON text');
        return z.NEVER;
      }
    })
    .pipe(schema);
}
