/** Thrown when what the user asked for cannot be done as asked. One sentence that says what to change. */
export class UserError extends Error {
  override readonly name = 'UserError';
}
