/** Thrown when declarations are loaded and one of them cannot be built. The message names it and says what to change. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError';
  /** What was being declared, as `kind name`, for example `view user_transactions`. */
  readonly subject: string;

  constructor(subject: string, problem: string, options?: ErrorOptions) {
    super(`${subject}: ${problem}`, options);
    this.subject = subject;
  }
}

const NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Names become attribute, column and file names everywhere, so they are `snake_case`, at most 63 characters. */
export function checkName(kind: string, name: string): void {
  if (!NAME.test(name)) {
    throw new DefinitionError(
      `${kind} ${JSON.stringify(name)}`,
      'a name is snake_case: a lower-case letter, then letters, digits or "_", at most 63 characters',
    );
  }
}
