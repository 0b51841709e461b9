/** Thrown when Athena did not answer a query. `message` has Athena's own reason, which repeats parts of the query. */
export class AthenaQueryError extends Error {
  override readonly name: string = 'AthenaQueryError';
  /** Under which Athena keeps what it knows of the query; none where it did not begin. */
  readonly queryId: string | undefined;
  /** Whether the same query may succeed later. */
  readonly retryable: boolean;

  constructor(
    message: string,
    options: {
      readonly queryId?: string | undefined;
      readonly retryable?: boolean | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(options.queryId === undefined ? message : `${message} (query ${options.queryId})`, { cause: options.cause });
    this.queryId = options.queryId;
    this.retryable = options.retryable ?? false;
  }
}

/** Somebody stopped the query; or Athena did, because it read more than its workgroup allows: that does not pass. */
export class AthenaQueryCancelledError extends AthenaQueryError {
  override readonly name = 'AthenaQueryCancelledError';
}

/** Athena has too much to do, for this account or at all. Retry later. */
export class AthenaThrottledError extends AthenaQueryError {
  override readonly name = 'AthenaThrottledError';
}

/** Athena could not be reached, or failed internally; the query may have run. Retry. */
export class AthenaUnavailableError extends AthenaQueryError {
  override readonly name = 'AthenaUnavailableError';
}
