import { setTimeout as timer } from 'node:timers/promises';
import {
  type AthenaClient,
  GetQueryExecutionCommand,
  paginateGetQueryResults,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { awsErrorKind } from '../../aws-errors.ts';
import { AthenaQueryCancelledError, AthenaQueryError, AthenaThrottledError, AthenaUnavailableError } from './errors.ts';

export interface AthenaQueriesOptions {
  /** Its own retries are relied upon: let it make several attempts. */
  readonly client: AthenaClient;
  /** Says where results go, how they are encrypted and how much may be read. */
  readonly workgroup: string;
  /** Tables without a database's name are of this one. */
  readonly database: string;
  /** An answer to the same text of a query may be as old as this, and then costs nothing. 0: never. At most 10,080. */
  readonly reuseMinutes: number;
  /** Waits between two looks at a query. */
  readonly delay?: (millis: number) => Promise<unknown>;
}

/** A query that has ended well. */
export interface AthenaRun {
  readonly queryId: string;
  /** What the query costs is counted by these. */
  readonly bytesScanned: number;
  /** Whether the answer is that of an earlier run. */
  readonly reused: boolean;
}

export interface AthenaResult extends AthenaRun {
  readonly columns: readonly string[];
  /** Values as Athena writes them. */
  readonly rows: readonly (readonly (string | null)[])[];
}

const FIRST_DELAY_MILLIS = 100;
const DELAY_MILLIS_MAX = 2_000;

/** Queries over Athena: begun, waited for, and read. Every failure is an `AthenaQueryError`. */
export class AthenaQueries {
  readonly #options: AthenaQueriesOptions;

  constructor(options: AthenaQueriesOptions) {
    this.#options = options;
  }

  /**
   * Runs a query and reads all of its answer, which should be small.
   * @param signal stops the query in Athena too; then its reason is thrown.
   */
  async run(sql: string, signal?: AbortSignal): Promise<AthenaResult> {
    const run = await this.execute(sql, signal);
    return { ...run, ...(await this.#read(run.queryId)) };
  }

  /** Runs a query and leaves its answer where the query or the workgroup puts it. */
  async execute(sql: string, signal?: AbortSignal): Promise<AthenaRun> {
    signal?.throwIfAborted();
    const queryId = await this.#start(sql);
    const execution = await this.#end(queryId, signal);
    return {
      queryId,
      bytesScanned: execution.Statistics?.DataScannedInBytes ?? 0,
      reused: execution.Statistics?.ResultReuseInformation?.ReusedPreviousResult ?? false,
    };
  }

  async #start(sql: string): Promise<string> {
    const { client, workgroup, database, reuseMinutes } = this.#options;
    const reuse = reuseMinutes > 0 ? { Enabled: true, MaxAgeInMinutes: reuseMinutes } : { Enabled: false };
    const { QueryExecutionId } = await translated(undefined, () =>
      client.send(
        new StartQueryExecutionCommand({
          QueryString: sql,
          WorkGroup: workgroup,
          QueryExecutionContext: { Database: database },
          ResultReuseConfiguration: { ResultReuseByAgeConfiguration: reuse },
        }),
      ),
    );
    if (QueryExecutionId === undefined) throw new AthenaQueryError('Athena began a query and did not say which');
    return QueryExecutionId;
  }

  async #end(queryId: string, signal: AbortSignal | undefined): Promise<QueryExecution> {
    const { client, delay = timer } = this.#options;
    for (let waitMillis = FIRST_DELAY_MILLIS; ; waitMillis = Math.min(waitMillis * 2, DELAY_MILLIS_MAX)) {
      const { QueryExecution = {} } = await translated(queryId, () =>
        client.send(new GetQueryExecutionCommand({ QueryExecutionId: queryId })),
      );
      const state = QueryExecution.Status?.State;
      if (state === 'SUCCEEDED') return QueryExecution;
      if (state === 'FAILED' || state === 'CANCELLED') throw endedBadly(queryId, QueryExecution);
      if (signal?.aborted) await this.#stop(queryId);
      signal?.throwIfAborted();
      await delay(waitMillis);
    }
  }

  /** A query that nobody waits for must not go on reading. */
  async #stop(queryId: string): Promise<void> {
    const { client } = this.#options;
    await translated(queryId, () => client.send(new StopQueryExecutionCommand({ QueryExecutionId: queryId })));
  }

  async #read(queryId: string): Promise<Pick<AthenaResult, 'columns' | 'rows'>> {
    const { client } = this.#options;
    return translated(queryId, async () => {
      const columns: string[] = [];
      const rows: (string | null)[][] = [];
      for await (const { ResultSet } of paginateGetQueryResults({ client }, { QueryExecutionId: queryId })) {
        if (columns.length === 0)
          columns.push(...(ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).flatMap(({ Name }) => Name ?? []));
        for (const { Data = [] } of ResultSet?.Rows ?? [])
          rows.push(Data.map(({ VarCharValue }) => VarCharValue ?? null));
      }
      // The answer of a SELECT begins with the names of its columns.
      const hasHeader = rows[0]?.every((value, index) => value === columns[index]) ?? false;
      return { columns, rows: hasHeader ? rows.slice(1) : rows };
    });
  }
}

/** Why Athena itself cancels: the same query would read as much again. */
const READS_TOO_MUCH = /bytes scanned limit/i;

function endedBadly(queryId: string, { Status }: QueryExecution): AthenaQueryError {
  const reason = Status?.StateChangeReason ?? Status?.AthenaError?.ErrorMessage ?? 'Athena gives no reason';
  if (Status?.State === 'CANCELLED') {
    const retryable = !READS_TOO_MUCH.test(reason);
    return new AthenaQueryCancelledError(`the query was cancelled: ${reason}`, { queryId, retryable });
  }
  return new AthenaQueryError(`the query failed: ${reason}`, { queryId, retryable: Status?.AthenaError?.Retryable });
}

/** What the SDK throws, as an error of ours. */
async function translated<Answer>(queryId: string | undefined, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    switch (awsErrorKind(cause)) {
      case 'throttled':
        throw new AthenaThrottledError(`Athena is busy: ${reason}`, { queryId, retryable: true, cause });
      case 'passing':
        throw new AthenaUnavailableError(`Athena does not answer: ${reason}`, { queryId, retryable: true, cause });
      case 'final':
        throw new AthenaQueryError(`Athena refuses the query: ${reason}`, { queryId, cause });
    }
  }
}
