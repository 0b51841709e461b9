/** Thrown when the history of a source cannot be used. Says which file or column, and what it must be. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
}
